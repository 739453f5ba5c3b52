// One flow log: which flows, which of their fields, where to.
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { compileFieldMask, flowsResponseToJson, type FlowsResponse } from "../codec/index.ts";
import { compileFilters } from "../filter/index.ts";
import { type FlowFilter, FlowFilterSchema } from "../gen/flow/flow_pb.ts";
import type { Flow, LostEvents } from "../model.ts";
import type { Sink } from "./sink.ts";

export type FlowLogOptions = {
  readonly allow: readonly FlowFilter[];
  readonly deny: readonly FlowFilter[];
  /** Names as in flow.proto, "source.pod_name"; none: all fields. */
  readonly fieldMask: readonly string[];
  readonly sink: Sink;
};

export type FlowLog = AsyncDisposable & {
  note(flow: Flow): void;
  /** A loss is told in the log, whatever the filters: nobody knows what was lost. */
  noteLost(lost: LostEvents, nodeName: string): void;
  readonly sink: Sink;
};

/** @throws FilterError; CodecError for a field mask */
export function makeFlowLog({ allow, deny, fieldMask, sink }: FlowLogOptions): FlowLog {
  const matcher = compileFilters({ whitelist: allow, blacklist: deny });
  const prune = fieldMask.length === 0 ? undefined : makePrune(fieldMask);
  const write = (response: FlowsResponse) => {
    const json = flowsResponseToJson(response);
    if (prune && "flow" in response) json["flow"] = prune(json["flow"] as JsonObject);
    sink.write(JSON.stringify(json));
  };
  return {
    sink,
    note: (flow) => {
      if (matcher.matches(flow)) write({ flow, nodeName: flow.nodeName, timeNs: flow.timeNs });
    },
    noteLost: (lost, nodeName) => write({ lost, nodeName, timeNs: lost.lastNs }),
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}

/** Filters as JSON objects one after the other, as in hubble-export-allowlist, or in an array. @throws Error */
export function parseFilters(text: string): FlowFilter[] {
  return splitJson(text).flatMap((json) =>
    (Array.isArray(json) ? json : [json]).map(filterFromJson),
  );
}

/** @throws Error naming the field that is wrong */
export function filterFromJson(json: JsonValue): FlowFilter {
  return fromJson(FlowFilterSchema, json);
}

/** JSON values that follow each other without commas. @throws SyntaxError */
function splitJson(text: string): JsonValue[] {
  const values: JsonValue[] = [];
  let depth = 0;
  let begin = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (inString) {
      if (character === "\\") at++;
      else if (character === '"') inString = false;
      continue;
    }
    if (character === '"') inString = true;
    if (character === "{" || character === "[") depth++;
    if ((character === "}" || character === "]") && --depth === 0) {
      values.push(JSON.parse(text.slice(begin, at + 1)) as JsonValue);
      begin = at + 1;
    }
  }
  if (text.slice(begin).trim() !== "")
    throw new SyntaxError(`not a filter in JSON: ${text.slice(begin)}`);
  return values;
}

type Tree = Map<string, "whole" | Tree>;

/** In JSON: its names are those of the mask, and it is what is written. */
function makePrune(paths: readonly string[]): (flow: JsonObject) => JsonObject {
  compileFieldMask(paths);
  const tree: Tree = new Map();
  for (const path of paths) {
    const names = path.split(".");
    let branch = tree;
    for (const [index, name] of names.entries()) {
      const below = branch.get(name);
      if (below === "whole") break;
      if (index === names.length - 1) branch.set(name, "whole");
      else {
        const next: Tree = below ?? new Map();
        branch.set(name, next);
        branch = next;
      }
    }
  }
  const prune = (json: JsonObject, wanted: Tree): JsonObject => {
    const kept: JsonObject = {};
    for (const [name, below] of wanted) {
      const value = json[name];
      if (value === undefined) continue;
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
      kept[name] = below !== "whole" && isObject ? prune(value, below) : value;
    }
    return kept;
  };
  return (flow) => prune(flow, tree);
}
