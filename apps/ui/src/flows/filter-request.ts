// Filters of the URL -> FlowFilters as the API takes them: by the words and the rules of `hubble observe`, so that the
// page and the command line answer alike.
import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import { type FlowFilter, FlowFilterSchema } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { filtersOf, type FilterUse } from "../../../hubble/src/filters/filters-of.ts";
import { type FilterFlag, filterFlags } from "../../../hubble/src/filters/flags.ts";
import { RequestError } from "../http/server.ts";
import type { Filter } from "../shared/filters.ts";

export type FilterLists = { readonly whitelist: FlowFilter[]; readonly blacklist: FlowFilter[] };

const flags = new Map(filterFlags.map((flag) => [flag.name, flag]));

/** @throws RequestError on a value that its word cannot have, and on words that contradict each other */
export function filterLists(filters: readonly Filter[]): FilterLists {
  const uses = filters.flatMap(usesOf);
  try {
    const { allowlist, denylist } = filtersOf(uses);
    return { whitelist: allowlist.map(message), blacklist: denylist.map(message) };
  } catch (error) {
    throw new RequestError(400, (error as Error).message);
  }
}

/** Flags that say yes by being there: no is the other flag, or a "not". */
const negations: Readonly<Record<string, (not: boolean) => Filter>> = {
  "reply=false": (not) => ({ word: "reply", value: "true", not: !not }),
  "encrypted=false": (not) => ({ word: "unencrypted", value: "true", not }),
};

function usesOf(filter: Filter): FilterUse[] {
  const { word, value, not } = negations[`${filter.word}=${filter.value}`]?.(filter.not) ?? filter;
  const flag = flagOf(word);
  if (flag.implied !== undefined && value !== "true")
    throw new RequestError(400, `${word}: wanted true or false`);
  if (flag.adds.kind === "field") {
    try {
      flag.adds.parse(value);
    } catch (error) {
      throw new RequestError(400, `${word} ${JSON.stringify(value)}: ${(error as Error).message}`);
    }
  }
  const use = { flag, value };
  return not ? [{ flag: flagOf("not"), value: "true" }, use] : [use];
}

function flagOf(name: string): FilterFlag {
  const flag = flags.get(name);
  if (!flag) throw new RequestError(400, `there is no filter ${name}`);
  return flag;
}

function message(filter: object): FlowFilter {
  return fromJson(FlowFilterSchema, filter as JsonObject);
}
