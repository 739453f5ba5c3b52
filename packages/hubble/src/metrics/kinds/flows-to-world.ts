import { type Flow, type FlowEndpoint, Verdict } from "../../model.ts";
import { protocolOf, verdictName } from "../names.ts";
import { family, type MetricKind } from "./kind.ts";

/** No policy allows it. Other reasons count with the option any-drop. */
const policyDenied = 133;

export const flowsToWorld: MetricKind = {
  options: ["any-drop", "port", "syn-only"],
  create: (options) => {
    const [anyDrop, withPort, synOnly] = ["any-drop", "port", "syn-only"].map((name) =>
      options.options.has(name),
    );
    const flows = family(options, {
      name: "flows_to_world_total",
      help: "Total number of flows to reserved:world",
      labels: ["protocol", "verdict", ...(withPort ? ["port"] : [])],
    });
    const { values, own } = flows;
    const isWorld = makeIsWorld();
    return {
      families: [flows.family],
      note: (flow) => {
        const { l4, isReply, verdict } = flow;
        if (!l4 || flow.eventType.type === 0 || !isWorld(flow.destination)) return;
        if (verdict === Verdict.dropped && !anyDrop && flow.dropReason !== policyDenied) return;
        // Answers to clients out there would fill the metric with their ports.
        if (verdict !== Verdict.dropped && isReply === true) return;
        if (synOnly && (l4.kind !== "tcp" || !l4.flags?.syn || isReply === true)) return;
        options.context.fill(values, flow, false);
        values[own] = protocolOf(flow);
        values[own + 1] = verdictName(verdict);
        if (withPort) values[own + 2] = portOf(flow);
        flows.family.count(values);
      },
    };
  },
};

function makeIsWorld(): (endpoint: FlowEndpoint) => boolean {
  const known = new WeakMap<FlowEndpoint, boolean>();
  return (endpoint) => {
    let value = known.get(endpoint);
    if (value === undefined)
      known.set(endpoint, (value = endpoint.labels.includes("reserved:world")));
    return value;
  };
}

function portOf({ l4 }: Flow): string {
  return l4 && "destinationPort" in l4 ? String(l4.destinationPort) : "";
}
