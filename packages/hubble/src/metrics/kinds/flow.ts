import { EventType, type Flow } from "../../model.ts";
import { protocolOf, tracePointNames, verdictName } from "../names.ts";
import { family, type MetricKind } from "./kind.ts";
import { isPolicyDrop } from "./policy.ts";

export const flow: MetricKind = {
  options: [],
  create: (options) => {
    const flows = family(options, {
      name: "flows_processed_total",
      help: "Total number of flows processed",
      labels: ["protocol", "type", "subtype", "verdict"],
    });
    const { values, own } = flows;
    return {
      families: [flows.family],
      note: (flow) => {
        options.context.fill(values, flow, false);
        values[own] = protocolOf(flow);
        values[own + 1] = typeOf(flow);
        values[own + 2] = subtypeOf(flow);
        values[own + 3] = verdictName(flow.verdict);
        flows.family.count(values);
        if (!isPolicyDrop(flow)) return;
        // Cilium tells a denied packet twice, as a drop and as a policy's verdict. Its dashboards count on that.
        values[own + 1] = "PolicyVerdict";
        values[own + 2] = "";
        flows.family.count(values);
      },
    };
  },
};

const typeNames: Readonly<Record<number, string>> = {
  [EventType.l7]: "L7",
  [EventType.drop]: "Drop",
  [EventType.capture]: "Capture",
  [EventType.trace]: "Trace",
  [EventType.policyVerdict]: "PolicyVerdict",
};

const typeOf = ({ eventType }: Flow) => typeNames[eventType.type] ?? "Unknown";

function subtypeOf({ eventType, l7 }: Flow): string {
  switch (eventType.type) {
    case EventType.trace:
      return tracePointNames[eventType.subType] ?? "";
    case EventType.l7:
      return l7?.kind === "dns" ? "DNS" : l7?.kind === "http" ? "HTTP" : "";
    case EventType.drop:
    case EventType.capture:
    case EventType.policyVerdict:
      return "";
    default:
      return String(eventType.type);
  }
}
