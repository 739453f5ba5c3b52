// The fields of flow.Flow and of the messages in it as CEL reads them, taken from the Flow in hand: building the
// message first would cost more than most expressions. A test holds them against messageFromFlow, field by field.
import { isEmptyEndpoint } from "../../codec/encode-parts.ts";
import { emitter, observationPointToWire } from "../../codec/wire.ts";
import type {
  Flow,
  FlowEndpoint,
  FlowIp,
  FlowPolicy,
  FlowService,
  HttpHeader,
  Layer4,
  Layer7,
  TcpFlags,
  Workload,
} from "../../model.ts";

/** Field -> its value in the object: undefined where a message or wrapper is not set. Numbers are plain numbers here. */
type View<Value> = Readonly<Record<string, (value: Value) => unknown>>;

const orUnset = (endpoint: FlowEndpoint) => (isEmptyEndpoint(endpoint) ? undefined : endpoint);

const flow: View<Flow> = {
  time: ({ timeNs }) => timeNs,
  uuid: ({ uuid }) => uuid,
  verdict: ({ verdict }) => verdict,
  drop_reason: ({ dropReason }) => dropReason,
  drop_reason_desc: ({ dropReason }) => dropReason,
  ethernet: ({ ethernet }) => ethernet,
  IP: ({ ip }) => ip,
  l4: ({ l4 }) => l4,
  source: ({ source }) => orUnset(source),
  destination: ({ destination }) => orUnset(destination),
  Type: ({ type }) => type,
  node_name: ({ nodeName }) => nodeName,
  node_labels: ({ nodeLabels }) => nodeLabels,
  source_names: ({ sourceNames }) => sourceNames,
  destination_names: ({ destinationNames }) => destinationNames,
  l7: ({ l7 }) => l7,
  reply: ({ isReply }) => isReply === true,
  is_reply: ({ isReply }) => isReply,
  event_type: ({ eventType }) =>
    eventType.type === 0 && eventType.subType === 0 ? undefined : eventType,
  source_service: ({ sourceService }) => sourceService,
  destination_service: ({ destinationService }) => destinationService,
  traffic_direction: ({ direction }) => direction,
  policy_match_type: ({ policyMatchType }) => policyMatchType,
  trace_observation_point: ({ observationPoint }) => observationPointToWire(observationPoint),
  trace_reason: ({ traceReason }) => traceReason,
  interface: (value) => value.interface,
  proxy_port: ({ proxyPort }) => proxyPort,
  sock_xlate_point: ({ socketPoint }) => socketPoint,
  socket_cookie: ({ socketCookie }) => socketCookie,
  cgroup_id: ({ cgroupId }) => cgroupId,
  emitter: () => emitter,
  egress_allowed_by: ({ egressAllowedBy }) => egressAllowedBy,
  ingress_allowed_by: ({ ingressAllowedBy }) => ingressAllowedBy,
  egress_denied_by: ({ egressDeniedBy }) => egressDeniedBy,
  ingress_denied_by: ({ ingressDeniedBy }) => ingressDeniedBy,
  policy_log: ({ policyLog }) => policyLog,
  Summary: ({ summary }) => summary,
};

const endpoint: View<FlowEndpoint> = {
  ID: ({ id }) => id,
  identity: ({ identity }) => identity,
  cluster_name: ({ clusterName }) => clusterName,
  namespace: ({ namespace }) => namespace,
  labels: ({ labels }) => labels,
  pod_name: ({ podName }) => podName,
  workloads: ({ workloads }) => workloads,
};

const ip: View<FlowIp> = {
  source: ({ source }) => source,
  source_xlated: ({ sourceXlated }) => sourceXlated,
  destination: ({ destination }) => destination,
  ipVersion: ({ version }) => version,
  encrypted: ({ encrypted }) => encrypted,
};

const ofKind =
  <Value extends { readonly kind: string }>(kind: Value["kind"]) =>
  (value: Value) =>
    value.kind === kind ? value : undefined;

const layer4: View<Layer4> = {
  TCP: ofKind("tcp"),
  UDP: ofKind("udp"),
  ICMPv4: ofKind("icmp4"),
  ICMPv6: ofKind("icmp6"),
  SCTP: ofKind("sctp"),
};

type Ports = Extract<Layer4, { readonly sourcePort: number }>;
const ports: View<Ports> = {
  source_port: ({ sourcePort }) => sourcePort,
  destination_port: ({ destinationPort }) => destinationPort,
};

const tcp: View<Extract<Layer4, { readonly kind: "tcp" }>> = {
  ...ports,
  flags: ({ flags }) => flags,
};

const flags: View<TcpFlags> = {
  FIN: ({ fin }) => fin,
  SYN: ({ syn }) => syn,
  RST: ({ rst }) => rst,
  PSH: ({ psh }) => psh,
  ACK: ({ ack }) => ack,
  URG: ({ urg }) => urg,
  ECE: ({ ece }) => ece,
  CWR: ({ cwr }) => cwr,
  NS: ({ ns }) => ns,
};

const icmp: View<{ readonly type: number; readonly code: number }> = {
  type: ({ type }) => type,
  code: ({ code }) => code,
};

const layer7: View<Layer7> = {
  type: ({ type }) => type,
  latency_ns: ({ latencyNs }) => latencyNs,
  dns: ofKind("dns"),
  http: ofKind("http"),
  kafka: ofKind("kafka"),
};

const dns: View<Extract<Layer7, { readonly kind: "dns" }>> = {
  query: ({ query }) => query,
  ips: ({ ips }) => ips,
  ttl: ({ ttl }) => ttl,
  cnames: ({ cnames }) => cnames,
  observation_source: ({ observationSource }) => observationSource,
  rcode: ({ rcode }) => rcode,
  qtypes: ({ qtypes }) => qtypes,
  rrtypes: ({ rrtypes }) => rrtypes,
};

const http: View<Extract<Layer7, { readonly kind: "http" }>> = {
  code: ({ code }) => code,
  method: ({ method }) => method,
  url: ({ url }) => url,
  protocol: ({ protocol }) => protocol,
  headers: ({ headers }) => headers,
};

const kafka: View<Extract<Layer7, { readonly kind: "kafka" }>> = {
  error_code: ({ errorCode }) => errorCode,
  api_version: ({ apiVersion }) => apiVersion,
  api_key: ({ apiKey }) => apiKey,
  correlation_id: ({ correlationId }) => correlationId,
  topic: ({ topic }) => topic,
};

const policy: View<FlowPolicy> = {
  name: ({ name }) => name,
  namespace: ({ namespace }) => namespace,
  labels: ({ labels }) => labels,
  revision: ({ revision }) => revision,
  kind: ({ kind }) => kind,
};

const workload: View<Workload> = { name: ({ name }) => name, kind: ({ kind }) => kind };
const service: View<FlowService> = {
  name: ({ name }) => name,
  namespace: ({ namespace }) => namespace,
};
const ethernet: View<NonNullable<Flow["ethernet"]>> = {
  source: ({ source }) => source,
  destination: ({ destination }) => destination,
};
const eventType: View<Flow["eventType"]> = {
  type: ({ type }) => type,
  sub_type: ({ subType }) => subType,
};
const networkInterface: View<NonNullable<Flow["interface"]>> = {
  index: ({ index }) => index,
  name: ({ name }) => name,
};
const header: View<HttpHeader> = { key: ({ key }) => key, value: ({ value }) => value };
const emitterView: View<typeof emitter> = {
  name: ({ name }) => name,
  version: ({ version }) => version,
};

/** Message -> its view. A field that has none here is never set. */
const views: Readonly<Record<string, View<never>>> = {
  "flow.Flow": flow,
  "flow.Endpoint": endpoint,
  "flow.IP": ip,
  "flow.Layer4": layer4,
  "flow.TCP": tcp,
  "flow.TCPFlags": flags,
  "flow.UDP": ports,
  "flow.SCTP": ports,
  "flow.ICMPv4": icmp,
  "flow.ICMPv6": icmp,
  "flow.Layer7": layer7,
  "flow.DNS": dns,
  "flow.HTTP": http,
  "flow.HTTPHeader": header,
  "flow.Kafka": kafka,
  "flow.Policy": policy,
  "flow.Workload": workload,
  "flow.Service": service,
  "flow.Ethernet": ethernet,
  "flow.CiliumEventType": eventType,
  "flow.NetworkInterface": networkInterface,
  "flow.Emitter": emitterView,
};

/** How to read a field of a message's object; undefined: the model has no such field. */
export function viewOf(message: string, field: string): ((value: object) => unknown) | undefined {
  return views[message]?.[field] as ((value: object) => unknown) | undefined;
}
