// What a request's query says: which flows, from when to when, how many.
import type { FlowFilter } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { RequestError } from "../http/server.ts";
import { filtersOf, timeMs } from "../shared/filters.ts";
import { filterLists } from "./filter-request.ts";

export type FlowQuery = {
  readonly whitelist: FlowFilter[];
  readonly blacklist: FlowFilter[];
  readonly sinceNs: bigint | undefined;
  readonly untilNs: bigint | undefined;
  /** The newest so many; 0: all. */
  readonly number: number;
  /** Go on with new flows after the old ones. */
  readonly follow: boolean;
};

/** As many as a page holds. */
export const mostFlows = 20_000;

/** @throws RequestError */
export function flowQuery(query: URLSearchParams, nowMs: number): FlowQuery {
  const untilNs = time(query, "until", nowMs);
  return {
    ...filterLists(filtersOf(query)),
    sinceNs: time(query, "since", nowMs),
    untilNs,
    number: number(query),
    follow: query.get("follow") === "true" && untilNs === undefined,
  };
}

/** A time as in `hubble observe`, or nanoseconds as the page has them of a flow. */
function time(query: URLSearchParams, name: string, nowMs: number): bigint | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  if (/^\d{16,20}$/.test(text)) return BigInt(text);
  const ms = timeMs(text, nowMs);
  if (ms === undefined)
    throw new RequestError(400, `${name}: wanted a time such as 15m or 2026-11-26T10:00:00Z`);
  return BigInt(Math.round(ms)) * 1_000_000n;
}

function number(query: URLSearchParams): number {
  const text = query.get("number") ?? "0";
  if (!/^\d{1,9}$/.test(text)) throw new RequestError(400, "number: wanted a whole number");
  return Math.min(Number(text), mostFlows);
}
