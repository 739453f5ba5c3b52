import { Verdict } from "../../model.ts";
import { l4Name } from "../names.ts";
import { family, type MetricKind } from "./kind.ts";

export const portDistribution: MetricKind = {
  options: [],
  create: (options) => {
    const ports = family(options, {
      name: "port_distribution_total",
      help: "Numbers of packets distributed by destination port",
      labels: ["protocol", "port"],
    });
    const { values, own } = ports;
    return {
      families: [ports.family],
      note: (flow) => {
        const { verdict, l4 } = flow;
        const passes = verdict === Verdict.forwarded || verdict === Verdict.redirected;
        // Only of what is known not to be an answer: answers go to any port.
        if (!passes || !l4 || flow.isReply !== false) return;
        options.context.fill(values, flow, false);
        values[own] = l4Name(flow);
        values[own + 1] = "destinationPort" in l4 ? String(l4.destinationPort) : "0";
        ports.family.count(values);
      },
    };
  },
};
