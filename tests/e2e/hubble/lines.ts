// A flow in a line, in the same words on every run: numbers that the lab chose are replaced by names, and whatever a flow says of
// a pod that is not so is written out.
//
//   node-1 FORWARDED to-overlay new: client:c -> far:8080 TCP SYN, egress
//   node-2 DROPPED POLICY_DENIED: world-ipv4@world:c -> far:8080 TCP SYN, ingress, denied by NetworkPolicy nobody
import { l7Text } from "./l7-text.ts";
import { identityText, type Names, workloadOf } from "./names.ts";
import type { SeenEnd, SeenFlow, SeenPolicy } from "./seen.ts";

export type LineOptions = {
  readonly names: Names;
  /** Whose pods and policies are called by their names alone. */
  readonly namespace: string;
  /** Ports that have a name: "c" for the client's own. Others above 32767 are "any". */
  readonly ports: ReadonlyMap<number, string>;
};

export function lineOf(flow: SeenFlow, options: LineOptions): string {
  const { source, destination } = endsOf(flow);
  const words = [
    `${flow.node_name} ${flow.verdict} ${eventText(flow)}:`,
    endText(flow.source, { ...options, node: flow.node_name, ...source }),
    "->",
    endText(flow.destination, { ...options, node: flow.node_name, ...destination }),
    flow.l7 ? l7Text(flow.l7, options.names) : protocolText(flow),
  ];
  const masqueraded = flow.IP?.source_xlated;
  const facts = [
    ...(masqueraded === undefined ? [] : [`as ${options.names.addresses.get(masqueraded)}`]),
    flow.traffic_direction?.toLowerCase() ?? "no direction",
    ...(flow.is_reply === undefined ? [] : [flow.is_reply ? "reply" : "request"]),
    ...serviceText("to", flow.destination_service, options),
    ...serviceText("of", flow.source_service, options),
    ...policiesText("allowed at egress by", flow.egress_allowed_by, options),
    ...policiesText("allowed by", flow.ingress_allowed_by, options),
    ...policiesText("denied at egress by", flow.egress_denied_by, options),
    ...policiesText("denied by", flow.ingress_denied_by, options),
  ];
  return `${words.join(" ")}, ${facts.join(", ")}`;
}

/** Addresses and ports of both ends. */
export function endsOf(flow: SeenFlow): Record<"source" | "destination", Place> {
  const ports = flow.l4?.TCP ?? flow.l4?.UDP;
  return {
    source: { address: flow.IP?.source, port: ports?.source_port },
    destination: { address: flow.IP?.destination, port: ports?.destination_port },
  };
}

type Place = { readonly address: string | undefined; readonly port: number | undefined };

const tracePoints: Readonly<Record<number, string>> = {
  0: "to-endpoint",
  2: "to-host",
  3: "to-stack",
  4: "to-overlay",
  5: "from-endpoint",
  7: "from-host",
  9: "from-overlay",
  10: "from-network",
  11: "to-network",
};
const socketPoints: Readonly<Record<number, string>> = { 1: "pre-xlate-fwd", 2: "post-xlate-fwd" };
/** flow.FlowType that each type of event must say. */
const flowTypes: Readonly<Record<number, string>> = {
  1: "L3_L4",
  4: "L3_L4",
  5: "L3_L4",
  8: "SOCK",
  129: "L7",
};

function eventText(flow: SeenFlow): string {
  const { type, sub_type: subType = 0 } = flow.event_type;
  const wrong = flowTypes[type] === flow.Type ? "" : ` (Type is ${flow.Type})`;
  switch (type) {
    case 1: {
      const number = flow.drop_reason === subType ? "" : ` (${flow.drop_reason} is not ${subType})`;
      const reason = `${flow.drop_reason_desc ?? "no reason"}${number}`;
      // A call that was refused; no packet.
      return flow.Type === "SOCK" ? `connect ${reason}` : `${reason}${wrong}`;
    }
    case 4: {
      const point = tracePoints[subType] ?? `point ${subType}`;
      const said = flow.trace_observation_point?.toLowerCase().replaceAll("_", "-");
      const other = said === point ? "" : ` (observed ${said})`;
      return `${point}${other} ${flow.trace_reason?.toLowerCase() ?? "no reason"}${wrong}`;
    }
    case 5:
      return `policy-verdict:${subType}${wrong}`;
    case 8:
      return `${socketPoints[subType] ?? `point ${subType}`}${wrong}`;
    case 129:
      return `l7${wrong}`;
    default:
      return `type ${type}:${subType}`;
  }
}

type End = LineOptions & Place & { readonly node: string };

function endText(end: SeenEnd | undefined, place: End): string {
  const { address = "nowhere", port, names } = place;
  const at = names.addresses.get(address) ?? address;
  const who = whoIs(end, place);
  const where = who === at ? at : `${who || "nobody"}@${at}`;
  return `${where}${port === undefined ? "" : `:${portText(port, place)}`}${wrongWith(end, place)}`;
}

function whoIs(end: SeenEnd | undefined, { names, namespace }: LineOptions): string {
  if (end?.pod_name !== undefined) {
    const { name } = workloadOf(end.pod_name);
    return end.namespace === namespace ? name : `${end.namespace}/${name}`;
  }
  return end?.identity === undefined ? "" : identityText(names, end.identity);
}

/** What the flow says of an end beyond its name, as far as it is not so. */
function wrongWith(end: SeenEnd | undefined, { names, node }: End): string {
  if (!end) return "";
  const wrong: string[] = [];
  const check = (what: string, said: unknown, wanted: unknown) => {
    const [a, b] = [JSON.stringify(said), JSON.stringify(wanted)];
    if (a !== b) wrong.push(`${what} ${a}, not ${b}`);
  };
  const pod = names.pods.get(`${end.namespace}/${end.pod_name}`);
  if (end.pod_name !== undefined) check("pod known", pod !== undefined, true);
  if (pod) {
    const local = pod.node === node;
    check("identity", end.identity, pod.identity);
    check("ID", end.ID, local ? pod.endpointId : undefined);
    check("workloads", end.workloads, local ? [pod.workload] : undefined);
  }
  if (end.identity !== undefined)
    check("labels", end.labels?.toSorted(), names.identities.get(end.identity)?.toSorted());
  return wrong.length === 0 ? "" : ` (WRONG: ${wrong.join("; ")})`;
}

function portText(port: number, { ports }: LineOptions): string {
  return ports.get(port) ?? (port >= 32_768 ? "any" : String(port));
}

function protocolText({ l4, Summary }: SeenFlow): string {
  if (!l4) return Summary ?? "no protocol";
  if (l4.UDP) return "UDP";
  if (!l4.TCP) return Summary ?? "no summary";
  const flags = Object.entries(l4.TCP.flags ?? {}).flatMap(([flag, set]) => (set ? [flag] : []));
  return ["TCP", ...flags.toSorted()].join(" ");
}

type Service = { readonly name: string; readonly namespace: string } | undefined;

function serviceText(word: string, service: Service, { namespace }: LineOptions): string[] {
  if (!service) return [];
  const { name } = service;
  return [`${word} ${service.namespace === namespace ? name : `${service.namespace}/${name}`}`];
}

function policiesText(
  word: string,
  policies: readonly SeenPolicy[] | undefined,
  { namespace }: LineOptions,
): string[] {
  if (!policies || policies.length === 0) return [];
  const texts = policies.map((policy) => {
    const where =
      policy.namespace === undefined || policy.namespace === namespace
        ? ""
        : `${policy.namespace}/`;
    return `${policy.kind} ${where}${policy.name}${pathText(policy)}`;
  });
  return [`${word} ${texts.join(" and ")}`];
}

/** The deciding rule's place in its policy. */
function pathText({ labels = [] }: SeenPolicy): string {
  const key = "tsilium:io.tsilium.policy.rule-path=";
  const label = labels.find((each) => each.startsWith(key));
  return label ? ` ${label.slice(key.length)}` : "";
}
