// One flow log: which flows, which of their fields, where to.
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import {
  compileFieldMask,
  flowsResponseToJson,
  type FlowsResponse,
  flowToJson,
} from "../codec/index.ts";
import { compileFilters } from "../filter/index.ts";
import { type FlowFilter, FlowFilterSchema } from "../gen/flow/flow_pb.ts";
import {
  emptyFlow,
  type Flow,
  type FlowEndpoint,
  type LostEvents,
  unknownEndpoint,
} from "../model.ts";
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
  const lineOf = prune
    ? (flow: Flow) => {
        const json = flowsResponseToJson(responseOf(flow));
        return JSON.stringify({ ...json, flow: prune(json["flow"] as JsonObject) });
      }
    : makeWholeLines();
  return {
    sink,
    note: (flow) => {
      if (matcher.matches(flow)) sink.write(lineOf(flow));
    },
    noteLost: (lost, nodeName) => {
      const json = flowsResponseToJson({ lost, nodeName, timeNs: lost.lastNs });
      sink.write(JSON.stringify(json));
    },
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}

function responseOf(flow: Flow): FlowsResponse {
  return { flow, nodeName: flow.nodeName, timeNs: flow.timeNs };
}

/** Ends of flows are most of a line's text, and few: each is made once. They stand first then. */
function makeWholeLines(): (flow: Flow) => string {
  const texts = new WeakMap<FlowEndpoint, string>();
  const textOf = (endpoint: FlowEndpoint): string => {
    let text = texts.get(endpoint);
    if (text === undefined) {
      text = JSON.stringify(flowToJson({ ...emptyFlow, source: endpoint })["source"] ?? null);
      texts.set(endpoint, text);
    }
    return text;
  };
  const begin = '{"flow":{';
  return (flow) => {
    const rest = { ...flow, source: unknownEndpoint, destination: unknownEndpoint };
    const line = JSON.stringify(flowsResponseToJson(responseOf(rest)));
    let ends = "";
    for (const end of ["source", "destination"] as const) {
      const text = textOf(flow[end]);
      if (text !== "null") ends += `"${end}":${text},`;
    }
    return `${begin}${ends}${line.slice(begin.length)}`;
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
