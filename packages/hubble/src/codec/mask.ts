// Field masks over flow.Flow: only the named fields are sent. Applied to encoded bytes, since a mask may name what the
// model does not keep apart (`drop_reason` and `drop_reason_desc`, one flag of TCP).
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { FlowSchema } from "../gen/flow/flow_pb.ts";
import type { GetFlowsRequest } from "../gen/observer/observer_pb.ts";
import type { Flow } from "../model.ts";
import { decodeFlow } from "./decode.ts";
import { encodeFlow } from "./encode.ts";
import { CodecError } from "./error.ts";
import { Reader, readerAt } from "./reader.ts";
import { Writer } from "./writer.ts";

export type FieldMask = {
  readonly paths: readonly string[];
  /** Bytes of flow.Flow without the fields that the mask does not name. @throws CodecError */
  pruneFlow(bytes: Uint8Array): Uint8Array;
  /** The flow as one who got only those fields would have it. */
  apply(flow: Flow): Flow;
};

/** Field number -> the whole field, or some fields of it. */
type Tree = Map<number, "whole" | Tree>;

/**
 * @param paths names as in flow.proto, joined by dots: "source.pod_name", "l4.TCP"; none under a repeated field
 * @throws CodecError "mask" naming the path that flow.Flow does not have
 */
export function compileFieldMask(paths: readonly string[]): FieldMask {
  const tree: Tree = new Map();
  for (const path of paths) add(tree, path);
  const pruneFlow = (bytes: Uint8Array) => {
    writer.start();
    prune(new Reader(bytes), tree);
    return writer.take();
  };
  return { paths, pruneFlow, apply: (flow) => decodeFlow(pruneFlow(encodeFlow(flow))) };
}

/** The mask of a request, at its place or at that of older clients; undefined: everything. @throws CodecError "mask" */
export function fieldMaskOf(request: GetFlowsRequest): FieldMask | undefined {
  const asked = request.fieldMask?.paths ?? [];
  const paths = asked.length > 0 ? asked : (request.experimental?.fieldMask?.paths ?? []);
  return paths.length === 0 ? undefined : compileFieldMask(paths);
}

function add(tree: Tree, path: string): void {
  const numbers = resolve(path);
  let branch = tree;
  for (const [index, number] of numbers.entries()) {
    const below = branch.get(number);
    if (below === "whole") return;
    if (index === numbers.length - 1) branch.set(number, "whole");
    else {
      const next: Tree = below ?? new Map();
      branch.set(number, next);
      branch = next;
    }
  }
}

/** The numbers of the fields that a path names. */
function resolve(path: string): number[] {
  let message: DescMessage | undefined = FlowSchema;
  return path.split(".").map((name) => {
    const field: DescField | undefined = message?.fields.find((each) => each.name === name);
    if (field === undefined) throw new CodecError("mask", `flow.Flow has no field "${path}"`);
    message = field.fieldKind === "message" ? field.message : undefined;
    return field.number;
  });
}

const writer = new Writer();

function prune(from: Reader, tree: Tree): void {
  for (let begin = from.at, tag = from.tag(); tag !== 0; begin = from.at, tag = from.tag()) {
    const wanted = tree.get(tag >>> 3);
    if (wanted === undefined || (wanted !== "whole" && (tag & 7) !== 2)) from.skip(tag);
    else if (wanted === "whole") {
      from.skip(tag);
      writer.raw(from.bytes.subarray(begin, from.at));
    } else {
      const end = from.delimited();
      const inner = readerAt(from.bytes, from.at, end);
      const opened = writer.open(tag);
      prune(inner, wanted);
      writer.close(opened);
      from.at = end;
    }
  }
}
