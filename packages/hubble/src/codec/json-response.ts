// FlowsResponse <-> protobuf's JSON of observer.GetFlowsResponse: a line of `hubble observe -o jsonpb`.
import { type JsonObject, type JsonValue, fromJson, toJson } from "@bufbuild/protobuf";
import { LostEventSchema } from "../gen/flow/flow_pb.ts";
import { GetFlowsResponseSchema } from "../gen/observer/observer_pb.ts";
import { NodeStatusEventSchema } from "../gen/relay/relay_pb.ts";
import { CodecError } from "./error.ts";
import {
  lostFromMessage,
  messageFromLost,
  messageFromNodeStatus,
  nodeStatusFromMessage,
} from "./events.ts";
import { JsonFields } from "./json-fields.ts";
import { flowToJson } from "./json.ts";
import { flowFromMessage } from "./message.ts";
import type { FlowsResponse } from "./response.ts";
import { nsFromTimestamp, timeText } from "./time.ts";

const protoNames = { useProtoFieldName: true } as const;

export function flowsResponseToJson(response: FlowsResponse): JsonObject {
  return new JsonFields()
    .value(...contentToJson(response))
    .scalar("node_name", response.nodeName)
    .value("time", timeText(response.timeNs)).object;
}

function contentToJson(response: FlowsResponse): [string, JsonValue] {
  if ("flow" in response) return ["flow", flowToJson(response.flow)];
  if ("lost" in response) {
    return ["lost_events", toJson(LostEventSchema, messageFromLost(response.lost), protoNames)];
  }
  const status = messageFromNodeStatus(response.nodeStatus);
  return ["node_status", toJson(NodeStatusEventSchema, status, protoNames)];
}

/** undefined: of a kind that we do not know. Unknown fields are passed over. @throws CodecError */
export function flowsResponseFromJson(json: JsonValue): FlowsResponse | undefined {
  try {
    const message = fromJson(GetFlowsResponseSchema, json, { ignoreUnknownFields: true });
    const { nodeName, time, responseTypes: content } = message;
    const base = { nodeName, timeNs: nsFromTimestamp(time) };
    switch (content.case) {
      case "flow":
        return { ...base, flow: flowFromMessage(content.value) };
      case "lostEvents":
        return { ...base, lost: lostFromMessage(content.value) };
      case "nodeStatus":
        return { ...base, nodeStatus: nodeStatusFromMessage(content.value) };
      case undefined:
        return undefined;
    }
  } catch (cause) {
    if (cause instanceof CodecError) throw cause;
    throw new CodecError("message", "not the JSON of a GetFlowsResponse", { cause });
  }
}
