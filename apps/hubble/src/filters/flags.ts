// The filter flags of `hubble observe`: one row each, from which come options, help, completion and filters.
// Names, short names and meaning are those of Cilium's `hubble`.
import type { FilterField, FilterValue } from "./raw-filter.ts";
import {
  dropReason,
  eventType,
  eventTypes,
  httpHeader,
  identity,
  ipTraceId,
  ipVersion,
  protocols,
  reservedIdentities,
  tcpFlagsValue,
  trafficDirection,
  verdict,
  verdicts,
  workload,
} from "./values.ts";

export type FilterFlag = {
  /** Without its dashes. */
  readonly name: string;
  readonly short?: string;
  readonly help: string;
  /** What the flag means by itself: it takes no value. */
  readonly implied?: string;
  /** What completion offers as values; others may be accepted. */
  readonly completions?: readonly string[];
  readonly adds: Addition;
};

/** What one use of a flag adds to the two filters of which a flow has to match either (filtersOf). */
export type Addition =
  | { readonly kind: "not" }
  | { readonly kind: "namespace"; readonly of: "either" | "source" | "destination" }
  | { readonly kind: "cel" }
  | {
      readonly kind: "field";
      /** Of the first filter and of the second: two where a flow may match at its source or at its destination. */
      readonly fields: readonly [FilterField, FilterField];
      /** @throws InvalidArgumentError for what is no value of the field. */
      readonly parse: (text: string) => FilterValue;
    };

const asIs = (text: string) => text;
const anyNamespace = { implied: "" };

export const filterFlags: readonly FilterFlag[] = [
  {
    name: "not",
    implied: "true",
    help: "turn the next filter around: --not --from-ip 2.2.2.2",
    adds: { kind: "not" },
  },
  ...either("pod", "pod", asIs, {
    help: 'source or destination: pods by prefix of their names, "[namespace/]name"; without a namespace: in "default"',
  }),
  ...namespaces("namespace", {
    short: "n",
    help: "source or destination: in this Kubernetes namespace",
  }),
  ...namespaces("all-namespaces", {
    ...anyNamespace,
    short: "A",
    help: "source or destination: in any Kubernetes namespace",
  }),
  ...either("service", "service", asIs, {
    help: 'source or destination: services by prefix of their names, "[namespace/]name"; without a namespace: in "default"',
  }),
  ...either("workload", "workload", workload, {
    help: 'source or destination: workloads, "name", "Kind/name" or "Kind/": Deployment/web',
  }),
  ...either("label", "label", asIs, {
    short: "l",
    help: 'source or destination: endpoints with these labels, a selector: "app=web,tier!=back", "reserved:world"',
  }),
  ...either("identity", "identity", identity, {
    help: "source or destination: the security identity, by number or name: 12345, world",
    completions: reservedIdentities,
  }),
  ...either("ip", "ip", asIs, {
    help: "source or destination: addresses or CIDR ranges, 1.1.1.1, 10.0.0.0/8, fd00::/8",
  }),
  single("snat-ip", "source_ip_xlated", asIs, {
    help: "addresses or CIDR ranges that sources were translated to (SNAT)",
  }),
  ...either("fqdn", "fqdn", asIs, {
    help: 'source or destination: DNS names, "*" stands for anything: "*.cilium.io"',
  }),
  ...either("port", "port", asIs, { help: "source or destination: the port, 8080" }),
  ...either("cluster", "cluster_name", asIs, {
    help: 'source or destination: names of clusters, "*" stands for anything: "prod-*"',
  }),
  single("verdict", "verdict", verdict, {
    help: `what became of it: ${verdicts.join(", ")}`,
    completions: verdicts,
  }),
  single("drop-reason-desc", "drop_reason_desc", dropReason, {
    help: 'the reason of a drop: "POLICY_DENIED", "UNSUPPORTED_L3_PROTOCOL"',
  }),
  single("type", "event_type", eventType, {
    short: "t",
    help: `TYPE[:SUBTYPE]: ${eventTypesHelp()}`,
    completions: eventTypeWords(),
  }),
  single("protocol", "protocol", asIs, {
    help: `the protocol of layer 4 or 7: ${protocols.join(", ")}`,
    completions: protocols,
  }),
  single("tcp-flags", "tcp_flags", tcpFlagsValue, {
    help: "these TCP flags are set: syn, or syn,ack",
    completions: ["syn", "ack", "fin", "rst", "psh", "urg", "ece", "cwr", "ns", "syn,ack"],
  }),
  single("traffic-direction", "traffic_direction", trafficDirection, {
    help: "ingress or egress, as the endpoint sees it where the flow was seen",
    completions: ["ingress", "egress"],
  }),
  single("reply", "reply", () => true, {
    implied: "true",
    help: "replies (--not --reply: the rest)",
  }),
  single("ip-version", "ip_version", ipVersion, {
    help: "v4, v6, or none (ARP and others)",
    completions: ["none", "v4", "v6"],
  }),
  single("ipv4", "ip_version", ipVersion, { short: "4", implied: "v4", help: "IPv4" }),
  single("ipv6", "ip_version", ipVersion, { short: "6", implied: "v6", help: "IPv6" }),
  single("interface", "interface", (name) => ({ name }), {
    help: "the network interface at which it was seen: eth0",
  }),
  single("encrypted", "encrypted", () => true, {
    implied: "true",
    help: "encrypted between nodes",
  }),
  single("unencrypted", "encrypted", () => false, {
    implied: "true",
    help: "not encrypted between nodes",
  }),
  single("http-status", "http_status_code", asIs, {
    help: 'the HTTP status code or its beginning: "404", "5+"',
  }),
  single("http-method", "http_method", asIs, {
    help: "the HTTP method: get, post",
    completions: ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"],
  }),
  single("http-path", "http_path", asIs, {
    help: 'the HTTP path, a regular expression: "/page/\\d+"',
  }),
  single("http-url", "http_url", asIs, {
    help: 'the HTTP URL, a regular expression: "http://.*cilium\\.io/page/\\d+"',
  }),
  single("http-header", "http_header", httpHeader, { help: 'an HTTP header: "name:value"' }),
  single("dns-query", "dns_query", asIs, {
    help: 'the name that DNS was asked for, a regular expression: "cilium\\.io\\.$"',
  }),
  single("trace-id", "trace_id", asIs, { help: "the trace ID of its HTTP headers" }),
  single("ip-trace-id", "ip_trace_id", ipTraceId, { help: "the trace ID of its IP options" }),
  single("node-name", "node_name", asIs, {
    help: 'names of nodes that saw it, "*" stands for anything: "k8s*", "test-cluster/*.company.com"',
  }),
  single("node-label", "node_labels", asIs, {
    help: 'labels of the node that saw it, a selector: "key1=value1", "io.cilium/egress-gateway"',
  }),
  single("uuid", "uuid", asIs, { help: "the one flow with this identifier" }),
  {
    name: "cel-expression",
    help: 'an expression in CEL: "_flow.verdict == Verdict.DROPPED"',
    adds: { kind: "cel" },
  },
];

/** Flags of a row cannot be combined: together they would ask for what no flow can be, or say one thing twice. */
export const conflicts: readonly (readonly string[])[] = [
  ...conflictsOfEnd("from"),
  ...conflictsOfEnd("to"),
  ...["label", "service", "port", "identity", "workload", "cluster"].flatMap((name) => [
    [name, `from-${name}`],
    [name, `to-${name}`],
  ]),
  ["encrypted", "unencrypted"],
];

function conflictsOfEnd(end: "from" | "to"): string[][] {
  const addressed = [`${end}-fqdn`, `${end}-ip`, "ip", "fqdn"];
  const everywhere = ["namespace", "all-namespaces"];
  return [
    [...addressed, `${end}-namespace`, "namespace", `${end}-all-namespaces`, "all-namespaces"],
    [...addressed, `${end}-pod`, "pod"],
    [`${end}-pod`, ...everywhere],
    [`${end}-service`, ...everywhere],
  ];
}

type Rest = Pick<FilterFlag, "help" | "short" | "implied" | "completions">;
type Parse = (text: string) => FilterValue;

/** NAME, --from-NAME and --to-NAME. */
function either(name: string, field: string, parse: Parse, rest: Rest): FilterFlag[] {
  const source = `source_${field}` as FilterField;
  const destination = `destination_${field}` as FilterField;
  const ends = ended(rest);
  const adds = (...fields: [FilterField, FilterField]) =>
    ({ kind: "field", fields, parse }) as const;
  return [
    { name, ...rest, adds: adds(source, destination) },
    {
      name: `from-${name}`,
      ...ends,
      help: `as --${name}, of the source`,
      adds: adds(source, source),
    },
    {
      name: `to-${name}`,
      ...ends,
      help: `as --${name}, of the destination`,
      adds: adds(destination, destination),
    },
  ];
}

function namespaces(name: string, rest: Rest): FilterFlag[] {
  const ends = ended(rest);
  const adds = (of: "either" | "source" | "destination") => ({ kind: "namespace", of }) as const;
  return [
    { name, ...rest, adds: adds("either") },
    { name: `from-${name}`, ...ends, help: `as --${name}, of the source`, adds: adds("source") },
    {
      name: `to-${name}`,
      ...ends,
      help: `as --${name}, of the destination`,
      adds: adds("destination"),
    },
  ];
}

/** Short names belong to the flag for either end. */
function ended({ short: _short, ...rest }: Rest): Rest {
  return rest;
}

function single(name: string, field: FilterField, parse: Parse, rest: Rest): FilterFlag {
  return { name, ...rest, adds: { kind: "field", fields: [field, field], parse } };
}

function eventTypesHelp(): string {
  return Object.entries(eventTypes)
    .map(([name, { subTypes }]) => {
      const words = Object.keys(subTypes);
      return words.length > 0 ? `${name} (${words.join(", ")})` : name;
    })
    .join("; ");
}

function eventTypeWords(): string[] {
  return Object.entries(eventTypes).flatMap(([name, { subTypes }]) => [
    name,
    ...Object.keys(subTypes).map((subType) => `${name}:${subType}`),
  ]);
}
