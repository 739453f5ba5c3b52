// GetFlowsRequest -> what it asks for, as Cilium's server understands it.
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { CodecError } from "../codec/error.ts";
import { nsFromTimestamp } from "../codec/time.ts";
import { compileFilters, FilterError } from "../filter/index.ts";
import type { GetFlowsRequest } from "../gen/observer/observer_pb.ts";
import type { FlowMatcher } from "../model.ts";

/** Which part of what there is. */
export type Range = {
  /** 0: all. */
  readonly number: number;
  /** Of too many, the oldest instead of the newest. */
  readonly first: boolean;
  /** Go on with what comes. */
  readonly follow: boolean;
  /** Both bounds belong to the range. */
  readonly sinceNs: bigint | undefined;
  readonly untilNs: bigint | undefined;
};

export type FlowsQuery = Range & { readonly matcher: FlowMatcher };

type RangeRequest = Pick<GetFlowsRequest, "number" | "first" | "follow"> & {
  readonly since?: Timestamp | undefined;
  readonly until?: Timestamp | undefined;
};

/** @throws ConnectError INVALID_ARGUMENT */
export function flowsQuery(request: GetFlowsRequest): FlowsQuery {
  const range = rangeOf(request);
  try {
    return { ...range, matcher: compileFilters(request) };
  } catch (error) {
    throw error instanceof FilterError ? invalid(error.message, error) : error;
  }
}

/** @throws ConnectError INVALID_ARGUMENT */
export function rangeOf({ number, first, follow, since, until }: RangeRequest): Range {
  if (first && follow) throw invalid("first cannot be specified with follow");
  return {
    number: number > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(number),
    first,
    follow,
    sinceNs: timeOf("since", since),
    untilNs: timeOf("until", until),
  };
}

function timeOf(name: string, time: Timestamp | undefined): bigint | undefined {
  if (!time) return undefined;
  try {
    return nsFromTimestamp(time);
  } catch (error) {
    throw error instanceof CodecError ? invalid(`invalid ${name}: ${error.message}`, error) : error;
  }
}

export function invalid(message: string, cause?: unknown): ConnectError {
  return new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
}
