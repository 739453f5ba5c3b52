// What happened, in the words of Cilium's `hubble`: types, verdicts, reasons. Pure.
import { EventType, type Flow, Verdict } from "@tsilium/hubble/model.ts";
// Not by the package's index, which would load the kernel's side with it.
import { reasonText } from "../../../../packages/datapath/src/tables/drop-reasons.ts";
import { printable } from "../../../cli/src/output.ts";

const verdictNames = [
  "VERDICT_UNKNOWN",
  "FORWARDED",
  "DROPPED",
  "ERROR",
  "AUDIT",
  "REDIRECTED",
  "TRACED",
  "TRANSLATED",
];
const l7Types = ["unknown_l7_type", "request", "response", "sample"];
const directions = ["TRAFFIC_DIRECTION_UNKNOWN", "INGRESS", "EGRESS"];
const matchTypes = ["none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only"];
const tracePoints = [
  "to-endpoint",
  "to-proxy",
  "to-host",
  "to-stack",
  "to-overlay",
  "from-endpoint",
  "from-proxy",
  "from-host",
  "from-stack",
  "from-overlay",
  "from-network",
  "to-network",
  "from-crypto",
  "to-crypto",
];
const socketPoints = [
  "SOCK_XLATE_POINT_UNKNOWN",
  "pre-xlate-fwd",
  "post-xlate-fwd",
  "pre-xlate-rev",
  "post-xlate-rev",
];

/** "to-endpoint", "Policy denied", "policy-verdict:L3-L4 INGRESS", "http-request", "dns-response proxy". */
export function flowType(flow: Flow): string {
  if (flow.l7) return l7Type(flow.l7);
  const { type, subType } = flow.eventType;
  switch (type) {
    case EventType.trace:
      return tracePoints[subType] ?? String(subType);
    case EventType.drop:
      return reasonText(subType);
    case EventType.policyVerdict: {
      const match = matchTypes[flow.policyMatchType] ?? "unknown";
      return `policy-verdict:${match} ${directions[flow.direction] ?? flow.direction}`;
    }
    case EventType.traceSock:
      return socketPoints[flow.socketPoint] ?? String(flow.socketPoint);
    default:
      return "UNKNOWN";
  }
}

function l7Type(l7: NonNullable<Flow["l7"]>): string {
  const type = l7Types[l7.type] ?? String(l7.type);
  return l7.kind === "dns"
    ? `dns-${type} ${printable(l7.observationSource)}`
    : `${l7.kind}-${type}`;
}

/** "FORWARDED"; of policy verdicts what the policy said: "ALLOWED", "DENIED", "AUDITED". */
export function verdictText(flow: Flow): string {
  const ofPolicy = flow.eventType.type === EventType.policyVerdict;
  switch (flow.verdict) {
    case Verdict.forwarded:
    case Verdict.redirected:
      if (ofPolicy) return "ALLOWED";
      break;
    case Verdict.dropped:
    case Verdict.error:
      if (ofPolicy) return "DENIED";
      break;
    case Verdict.audit:
      if (ofPolicy) return "AUDITED";
  }
  return verdictNames[flow.verdict] ?? String(flow.verdict);
}

export type Mood = "good" | "bad" | "notable" | undefined;

/** How a verdict is to be taken: its colour. */
export function verdictMood(verdict: number): Mood {
  switch (verdict) {
    case Verdict.forwarded:
    case Verdict.redirected:
      return "good";
    case Verdict.dropped:
    case Verdict.error:
      return "bad";
    case Verdict.audit:
    case Verdict.traced:
    case Verdict.translated:
      return "notable";
    default:
      return undefined;
  }
}
