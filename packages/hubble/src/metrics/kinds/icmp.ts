import { family, type MetricKind } from "./kind.ts";
import { icmpName } from "../icmp-names.ts";

export const icmp: MetricKind = {
  options: [],
  create: (options) => {
    const messages = family(options, {
      name: "icmp_total",
      help: "Number of ICMP messages",
      labels: ["family", "type"],
    });
    const { values, own } = messages;
    return {
      families: [messages.family],
      note: (flow) => {
        const { l4 } = flow;
        if (l4?.kind !== "icmp4" && l4?.kind !== "icmp6") return;
        options.context.fill(values, flow, false);
        values[own] = l4.kind === "icmp4" ? "IPv4" : "IPv6";
        values[own + 1] = icmpName(l4);
        messages.family.count(values);
      },
    };
  },
};
