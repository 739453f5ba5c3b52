import { icmpName } from "../../decode/icmp.ts";
import { family, type MetricKind } from "./kind.ts";

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
        values[own + 1] = icmpName(l4.kind === "icmp4" ? 4 : 6, l4.type, l4.code);
        messages.family.count(values);
      },
    };
  },
};
