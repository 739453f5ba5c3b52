// A flow in words.
import type { FlowPolicy } from "@tsilium/hubble/model.ts";
import { rulePathLabel } from "@tsilium/hubble/model.ts";
import { defaultDeny, denyRule, dropReasonTitle } from "../../src/shared/drop-reasons.ts";
import {
  eventTypeName,
  observationPoints,
  reservedName,
  socketPoints,
  verdictNames,
} from "../../src/shared/names.ts";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";

export type End = "source" | "destination";

export function verdictName(flow: SeenFlow): string {
  return verdictNames[flow.verdict] ?? String(flow.verdict);
}

/** Class of the verdict's colour. */
export function verdictTone(flow: SeenFlow): "ok" | "drop" | "audit" | "redirect" | "muted" {
  switch (verdictName(flow)) {
    case "FORWARDED":
      return "ok";
    case "DROPPED":
    case "ERROR":
      return "drop";
    case "AUDIT":
      return "audit";
    case "REDIRECTED":
      return "redirect";
    default:
      return "muted";
  }
}

export type EndName = {
  /** "shop", "" for what has no namespace. */
  readonly namespace: string;
  readonly name: string;
};

/** Pod, else service, else DNS name, else what is reserved, else address. */
export function endName(flow: SeenFlow, end: End): EndName {
  const endpoint = flow[end];
  if (endpoint.podName !== "") return { namespace: endpoint.namespace, name: endpoint.podName };
  const service = end === "source" ? flow.sourceService : flow.destinationService;
  if (service && service.name !== "")
    return { namespace: service.namespace, name: `${service.name} (service)` };
  const [dnsName] = end === "source" ? flow.sourceNames : flow.destinationNames;
  if (dnsName !== undefined) return { namespace: "", name: dnsName };
  const reserved = reservedOf(flow, end);
  const address = addressOf(flow, end);
  if (reserved === undefined) return { namespace: endpoint.namespace, name: address };
  return { namespace: "", name: address === "" ? reserved : `${reserved} ${address}` };
}

export function reservedOf(flow: SeenFlow, end: End): string | undefined {
  const { identity, labels } = flow[end];
  if (labels.includes("reserved:kube-apiserver")) return "kube-apiserver";
  const name = reservedName(identity)?.replace(/-ipv[46]$/, "");
  if (name !== undefined && name !== "unknown") return name;
  const label = labels.find((text) => text.startsWith("reserved:"));
  return label?.slice("reserved:".length);
}

export function addressOf(flow: SeenFlow, end: End): string {
  return flow.ip?.[end] ?? "";
}

/** undefined: it has none. */
export function portOf(flow: SeenFlow, end: End): number | undefined {
  const { l4 } = flow;
  if (!l4 || !("sourcePort" in l4)) return undefined;
  const port = end === "source" ? l4.sourcePort : l4.destinationPort;
  // A socket that asks for a service has no port yet.
  return port === 0 ? undefined : port;
}

export function protocolOf(flow: SeenFlow): string {
  const { l4, l7 } = flow;
  if (l7) return l7.kind.toUpperCase();
  if (!l4) return "";
  return { tcp: "TCP", udp: "UDP", sctp: "SCTP", icmp4: "ICMP", icmp6: "ICMPv6" }[l4.kind];
}

/** "TCP 9000", "ICMP 8" */
export function portText(flow: SeenFlow): string {
  const { l4 } = flow;
  const protocol = protocolOf(flow);
  if (l4 && "type" in l4) return `${protocol} type ${l4.type}`;
  const port = portOf(flow, flow.isReply === true ? "source" : "destination");
  return port === undefined ? protocol : `${protocol} ${port}`;
}

/** "to-endpoint", "drop", "policy-verdict", "http-request" */
export function eventText(flow: SeenFlow): string {
  const { type, subType } = flow.eventType;
  const name = eventTypeName(type);
  if (flow.l7) return `${flow.l7.kind}-${["event", "request", "response", "sample"][flow.l7.type]}`;
  if (name === "trace") return observationPoints[subType] ?? name;
  if (name === "trace-sock") return socketPoints[subType] ?? name;
  return name;
}

/** What happened, short: the reason of a drop, the summary else. */
export function infoText(flow: SeenFlow): string {
  if (flow.dropReason !== 0) return dropReasonTitle(flow.dropReason);
  const { l7 } = flow;
  if (l7) return l7Text(l7);
  const summary = flow.summary.replace(/^TCP Flags: /, "");
  // The column of ports says it already.
  return summary === protocolOf(flow) ? "" : summary;
}

function l7Text(l7: NonNullable<SeenFlow["l7"]>): string {
  const answer = l7.type === response ? answerText(l7) : "";
  return `${askedText(l7)}${answer === "" ? "" : ` → ${answer}`}`;
}

const response = 2;

function askedText(l7: NonNullable<SeenFlow["l7"]>): string {
  switch (l7.kind) {
    case "http":
      return `${l7.method} ${pathOf(l7.url)}`.trim();
    case "dns":
      return `${l7.qtypes.join(",")} ${l7.query}`;
    case "kafka":
      return `${l7.apiKey} ${l7.topic}`.trim();
  }
}

/** The row names the server already; of TLS, which has no path, the name that was asked for. */
function pathOf(url: string): string {
  return /^https?:\/\/[^/]+(\/.*)$/.exec(url)?.[1] ?? url;
}

function answerText(l7: NonNullable<SeenFlow["l7"]>): string {
  switch (l7.kind) {
    case "http":
      return l7.code === 0 ? "" : String(l7.code);
    case "dns":
      return l7.rcode === 0 ? [...l7.cnames, ...l7.ips].join(", ") : `code ${l7.rcode}`;
    case "kafka":
      return l7.errorCode === 0 ? "" : `error ${l7.errorCode}`;
  }
}

/** What a proxy did to a request that no rule allows, or only did not do since it is an audit; undefined: no proxy refused it. */
export function refusalText(flow: SeenFlow): string | undefined {
  const parts = policyParts(flow).filter(({ effect }) => effect === "denied");
  if (!flow.l7 || flow.dropReason !== 0) return undefined;
  const isAudit = verdictName(flow) === "AUDIT";
  if (!isAudit && verdictName(flow) !== "DROPPED") return undefined;
  const tense = isAudit ? "would have refused" : "refused";
  const rules = `its rules about ${protocolOf(flow)}`;
  const who =
    parts.length === 0
      ? "no rule allows it, or it could be read in more than one way"
      : parts.length === 1
        ? `this policy selects the pod, and none of ${rules} allows this`
        : `these ${parts.length} policies select the pod, and no rule allows this`;
  return `The proxy ${tense} the request: ${who}.`;
}

export type PolicyPart = {
  readonly policy: FlowPolicy;
  readonly direction: "ingress" | "egress";
  readonly effect: "allowed" | "denied";
  /** The deciding rule's place in the object; undefined: the object as a whole. */
  readonly path: string | undefined;
};

/** Every policy that had a part in the verdict. */
export function policyParts(flow: SeenFlow): readonly PolicyPart[] {
  const parts: PolicyPart[] = [];
  const add = (
    policies: readonly FlowPolicy[],
    direction: PolicyPart["direction"],
    effect: PolicyPart["effect"],
  ) => {
    for (const policy of policies)
      parts.push({ policy, direction, effect, path: rulePath(policy) });
  };
  add(flow.egressDeniedBy, "egress", "denied");
  add(flow.ingressDeniedBy, "ingress", "denied");
  add(flow.egressAllowedBy, "egress", "allowed");
  add(flow.ingressAllowedBy, "ingress", "allowed");
  return parts;
}

function rulePath({ labels }: FlowPolicy): string | undefined {
  const label = labels.find((text) => text.startsWith(`${rulePathLabel}=`));
  return label?.slice(rulePathLabel.length + 1);
}

export function policyName({ namespace, name }: FlowPolicy): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** Which rows a table tints. */
export function isDenied({ dropReason, egressDeniedBy, ingressDeniedBy }: SeenFlow): boolean {
  return (
    dropReason === defaultDeny ||
    dropReason === denyRule ||
    egressDeniedBy.length > 0 ||
    ingressDeniedBy.length > 0
  );
}
