// Flows as bytes and as JSON: Cilium's Hubble messages, at the rate that flows come.
export { decodeFlow, flowDecoder } from "./decode.ts";
export { encodeFlow } from "./encode.ts";
export { CodecError, type CodecErrorCode } from "./error.ts";
export {
  lostFromMessage,
  messageFromAgentEvent,
  messageFromLost,
  messageFromNodeStatus,
  type NodeStatus,
  nodeStatusFromMessage,
} from "./events.ts";
export { flowsResponseFromJson, flowsResponseToJson } from "./json-response.ts";
export { flowToJson } from "./json.ts";
export { compileFieldMask, type FieldMask, fieldMaskOf } from "./mask.ts";
export { flowFromMessage, messageFromFlow } from "./message.ts";
export {
  decodeFlowsResponse,
  encodeFlowResponse,
  encodeFlowsResponse,
  type FlowsResponse,
  peekResponse,
  type ResponsePeek,
} from "./response.ts";
export { nsFromTimestamp, timestampFromNs, timeText } from "./time.ts";
