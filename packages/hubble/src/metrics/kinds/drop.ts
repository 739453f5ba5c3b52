import { Verdict } from "../../model.ts";
import { dropReasonName, protocolOf } from "../names.ts";
import { family, type MetricKind } from "./kind.ts";

export const drop: MetricKind = {
  options: [],
  create: (options) => {
    const drops = family(options, {
      name: "drop_total",
      help: "Number of drops",
      labels: ["reason", "protocol"],
    });
    const { values, own } = drops;
    return {
      families: [drops.family],
      note: (flow) => {
        if (flow.verdict !== Verdict.dropped) return;
        options.context.fill(values, flow, false);
        values[own] = dropReasonName(flow.dropReason);
        values[own + 1] = protocolOf(flow);
        drops.family.count(values);
      },
    };
  },
};
