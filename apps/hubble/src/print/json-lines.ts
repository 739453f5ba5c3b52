// Answers as JSON, a line each: protobuf's JSON mapping with the names of the .proto files, as Cilium's `hubble` prints it.
import { type DescMessage, fromBinary, type MessageShape, toJson } from "@bufbuild/protobuf";
import {
  decodeFlow,
  decodeFlowsResponse,
  encodeFlow,
  flowsResponseToJson,
  peekResponse,
} from "@tsilium/hubble/codec/index.ts";
import { GetFlowsResponseSchema } from "@tsilium/hubble/gen/observer/observer_pb.ts";

/**
 * A GetFlowsResponse as a line. Flows that the model holds entirely (those of our own agents) go the fast way; others may
 * have fields that it does not know, and go over protobuf's own code, losing nothing. @throws CodecError
 */
export function flowsResponseLine(bytes: Uint8Array): string {
  const { kind, body, nodeName, timeNs } = peekResponse(bytes);
  if (kind === "flow") {
    const flow = decodeFlow(body);
    if (equal(encodeFlow(flow), body))
      return jsonLine(flowsResponseToJson({ flow, nodeName, timeNs }));
  }
  try {
    return messageLine(GetFlowsResponseSchema, fromBinary(GetFlowsResponseSchema, bytes));
  } catch (error) {
    // An enum's value from after our time, which protobuf's JSON code refuses: better most of it than nothing.
    const response = decodeFlowsResponse(bytes);
    if (response === undefined) throw error;
    return jsonLine(flowsResponseToJson(response));
  }
}

/** A message as a line. */
export function messageLine<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): string {
  return jsonLine(toJson(schema, message, { useProtoFieldName: true }));
}

/**
 * A value as a line. Controls of C1 and what turns text around are escaped too: JSON need not, but terminals obey them.
 * @param indent spaces of an indentation; none: all in one line.
 */
export function jsonLine(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, undefined, indent);
  return `${unsafe.test(text) ? escaped(text) : text}\n`;
}

const unsafe = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

function escaped(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
