import { Verdict } from "../../model.ts";
import { familyOf } from "../names.ts";
import { family, type MetricKind } from "./kind.ts";

export const tcp: MetricKind = {
  options: [],
  create: (options) => {
    const flags = family(options, {
      name: "tcp_flags_total",
      help: "TCP flag occurrences",
      labels: ["flag", "family"],
    });
    const { values, own } = flags;
    const count = (flag: string) => {
      values[own] = flag;
      flags.family.count(values);
    };
    return {
      families: [flags.family],
      note: (flow) => {
        const { verdict, l4 } = flow;
        const passes = verdict === Verdict.forwarded || verdict === Verdict.redirected;
        if (!passes || l4?.kind !== "tcp" || !l4.flags || !flow.ip) return;
        const { fin, syn, ack, rst } = l4.flags;
        if (!fin && !syn && !rst) return;
        options.context.fill(values, flow, false);
        values[own + 1] = familyOf(flow);
        if (fin) count("FIN");
        if (syn) count(ack ? "SYN-ACK" : "SYN");
        if (rst) count("RST");
      },
    };
  },
};
