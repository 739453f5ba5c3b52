// observer.GetFlowsResponse: what GetFlows streams. Fields: 1 flow, 2 node status, 3 losses, 1000 node, 1001 time.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { LostEventSchema } from "../gen/flow/flow_pb.ts";
import { NodeStatusEventSchema } from "../gen/relay/relay_pb.ts";
import type { Flow, LostEvents } from "../model.ts";
import { decodeFlow } from "./decode.ts";
import { encodeFlow, writeFlow } from "./encode.ts";
import { CodecError } from "./error.ts";
import {
  type NodeStatus,
  lostFromMessage,
  messageFromLost,
  messageFromNodeStatus,
  nodeStatusFromMessage,
} from "./events.ts";
import type { FieldMask } from "./mask.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** `nodeName` and `timeNs`: where and when it was seen. */
export type FlowsResponse = { readonly nodeName: string; readonly timeNs: bigint } & (
  | { readonly flow: Flow }
  | { readonly lost: LostEvents }
  | { readonly nodeStatus: NodeStatus }
);

/** What is outermost in a response. */
export type ResponsePeek = {
  readonly kind: "flow" | "lost" | "nodeStatus" | "unknown";
  readonly timeNs: bigint;
  readonly nodeName: string;
  /** The message inside, not decoded: a view of the bytes given. */
  readonly body: Uint8Array;
};

const writer = new Writer();
/** A tag and the longest length. */
const gap = 6;
const noBytes = new Uint8Array();

/** A response with a flow, whose node and time are the response's. The hot one. */
export function encodeFlowResponse(flow: Flow, mask?: FieldMask): Uint8Array {
  if (mask !== undefined) {
    return encodeBody(10, mask.pruneFlow(encodeFlow(flow)), flow.nodeName, flow.timeNs);
  }
  writer.start(gap);
  writeFlow(writer, flow);
  return finish(10, flow.nodeName, flow.timeNs);
}

export function encodeFlowsResponse(response: FlowsResponse): Uint8Array {
  const { nodeName, timeNs } = response;
  if ("flow" in response) {
    writer.start(gap);
    writeFlow(writer, response.flow);
    return finish(10, nodeName, timeNs);
  }
  if ("lost" in response) {
    return encodeBody(
      26,
      toBinary(LostEventSchema, messageFromLost(response.lost)),
      nodeName,
      timeNs,
    );
  }
  const status = messageFromNodeStatus(response.nodeStatus);
  return encodeBody(18, toBinary(NodeStatusEventSchema, status), nodeName, timeNs);
}

/** undefined: of a kind that we do not know. @throws CodecError */
export function decodeFlowsResponse(
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => Flow = decodeFlow,
): FlowsResponse | undefined {
  const { kind, timeNs, nodeName, body } = peekResponse(bytes);
  switch (kind) {
    case "flow":
      return { nodeName, timeNs, flow: decode(body) };
    case "lost":
      return {
        nodeName,
        timeNs,
        lost: parsed(() => lostFromMessage(fromBinary(LostEventSchema, body))),
      };
    case "nodeStatus":
      return {
        nodeName,
        timeNs,
        nodeStatus: parsed(() => nodeStatusFromMessage(fromBinary(NodeStatusEventSchema, body))),
      };
    case "unknown":
      return undefined;
  }
}

/**
 * What kind of response it is, of which node and time, without decoding what is in it: enough to merge streams. Of
 * several messages inside (no encoder writes that) the last counts. @throws CodecError
 */
export function peekResponse(bytes: Uint8Array): ResponsePeek {
  const reader = new Reader(bytes);
  let kind: ResponsePeek["kind"] = "unknown";
  let body: Uint8Array = noBytes;
  let timeNs = 0n;
  let nodeName = "";
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 10 || tag === 18 || tag === 26) {
      kind = tag === 10 ? "flow" : tag === 18 ? "nodeStatus" : "lost";
      body = reader.view();
    } else if (tag === 8002) nodeName = reader.string();
    else if (tag === 8010) timeNs = reader.time();
    else reader.skip(tag);
  }
  return { kind, timeNs, nodeName, body };
}

/** The writer holds the body behind the gap; the field around it is written backward, the rest forward. */
function finish(tag: number, nodeName: string, timeNs: bigint): Uint8Array {
  writer.wrap(tag, gap);
  writer.stringField(8002, nodeName);
  writer.time(8010, timeNs);
  return writer.take();
}

function encodeBody(tag: number, body: Uint8Array, nodeName: string, timeNs: bigint): Uint8Array {
  writer.start();
  writer.message(tag, body);
  writer.stringField(8002, nodeName);
  writer.time(8010, timeNs);
  return writer.take();
}

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof CodecError) throw cause;
    throw new CodecError("message", "not a message of GetFlowsResponse", { cause });
  }
}
