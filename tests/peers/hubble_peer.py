#!/usr/bin/python3
"""An independent client (and a small server) of the Hubble API, for tests.

Python's grpc is gRPC's C core, and the messages below are written from the public field numbers, not from our .proto
files: what both sides agree on is the wire. Needs Debian's python3-grpcio and python3-protobuf; run it with
/usr/bin/python3.

    hubble_peer.py (--unix PATH | --tcp HOST:PORT [--ca F --cert F --key F --server-name N]) COMMAND ...

Prints one JSON object a line (proto names). A call that fails prints {"error": {"code": ..., "message": ...}} and
exits with 1.
"""
import argparse
import json
import signal
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, field_mask_pb2
from google.protobuf import json_format, message_factory, timestamp_pb2, wrappers_pb2

# Field: "name=number:type", "*" for repeated. Types: scalars, "E.Name" for an enum, "M.Name" for a message of the same
# package (or with its package), "W.Name" for one of google.protobuf. "|group" makes it part of a oneof.
FLOW = {
    "Flow": """time=1:W.Timestamp verdict=2:E.Verdict drop_reason=3:uint32 ethernet=4:M.Ethernet IP=5:M.IP
        l4=6:M.Layer4 source=8:M.Endpoint destination=9:M.Endpoint Type=10:E.FlowType node_name=11:string
        source_names=13:string* destination_names=14:string* l7=15:M.Layer7 reply=16:bool
        event_type=19:M.CiliumEventType source_service=20:M.Service destination_service=21:M.Service
        traffic_direction=22:E.TrafficDirection policy_match_type=23:uint32
        trace_observation_point=24:E.TraceObservationPoint drop_reason_desc=25:E.DropReason
        is_reply=26:W.BoolValue debug_capture_point=27:E.DebugCapturePoint interface=28:M.NetworkInterface
        proxy_port=29:uint32 trace_context=30:M.TraceContext sock_xlate_point=31:E.SocketTranslationPoint
        socket_cookie=32:uint64 cgroup_id=33:uint64 uuid=34:string auth_type=35:E.AuthType
        trace_reason=36:E.TraceReason node_labels=37:string* file=38:M.FileInfo tunnel=39:M.Tunnel
        ip_trace_id=40:M.IPTraceID emitter=41:M.Emitter egress_allowed_by=21001:M.Policy*
        ingress_allowed_by=21002:M.Policy* egress_denied_by=21004:M.Policy* ingress_denied_by=21005:M.Policy*
        policy_log=21006:string* aggregate=21007:M.Aggregate Summary=100000:string extensions=150000:W.Any""",
    "Emitter": "name=1:string version=2:string",
    "FileInfo": "name=1:string line=2:uint32",
    "Layer4": """TCP=1:M.TCP|protocol UDP=2:M.UDP|protocol ICMPv4=3:M.ICMPv4|protocol ICMPv6=4:M.ICMPv6|protocol
        SCTP=5:M.SCTP|protocol VRRP=6:M.VRRP|protocol IGMP=7:M.IGMP|protocol""",
    "Layer7": """type=1:E.L7FlowType latency_ns=2:uint64 dns=100:M.DNS|record http=101:M.HTTP|record
        kafka=102:M.Kafka|record""",
    "TraceContext": "parent=1:M.TraceParent",
    "TraceParent": "trace_id=1:string",
    "Endpoint": """ID=1:uint32 identity=2:uint32 namespace=3:string labels=4:string* pod_name=5:string
        workloads=6:M.Workload* cluster_name=7:string""",
    "Workload": "name=1:string kind=2:string",
    "TCP": "source_port=1:uint32 destination_port=2:uint32 flags=3:M.TCPFlags",
    "IP": """source=1:string destination=2:string ipVersion=3:E.IPVersion encrypted=4:bool
        source_xlated=5:string""",
    "Ethernet": "source=1:string destination=2:string",
    "TCPFlags": "FIN=1:bool SYN=2:bool RST=3:bool PSH=4:bool ACK=5:bool URG=6:bool ECE=7:bool CWR=8:bool NS=9:bool",
    "UDP": "source_port=1:uint32 destination_port=2:uint32",
    "SCTP": "source_port=1:uint32 destination_port=2:uint32",
    "ICMPv4": "type=1:uint32 code=2:uint32",
    "ICMPv6": "type=1:uint32 code=2:uint32",
    "VRRP": "type=1:uint32 vrid=2:uint32 priority=3:uint32",
    "IGMP": "type=1:uint32 group_address=2:string",
    "Tunnel": "protocol=1:E.TunnelProtocol IP=2:M.IP l4=3:M.Layer4 vni=4:uint32",
    "Policy": "name=1:string namespace=2:string labels=3:string* revision=4:uint64 kind=5:string",
    "EventTypeFilter": "type=1:int32 match_sub_type=2:bool sub_type=3:int32",
    "CiliumEventType": "type=1:int32 sub_type=2:int32",
    "FlowFilter": """source_ip=1:string* source_pod=2:string* destination_ip=3:string* destination_pod=4:string*
        verdict=5:E.Verdict* event_type=6:M.EventTypeFilter* source_fqdn=7:string* destination_fqdn=8:string*
        http_status_code=9:string* source_label=10:string* destination_label=11:string* protocol=12:string*
        source_port=13:string* destination_port=14:string* reply=15:bool* source_service=16:string*
        destination_service=17:string* dns_query=18:string* source_identity=19:uint32*
        destination_identity=20:uint32* http_method=21:string* http_path=22:string* tcp_flags=23:M.TCPFlags*
        node_name=24:string* ip_version=25:E.IPVersion* source_workload=26:M.Workload*
        destination_workload=27:M.Workload* trace_id=28:string* uuid=29:string*
        traffic_direction=30:E.TrafficDirection* http_url=31:string* http_header=32:M.HTTPHeader*
        drop_reason_desc=33:E.DropReason* source_ip_xlated=34:string* interface=35:M.NetworkInterface*
        node_labels=36:string* source_cluster_name=37:string* destination_cluster_name=38:string*
        ip_trace_id=39:uint64* encrypted=40:bool* experimental=999:M.FlowFilterExperimental""",
    "FlowFilterExperimental": "cel_expression=1:string*",
    "DNS": """query=1:string ips=2:string* ttl=3:uint32 cnames=4:string* observation_source=5:string rcode=6:uint32
        qtypes=7:string* rrtypes=8:string*""",
    "HTTPHeader": "key=1:string value=2:string",
    "HTTP": "code=1:uint32 method=2:string url=3:string protocol=4:string headers=5:M.HTTPHeader*",
    "Kafka": "error_code=1:int32 api_version=2:int32 api_key=3:string correlation_id=4:int32 topic=5:string",
    "Service": "name=1:string namespace=2:string",
    "IPTraceID": "trace_id=1:uint64 ip_option_type=2:uint32",
    "LostEvent": """source=1:E.LostEventSource num_events_lost=2:uint64 cpu=3:W.Int32Value first=4:W.Timestamp
        last=5:W.Timestamp""",
    "AgentEvent": """type=1:E.AgentEventType unknown=100:M.AgentEventUnknown|notification
        agent_start=101:M.TimeNotification|notification policy_update=102:M.PolicyUpdateNotification|notification
        endpoint_regenerate=103:M.EndpointRegenNotification|notification
        endpoint_update=104:M.EndpointUpdateNotification|notification
        ipcache_update=105:M.IPCacheNotification|notification""",
    "AgentEventUnknown": "type=1:string notification=2:string",
    "TimeNotification": "time=1:W.Timestamp",
    "PolicyUpdateNotification": "labels=1:string* revision=2:uint64 rule_count=3:int64",
    "EndpointRegenNotification": "id=1:uint64 labels=2:string* error=3:string",
    "EndpointUpdateNotification": "id=1:uint64 labels=2:string* error=3:string pod_name=4:string namespace=5:string",
    "IPCacheNotification": """cidr=1:string identity=2:uint32 old_identity=3:W.UInt32Value host_ip=4:string
        old_host_ip=5:string encrypt_key=6:uint32 namespace=7:string pod_name=8:string""",
    "NetworkInterface": "index=1:uint32 name=2:string",
    "Aggregate": """ingress_flow_count=1:uint32 egress_flow_count=2:uint32
        unknown_direction_flow_count=3:uint32""",
}
OBSERVER = {
    "ServerStatusRequest": "",
    "ServerStatusResponse": """num_flows=1:uint64 max_flows=2:uint64 seen_flows=3:uint64 uptime_ns=4:uint64
        num_connected_nodes=5:W.UInt32Value num_unavailable_nodes=6:W.UInt32Value unavailable_nodes=7:string*
        version=8:string flows_rate=9:double""",
    "GetFlowsRequest": """number=1:uint64 follow=3:bool blacklist=5:M.flow.FlowFilter* whitelist=6:M.flow.FlowFilter*
        since=7:W.Timestamp until=8:W.Timestamp first=9:bool field_mask=10:W.FieldMask
        experimental=999:M.GetFlowsExperimental extensions=150000:W.Any""",
    "GetFlowsExperimental": "field_mask=1:W.FieldMask",
    "GetFlowsResponse": """flow=1:M.flow.Flow|response_types node_status=2:M.relay.NodeStatusEvent|response_types
        lost_events=3:M.flow.LostEvent|response_types node_name=1000:string time=1001:W.Timestamp""",
    "GetAgentEventsRequest": "number=1:uint64 follow=2:bool since=7:W.Timestamp until=8:W.Timestamp first=9:bool",
    "GetAgentEventsResponse": "agent_event=1:M.flow.AgentEvent node_name=1000:string time=1001:W.Timestamp",
    "GetNodesRequest": "",
    "GetNodesResponse": "nodes=1:M.Node*",
    "Node": """name=1:string version=2:string address=3:string state=4:E.relay.NodeState tls=5:M.TLS
        uptime_ns=6:uint64 num_flows=7:uint64 max_flows=8:uint64 seen_flows=9:uint64""",
    "TLS": "enabled=1:bool server_name=2:string",
    "GetNamespacesRequest": "",
    "GetNamespacesResponse": "namespaces=1:M.Namespace*",
    "Namespace": "cluster=1:string namespace=2:string",
}
RELAY = {"NodeStatusEvent": "state_change=1:E.NodeState node_names=2:string* message=3:string"}
PEER = {
    "NotifyRequest": "",
    "ChangeNotification": "name=1:string address=2:string type=3:E.ChangeNotificationType tls=4:M.TLS",
    "TLS": "server_name=1:string",
}
HEALTH = {
    "HealthCheckRequest": "service=1:string",
    "HealthCheckResponse": "status=1:E.ServingStatus",
}
REFLECTION = {
    "ServerReflectionRequest": """host=1:string file_by_filename=3:string|message_request
        file_containing_symbol=4:string|message_request list_services=7:string|message_request""",
    "ServerReflectionResponse": """valid_host=1:string original_request=2:M.ServerReflectionRequest
        file_descriptor_response=4:M.FileDescriptorResponse|message_response
        list_services_response=6:M.ListServiceResponse|message_response
        error_response=7:M.ErrorResponse|message_response""",
    "FileDescriptorResponse": "file_descriptor_proto=1:bytes*",
    "ListServiceResponse": "service=1:M.ServiceResponse*",
    "ServiceResponse": "name=1:string",
    "ErrorResponse": "error_code=1:int32 error_message=2:string",
}


def numbered(names, first=0):
    """Names in the order of their numbers."""
    return {name: first + index for index, name in enumerate(names.split())}


DROP_REASONS = {
    "DROP_REASON_UNKNOWN": 0,
    **numbered(
        """INVALID_SOURCE_MAC INVALID_DESTINATION_MAC INVALID_SOURCE_IP POLICY_DENIED INVALID_PACKET_DROPPED
        CT_TRUNCATED_OR_INVALID_HEADER CT_MISSING_TCP_ACK_FLAG CT_UNKNOWN_L4_PROTOCOL
        CT_CANNOT_CREATE_ENTRY_FROM_PACKET UNSUPPORTED_L3_PROTOCOL MISSED_TAIL_CALL ERROR_WRITING_TO_PACKET
        UNKNOWN_L4_PROTOCOL UNKNOWN_ICMPV4_CODE UNKNOWN_ICMPV4_TYPE UNKNOWN_ICMPV6_CODE UNKNOWN_ICMPV6_TYPE
        ERROR_RETRIEVING_TUNNEL_KEY ERROR_RETRIEVING_TUNNEL_OPTIONS INVALID_GENEVE_OPTION UNKNOWN_L3_TARGET_ADDRESS
        STALE_OR_UNROUTABLE_IP NO_MATCHING_LOCAL_CONTAINER_FOUND ERROR_WHILE_CORRECTING_L3_CHECKSUM
        ERROR_WHILE_CORRECTING_L4_CHECKSUM CT_MAP_INSERTION_FAILED INVALID_IPV6_EXTENSION_HEADER
        IP_FRAGMENTATION_NOT_SUPPORTED SERVICE_BACKEND_NOT_FOUND""",
        130,
    ),
    **numbered(
        """NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT FAILED_TO_INSERT_INTO_PROXYMAP REACHED_EDT_RATE_LIMITING_DROP_HORIZON
        UNKNOWN_CONNECTION_TRACKING_STATE LOCAL_HOST_IS_UNREACHABLE
        NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION UNSUPPORTED_L2_PROTOCOL NO_MAPPING_FOR_NAT_MASQUERADE
        UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE FIB_LOOKUP_FAILED ENCAPSULATION_TRAFFIC_IS_PROHIBITED
        INVALID_IDENTITY UNKNOWN_SENDER NAT_NOT_NEEDED IS_A_CLUSTERIP FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND
        FORBIDDEN_ICMPV6_MESSAGE DENIED_BY_LB_SRC_RANGE_CHECK SOCKET_LOOKUP_FAILED SOCKET_ASSIGN_FAILED
        PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL POLICY_DENY VLAN_FILTERED INVALID_VNI INVALID_TC_BUFFER NO_SID
        MISSING_SRV6_STATE NAT46 NAT64 AUTH_REQUIRED CT_NO_MAP_FOUND SNAT_NO_MAP_FOUND INVALID_CLUSTER_ID
        UNSUPPORTED_PROTOCOL_FOR_DSR_ENCAP NO_EGRESS_GATEWAY UNENCRYPTED_TRAFFIC TTL_EXCEEDED NO_NODE_ID
        DROP_RATE_LIMITED IGMP_HANDLED IGMP_SUBSCRIBED MULTICAST_HANDLED DROP_HOST_NOT_READY DROP_EP_NOT_READY
        DROP_NO_EGRESS_IP DROP_PUNT_PROXY DROP_NO_DEVICE""",
        160,
    ),
}
# Every enum in a package of its own would be simplest, but values must keep their plain names in JSON: each is nested
# in a message, where names may repeat.
FLOW_ENUMS = {
    "Verdict": numbered("VERDICT_UNKNOWN FORWARDED DROPPED ERROR AUDIT REDIRECTED TRACED TRANSLATED"),
    "FlowType": numbered("UNKNOWN_TYPE L3_L4 L7 SOCK"),
    "AuthType": numbered("DISABLED SPIRE TEST_ALWAYS_FAIL"),
    "TraceObservationPoint": {
        **numbered(
            """UNKNOWN_POINT TO_PROXY TO_HOST TO_STACK TO_OVERLAY FROM_ENDPOINT FROM_PROXY FROM_HOST FROM_STACK
            FROM_OVERLAY FROM_NETWORK TO_NETWORK FROM_CRYPTO TO_CRYPTO"""
        ),
        "TO_ENDPOINT": 101,
    },
    "TraceReason": numbered(
        """TRACE_REASON_UNKNOWN NEW ESTABLISHED REPLY RELATED REOPENED SRV6_ENCAP SRV6_DECAP ENCRYPT_OVERLAY"""
    ),
    "L7FlowType": numbered("UNKNOWN_L7_TYPE REQUEST RESPONSE SAMPLE"),
    "IPVersion": numbered("IP_NOT_USED IPv4 IPv6"),
    "TunnelProtocol": numbered("UNKNOWN VXLAN GENEVE"),
    "DropReason": DROP_REASONS,
    "TrafficDirection": numbered("TRAFFIC_DIRECTION_UNKNOWN INGRESS EGRESS"),
    "DebugCapturePoint": {
        "DBG_CAPTURE_POINT_UNKNOWN": 0,
        **numbered(
            """DBG_CAPTURE_DELIVERY DBG_CAPTURE_FROM_LB DBG_CAPTURE_AFTER_V46 DBG_CAPTURE_AFTER_V64
            DBG_CAPTURE_PROXY_PRE DBG_CAPTURE_PROXY_POST DBG_CAPTURE_SNAT_PRE DBG_CAPTURE_SNAT_POST""",
            4,
        ),
    },
    "LostEventSource": numbered(
        "UNKNOWN_LOST_EVENT_SOURCE PERF_EVENT_RING_BUFFER OBSERVER_EVENTS_QUEUE HUBBLE_RING_BUFFER"
    ),
    "AgentEventType": {
        "AGENT_EVENT_UNKNOWN": 0,
        **numbered(
            """AGENT_STARTED POLICY_UPDATED POLICY_DELETED ENDPOINT_REGENERATE_SUCCESS ENDPOINT_REGENERATE_FAILURE
            ENDPOINT_CREATED ENDPOINT_DELETED IPCACHE_UPSERTED IPCACHE_DELETED SERVICE_UPSERTED SERVICE_DELETED""",
            2,
        ),
    },
    "SocketTranslationPoint": numbered(
        """SOCK_XLATE_POINT_UNKNOWN SOCK_XLATE_POINT_PRE_DIRECTION_FWD SOCK_XLATE_POINT_POST_DIRECTION_FWD
        SOCK_XLATE_POINT_PRE_DIRECTION_REV SOCK_XLATE_POINT_POST_DIRECTION_REV"""
    ),
}
RELAY_ENUMS = {
    "NodeState": numbered("UNKNOWN_NODE_STATE NODE_CONNECTED NODE_UNAVAILABLE NODE_GONE NODE_ERROR")
}
PEER_ENUMS = {"ChangeNotificationType": numbered("UNKNOWN PEER_ADDED PEER_DELETED PEER_UPDATED")}
HEALTH_ENUMS = {"ServingStatus": numbered("UNKNOWN SERVING NOT_SERVING SERVICE_UNKNOWN")}

F = descriptor_pb2.FieldDescriptorProto
GOOGLE = {
    "google/protobuf/any.proto": any_pb2,
    "google/protobuf/field_mask.proto": field_mask_pb2,
    "google/protobuf/timestamp.proto": timestamp_pb2,
    "google/protobuf/wrappers.proto": wrappers_pb2,
}
pool = descriptor_pool.DescriptorPool()
for module in GOOGLE.values():
    pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
factory = message_factory.MessageFactory(pool)


def add_package(package, messages, enums, imports=()):
    """Makes a package known: what protoc would have generated."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.peer.proto", package=package, syntax="proto3", dependency=[*GOOGLE, *imports]
    )
    for enum, values in enums.items():
        holder = file.message_type.add(name=f"{enum}Holder")
        described = holder.enum_type.add(name=enum)
        for value, number in sorted(values.items(), key=lambda item: item[1]):
            described.value.add(name=value, number=number)
    for name, fields in messages.items():
        described = file.message_type.add(name=name)
        for text in fields.split():
            add_field(described, package, text)
    pool.Add(file)
    return file.name


def add_field(message, package, text):
    name, rest = text.split("=")
    rest, _, group = rest.partition("|")
    number, kind = rest.split(":")
    field = message.field.add(name=name, number=int(number))
    field.label = F.LABEL_REPEATED if kind.endswith("*") else F.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    if "." not in kind:
        field.type = getattr(F, f"TYPE_{kind.upper()}")
    else:
        letter, _, target = kind.partition(".")
        where, _, target = target.rpartition(".")
        where = where or package
        field.type = F.TYPE_ENUM if letter == "E" else F.TYPE_MESSAGE
        field.type_name = {
            "E": f".{where}.{target}Holder.{target}",
            "M": f".{where}.{target}",
            "W": f".google.protobuf.{target}",
        }[letter]
    if group:
        known = [oneof.name for oneof in message.oneof_decl]
        if group not in known:
            message.oneof_decl.add(name=group)
            known.append(group)
        field.oneof_index = known.index(group)


flow_file = add_package("flow", FLOW, FLOW_ENUMS)
relay_file = add_package("relay", RELAY, RELAY_ENUMS)
add_package("observer", OBSERVER, {}, [flow_file, relay_file])
add_package("peer", PEER, PEER_ENUMS)
add_package("grpc.health.v1", HEALTH, HEALTH_ENUMS)
add_package("grpc.reflection.v1", REFLECTION, {})
add_package("grpc.reflection.v1alpha", REFLECTION, {})


def message(name, values=None):
    """A message of the full name, with values as in JSON."""
    made = factory.GetPrototype(pool.FindMessageTypeByName(name))()
    return json_format.ParseDict(values or {}, made, descriptor_pool=pool)


def parser(name):
    return factory.GetPrototype(pool.FindMessageTypeByName(name)).FromString


def show(value):
    """One line; fails for values that JSON cannot say, such as unknown fields: see `unknown`."""
    if not isinstance(value, dict):
        fields = unknown_fields(value)
        value = json_format.MessageToDict(value, preserving_proto_field_name=True, descriptor_pool=pool)
        if fields:
            value["unknown_fields"] = fields
    print(json.dumps(value), flush=True)


def unknown_fields(value, path=""):
    """Numbers of fields that the server sent and these definitions do not have: a disagreement."""
    found = [f"{path}{field.field_number}" for field in value.UnknownFields()]
    for field, inner in value.ListFields():
        if field.message_type is None or field.message_type.full_name.startswith("google."):
            continue
        for each in inner if field.label == F.LABEL_REPEATED else [inner]:
            found += unknown_fields(each, f"{path}{field.name}.")
    return found


def make_channel(args):
    options = [("grpc.max_receive_message_length", 4 * 1024 * 1024)]
    compression = grpc.Compression.Gzip if args.compress else None
    if args.unix:
        return grpc.insecure_channel(f"unix:{args.unix}", options, compression)
    if not args.ca:
        return grpc.insecure_channel(args.tcp, options, compression)
    credentials = grpc.ssl_channel_credentials(*(read(file) for file in (args.ca, args.key, args.cert)))
    if args.server_name:
        options.append(("grpc.ssl_target_name_override", args.server_name))
    return grpc.secure_channel(args.tcp, credentials, options, compression)


def read(path):
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def unary(channel, path, request, response, timeout):
    call = channel.unary_unary(path, lambda m: m.SerializeToString(), parser(response))
    return call(request, timeout=timeout)


def stream(channel, path, request, response, args):
    """Shows responses until the end, the deadline or --count of them."""
    call = channel.unary_stream(path, lambda m: m.SerializeToString(), parser(response))
    responses = call(request, timeout=args.timeout)
    for number, each in enumerate(responses, 1):
        show(each)
        if number == args.count:
            responses.cancel()
            return


def get_flows(channel, args):
    request = {
        "number": args.first or args.last,
        "first": args.first > 0,
        "follow": args.follow,
        "whitelist": [json.loads(text) for text in args.whitelist],
        "blacklist": [json.loads(text) for text in args.blacklist],
        **times(args),
    }
    made = message("observer.GetFlowsRequest", request)
    made.field_mask.paths.extend(args.field_mask)
    made.experimental.field_mask.paths.extend(args.old_field_mask)
    if not args.field_mask:
        made.ClearField("field_mask")
    if not args.old_field_mask:
        made.ClearField("experimental")
    stream(channel, "/observer.Observer/GetFlows", made, "observer.GetFlowsResponse", args)


def times(args):
    return {name: value for name in ("since", "until") if (value := getattr(args, name))}


def agent_events(channel, args):
    request = {"number": args.last, "follow": args.follow, **times(args)}
    made = message("observer.GetAgentEventsRequest", request)
    stream(channel, "/observer.Observer/GetAgentEvents", made, "observer.GetAgentEventsResponse", args)


def observer_unary(method):
    def run(channel, args):
        request = message(f"observer.{method}Request")
        show(unary(channel, f"/observer.Observer/{method}", request, f"observer.{method}Response", args.timeout))

    return run


def peers(channel, args):
    request = message("peer.NotifyRequest")
    stream(channel, "/peer.Peer/Notify", request, "peer.ChangeNotification", args)


def health(channel, args):
    request = message("grpc.health.v1.HealthCheckRequest", {"service": args.service})
    response = "grpc.health.v1.HealthCheckResponse"
    if args.watch:
        stream(channel, "/grpc.health.v1.Health/Watch", request, response, args)
    else:
        show(unary(channel, "/grpc.health.v1.Health/Check", request, response, args.timeout))


def reflect(channel, args):
    """The services; with --symbol what the server's own descriptors say of it; with --compare whether they are right."""
    package = f"grpc.reflection.{args.version}"
    ask = channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        lambda m: m.SerializeToString(),
        parser(f"{package}.ServerReflectionResponse"),
    )
    wanted = "observer.Observer" if args.compare else args.symbol
    question = {"file_containing_symbol": wanted} if wanted else {"list_services": ""}
    request = message(f"{package}.ServerReflectionRequest", question)
    (answer,) = list(ask(iter([request]), timeout=args.timeout))
    if answer.HasField("error_response"):
        refused = answer.error_response
        fail(grpc_code_name(refused.error_code), refused.error_message)
    if not wanted:
        show({"services": [each.name for each in answer.list_services_response.service]})
        return
    theirs = pool_of(answer.file_descriptor_response.file_descriptor_proto)
    if args.compare:
        show(compare(theirs))
        return
    try:
        found = theirs.FindMessageTypeByName(args.symbol)
        fields = {field.name: field.number for field in found.fields}
        show({"file": found.file.name, "fields": fields})
    except KeyError:
        found = theirs.FindServiceByName(args.symbol)
        methods = {each.name: each.input_type.full_name for each in found.methods}
        show({"file": found.file.name, "methods": methods})


def pool_of(serialized):
    """Only what the server sent: its descriptors must be complete."""
    made = descriptor_pool.DescriptorPool()
    files = {}
    for data in serialized:
        file = descriptor_pb2.FileDescriptorProto.FromString(data)
        files[file.name] = file
    added = set()

    def add(name):
        if name in added:
            return
        added.add(name)
        for dependency in files[name].dependency:
            add(dependency)
        made.Add(files[name])

    for name in files:
        add(name)
    return made


def compare(theirs):
    """Our messages and enums against the server's: each field's name, number, type and whether it repeats."""

    def fields(found):
        return {
            field.name: (
                field.number,
                field.type,
                field.label == F.LABEL_REPEATED,
                field.containing_oneof and field.containing_oneof.name,
            )
            for field in found.fields
        }

    nested = {"FlowFilterExperimental": "FlowFilter.Experimental", "GetFlowsExperimental": "GetFlowsRequest.Experimental"}
    differences = []
    compared = 0
    for package, messages in (("flow", FLOW), ("observer", OBSERVER), ("relay", RELAY)):
        for name in messages:
            ours = fields(pool.FindMessageTypeByName(f"{package}.{name}"))
            there = fields(theirs.FindMessageTypeByName(f"{package}.{nested.get(name, name)}"))
            # Deprecated kinds of agent events: theirs alone.
            for gone in ("service_upsert", "service_delete"):
                there.pop(gone, None)
            compared += len(ours)
            if ours != there:
                differences.append({name: [sorted(set(ours.items()) ^ set(there.items()), key=str)]})
    for package, enums in (("flow", FLOW_ENUMS), ("relay", RELAY_ENUMS)):
        for name, ours in enums.items():
            name = {"TunnelProtocol": "Tunnel.Protocol"}.get(name, name)
            there = {each.name: each.number for each in theirs.FindEnumTypeByName(f"{package}.{name}").values}
            compared += len(ours)
            if ours != there:
                differences.append({name: sorted(set(ours.items()) ^ set(there.items()))})
    return {"compared": compared, "differences": differences}


def serve(args):
    """A server of the Observer service for tests of our client. Each flow is a repetition of --flow."""
    flow = json.loads(args.flow)

    def flows(request, context):
        gone = threading.Event()
        context.add_callback(gone.set)
        # At once: a generator whose client is gone is not asked for more, and never gets to its end.
        if request.follow:
            context.add_callback(lambda: print(json.dumps({"cancelled": True}), flush=True))
        if request.since.seconds == 13:
            context.abort(grpc.StatusCode.OUT_OF_RANGE, "unlucky: 100% é")
        for number in range(request.number):
            response = {"flow": {**flow, "Summary": str(number)}, "node_name": "python"}
            yield message("observer.GetFlowsResponse", response)
        if request.follow:
            gone.wait()

    def status(request, context):
        return message("observer.ServerStatusResponse", {"version": "python", "seen_flows": "7"})

    def handler(behaviour, kind, request):
        return kind(behaviour, parser(f"observer.{request}"), lambda m: m.SerializeToString())

    methods = {
        "GetFlows": handler(flows, grpc.unary_stream_rpc_method_handler, "GetFlowsRequest"),
        "ServerStatus": handler(status, grpc.unary_unary_rpc_method_handler, "ServerStatusRequest"),
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("observer.Observer", methods),))
    if args.unix:
        server.add_insecure_port(f"unix:{args.unix}")
        port = 0
    elif args.ca:
        pair = [(read(args.key), read(args.cert))]
        credentials = grpc.ssl_server_credentials(pair, read(args.ca), require_client_auth=True)
        port = server.add_secure_port(args.tcp, credentials)
    else:
        port = server.add_insecure_port(args.tcp)
    server.start()
    print(json.dumps({"ready": True, "port": port}), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.wait_for_termination()


def grpc_code_name(number):
    return next((code.name for code in grpc.StatusCode if code.value[0] == number), str(number))


def fail(code, text):
    show({"error": {"code": code, "message": text}})
    sys.exit(1)


def arguments():
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = top.add_mutually_exclusive_group(required=True)
    where.add_argument("--unix", help="path of the server's socket")
    where.add_argument("--tcp", help="host:port")
    for name in ("--ca", "--cert", "--key"):
        top.add_argument(name, help="PEM file; with --ca it is TLS")
    top.add_argument("--server-name", help="the name that the server's certificate must have")
    top.add_argument("--timeout", type=float, default=20, help="deadline of the call, seconds")
    top.add_argument("--compress", action="store_true", help="compress requests (gzip)")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name, run, *, ranged=False, streamed=False):
        made = commands.add_parser(name)
        made.set_defaults(run=run)
        if streamed:
            made.add_argument("--count", type=int, help="stop after this many responses")
        if ranged:
            made.add_argument("--last", type=int, default=0)
            made.add_argument("--follow", action="store_true")
            made.add_argument("--since", help="RFC 3339")
            made.add_argument("--until", help="RFC 3339")
        return made

    flows = command("get-flows", get_flows, ranged=True, streamed=True)
    flows.add_argument("--first", type=int, default=0)
    flows.add_argument("--whitelist", action="append", default=[], help="a FlowFilter as JSON; repeatable")
    flows.add_argument("--blacklist", action="append", default=[], help="a FlowFilter as JSON; repeatable")
    flows.add_argument("--field-mask", action="append", default=[], help="a path; repeatable")
    flows.add_argument("--old-field-mask", action="append", default=[], help="the same at experimental.field_mask")
    command("agent-events", agent_events, ranged=True, streamed=True)
    command("server-status", observer_unary("ServerStatus"))
    command("get-nodes", observer_unary("GetNodes"))
    command("get-namespaces", observer_unary("GetNamespaces"))
    command("peers", peers, streamed=True)
    checked = command("health", health, streamed=True)
    checked.add_argument("service", nargs="?", default="")
    checked.add_argument("--watch", action="store_true")
    asked = command("reflect", reflect)
    asked.add_argument("--symbol")
    asked.add_argument("--compare", action="store_true", help="the server's descriptors with the public numbers here")
    asked.add_argument("--version", default="v1", choices=["v1", "v1alpha"])
    served = command("serve", None)
    served.add_argument("--flow", default="{}", help="a flow.Flow as JSON")
    return top.parse_args()


def main():
    args = arguments()
    if args.command == "serve":
        serve(args)
        return
    with make_channel(args) as channel:
        try:
            args.run(channel, args)
        except grpc.RpcError as error:
            fail(error.code().name, error.details())


if __name__ == "__main__":
    main()
