// Flow -> protobuf's JSON with proto names, as `hubble observe -o jsonpb` prints it: enums as names, 64-bit numbers as
// text, times in RFC 3339, nothing absent. Keys are in the order that Cilium's clients print; what is in them is exactly
// what protobuf-es's toJson gives.
import type { JsonObject } from "@bufbuild/protobuf";
import {
  DropReasonSchema,
  FlowTypeSchema,
  IPVersionSchema,
  SocketTranslationPointSchema,
  TraceObservationPointSchema,
  TraceReasonSchema,
  TrafficDirectionSchema,
  VerdictSchema,
} from "../gen/flow/flow_pb.ts";
import type { Flow, FlowEndpoint, FlowIp, FlowPolicy, FlowService } from "../model.ts";
import { isEmptyEndpoint } from "./encode-parts.ts";
import { JsonFields } from "./json-fields.ts";
import { layer4ToJson } from "./json-l4.ts";
import { layer7ToJson } from "./json-l7.ts";
import { timeText } from "./time.ts";
import { emitter, observationPointToWire } from "./wire.ts";

export function flowToJson(flow: Flow): JsonObject {
  return new JsonFields()
    .value("time", timeText(flow.timeNs))
    .scalar("uuid", flow.uuid)
    .value("emitter", { ...emitter })
    .enum("verdict", flow.verdict, VerdictSchema)
    .scalar("drop_reason", flow.dropReason)
    .value("ethernet", flow.ethernet && ethernetToJson(flow.ethernet))
    .value("IP", flow.ip && ipToJson(flow.ip))
    .value("l4", flow.l4 && layer4ToJson(flow.l4))
    .value("source", endpointToJson(flow.source))
    .value("destination", endpointToJson(flow.destination))
    .enum("Type", flow.type, FlowTypeSchema)
    .scalar("node_name", flow.nodeName)
    .list("node_labels", flow.nodeLabels)
    .list("source_names", flow.sourceNames)
    .list("destination_names", flow.destinationNames)
    .value("l7", flow.l7 && layer7ToJson(flow.l7))
    .flag("reply", flow.isReply === true)
    .value("event_type", eventTypeToJson(flow.eventType))
    .value("source_service", flow.sourceService && serviceToJson(flow.sourceService))
    .value("destination_service", flow.destinationService && serviceToJson(flow.destinationService))
    .enum("traffic_direction", flow.direction, TrafficDirectionSchema)
    .scalar("policy_match_type", flow.policyMatchType)
    .enum(
      "trace_observation_point",
      observationPointToWire(flow.observationPoint),
      TraceObservationPointSchema,
    )
    .enum("trace_reason", flow.traceReason, TraceReasonSchema)
    .enum("drop_reason_desc", flow.dropReason, DropReasonSchema)
    .value("is_reply", flow.isReply)
    .value("interface", flow.interface && interfaceToJson(flow.interface))
    .scalar("proxy_port", flow.proxyPort)
    .enum("sock_xlate_point", flow.socketPoint, SocketTranslationPointSchema)
    .long("socket_cookie", flow.socketCookie)
    .long("cgroup_id", flow.cgroupId)
    .scalar("Summary", flow.summary)
    .list("egress_allowed_by", flow.egressAllowedBy.map(policyToJson))
    .list("ingress_allowed_by", flow.ingressAllowedBy.map(policyToJson))
    .list("egress_denied_by", flow.egressDeniedBy.map(policyToJson))
    .list("ingress_denied_by", flow.ingressDeniedBy.map(policyToJson))
    .list("policy_log", flow.policyLog).object;
}

function ethernetToJson({ source, destination }: NonNullable<Flow["ethernet"]>): JsonObject {
  return new JsonFields().scalar("source", source).scalar("destination", destination).object;
}

function ipToJson(ip: FlowIp): JsonObject {
  return new JsonFields()
    .scalar("source", ip.source)
    .scalar("source_xlated", ip.sourceXlated)
    .scalar("destination", ip.destination)
    .enum("ipVersion", ip.version, IPVersionSchema)
    .flag("encrypted", ip.encrypted).object;
}

function endpointToJson(endpoint: FlowEndpoint): JsonObject | undefined {
  if (isEmptyEndpoint(endpoint)) return undefined;
  const workloads = endpoint.workloads.map(
    ({ name, kind }) => new JsonFields().scalar("name", name).scalar("kind", kind).object,
  );
  return new JsonFields()
    .scalar("ID", endpoint.id)
    .scalar("identity", endpoint.identity)
    .scalar("cluster_name", endpoint.clusterName)
    .scalar("namespace", endpoint.namespace)
    .list("labels", endpoint.labels)
    .scalar("pod_name", endpoint.podName)
    .list("workloads", workloads).object;
}

function eventTypeToJson({ type, subType }: Flow["eventType"]): JsonObject | undefined {
  if (type === 0 && subType === 0) return undefined;
  return new JsonFields().scalar("type", type).scalar("sub_type", subType).object;
}

function serviceToJson({ name, namespace }: FlowService): JsonObject {
  return new JsonFields().scalar("name", name).scalar("namespace", namespace).object;
}

function interfaceToJson({ index, name }: NonNullable<Flow["interface"]>): JsonObject {
  return new JsonFields().scalar("index", index).scalar("name", name).object;
}

function policyToJson(policy: FlowPolicy): JsonObject {
  return new JsonFields()
    .scalar("name", policy.name)
    .scalar("namespace", policy.namespace)
    .list("labels", policy.labels)
    .long("revision", policy.revision)
    .scalar("kind", policy.kind).object;
}
