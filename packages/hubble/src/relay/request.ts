// What a client asks, and what each peer is asked for it.
import { clone, toBinary } from "@bufbuild/protobuf";
import { timestampFromNs } from "../codec/index.ts";
import { Code, ConnectError } from "../grpc/index.ts";
import { type GetFlowsRequest, GetFlowsRequestSchema } from "../gen/observer/observer_pb.ts";

/**
 * newest: the newest N of all peers. first: all, or the first N, in order. follow: in order, without end. A client that
 * wants the newest N and then to follow gets one after the other.
 */
export type Part = { readonly kind: "newest" | "inOrder" | "follow"; readonly limit: number };

/** Of what to answer a request. @throws ConnectError INVALID_ARGUMENT */
export function partsOf({ number, first, follow, since }: GetFlowsRequest): Part[] {
  if (first && follow)
    throw new ConnectError("first cannot be combined with follow", Code.InvalidArgument);
  const limit = Number(number);
  // Since a time, flows are counted from there on; who follows since a time gets all.
  const countsBack = !first && since === undefined && limit > 0;
  if (countsBack && limit > mostNewest)
    throw new ConnectError(
      `the newest ${limit} flows of a cluster are too many, ${mostNewest} can be had`,
      Code.InvalidArgument,
    );
  const onward: Part = { kind: "follow", limit: 0 };
  if (follow) return countsBack ? [{ kind: "newest", limit }, onward] : [onward];
  return [{ kind: countsBack ? "newest" : "inOrder", limit }];
}

/** What clients ask for as "the newest of all" is everything since the beginning: none is held back for others. */
export function unbounded(request: GetFlowsRequest): GetFlowsRequest {
  const { number, first, since } = request;
  if (number !== everything || first || since !== undefined) return request;
  return { ...request, number: 0n, since: timestampFromNs(0n) };
}

/** `hubble observe --all`, Cilium's too. */
const everything = 0xffff_ffff_ffff_ffffn;

/** They are held in memory until the last peer has answered. */
const mostNewest = 1_000_000;

/** Encoded, for a peer whose stream begins. */
export function peerRequest(request: GetFlowsRequest, part: Part): Uint8Array {
  return encode(request, {
    follow: part.kind === "follow",
    number: part.kind === "follow" ? 0n : request.number,
  });
}

/** For a peer whose flows are known up to a moment. */
export function resumeRequest(request: GetFlowsRequest, sinceNs: bigint): Uint8Array {
  return encode(request, { follow: true, number: 0n, since: timestampFromNs(sinceNs) });
}

/** For a peer that had none of the newest: all that it has now is new. */
export function freshRequest(request: GetFlowsRequest): Uint8Array {
  return encode(request, { follow: true, number: request.number });
}

function encode(request: GetFlowsRequest, changes: Partial<GetFlowsRequest>): Uint8Array {
  const copy = clone(GetFlowsRequestSchema, request);
  return toBinary(GetFlowsRequestSchema, Object.assign(copy, changes));
}
