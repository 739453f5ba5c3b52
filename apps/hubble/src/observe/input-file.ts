// Flows from a file (or stdin) that `hubble observe -o jsonpb` or an exporter wrote, instead of a server: the same filters,
// run here. Order is the file's.
import { createReadStream } from "node:fs";
import { fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { decodeFlowsResponse, nsFromTimestamp, peekResponse } from "@tsilium/hubble/codec/index.ts";
import { compileFilters } from "@tsilium/hubble/filter/index.ts";
import {
  type GetFlowsRequest,
  GetFlowsResponseSchema,
} from "@tsilium/hubble/gen/observer/observer_pb.ts";
import type { FlowMatcher } from "@tsilium/hubble/model.ts";
import { CommandError } from "../../../cli/src/failure.ts";

/** Flows that --last can hold. */
const mostLast = 1_000_000n;

/**
 * The answers of the file that the request asks for, as bytes of GetFlowsResponse.
 * @param complain is told of lines that are no answers, the first few one by one.
 * @throws CommandError when the file cannot be read, FilterError
 */
export async function* flowsOfFile(
  path: string,
  request: GetFlowsRequest,
  { signal, complain }: { readonly signal: AbortSignal; readonly complain: (text: string) => void },
): AsyncGenerator<Uint8Array> {
  const { number, first } = request;
  if (!first && number > mostLast && number < everything)
    throw new CommandError(`--last ${number} is more than --input-file can hold (${mostLast})`);
  const wanted = wantedResponses(path, request, { signal, complain });
  if (first) return yield* firstOf(wanted, number);
  if (number === 0n || number === everything) return yield* wanted;
  yield* await lastOf(wanted, Number(number));
}

const everything = 2n ** 64n - 1n;

/** Losses and states of nodes come along, and are not counted. */
async function* firstOf(
  responses: AsyncIterable<Uint8Array>,
  count: bigint,
): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const response of responses) {
    yield response;
    if (isFlow(response) && --left === 0n) return;
  }
}

async function lastOf(responses: AsyncIterable<Uint8Array>, count: number): Promise<Uint8Array[]> {
  let kept: Uint8Array[] = [];
  let begin = 0;
  let flows = 0;
  for await (const response of responses) {
    kept.push(response);
    if (!isFlow(response) || ++flows <= count) continue;
    while (!isFlow(kept[begin++] as Uint8Array));
    // What is behind is let go in large pieces.
    if (begin < count + 1_000) continue;
    kept = kept.slice(begin);
    begin = 0;
  }
  return kept.slice(begin);
}

function isFlow(response: Uint8Array): boolean {
  return peekResponse(response).kind === "flow";
}

async function* wantedResponses(
  path: string,
  request: GetFlowsRequest,
  { signal, complain }: { readonly signal: AbortSignal; readonly complain: (text: string) => void },
): AsyncGenerator<Uint8Array> {
  const matcher = compileFilters(request);
  const sinceNs = request.since && nsFromTimestamp(request.since);
  const untilNs = request.until && nsFromTimestamp(request.until);
  let line = 0;
  let broken = 0;
  for await (const text of linesOf(path, signal)) {
    line++;
    if (text.trim() === "") continue;
    try {
      const response = toBinary(GetFlowsResponseSchema, parse(text));
      if (isWanted(response, matcher, { sinceNs, untilNs })) yield response;
    } catch (error) {
      broken++;
      if (broken <= 3)
        complain(`line ${line} of ${nameOf(path)} is no flow: ${(error as Error).message}`);
    }
  }
  if (broken > 3) complain(`${broken} lines of ${nameOf(path)} are no flows`);
}

function parse(text: string) {
  const json = JSON.parse(text) as JsonValue;
  // Fields from after our time are passed over.
  return fromJson(GetFlowsResponseSchema, json, { ignoreUnknownFields: true });
}

/** What is no flow (losses, states of nodes) is always wanted, as a server sends it whatever the filters. */
function isWanted(
  response: Uint8Array,
  matcher: FlowMatcher,
  {
    sinceNs,
    untilNs,
  }: { readonly sinceNs: bigint | undefined; readonly untilNs: bigint | undefined },
): boolean {
  const decoded = decodeFlowsResponse(response);
  if (decoded === undefined) return false;
  const timeNs = "flow" in decoded ? decoded.flow.timeNs : decoded.timeNs;
  if (sinceNs !== undefined && timeNs < sinceNs) return false;
  if (untilNs !== undefined && timeNs > untilNs) return false;
  return !("flow" in decoded) || matcher.matches(decoded.flow);
}

async function* linesOf(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const input = path === "-" ? process.stdin : createReadStream(path);
  signal.addEventListener("abort", () => input.destroy(), { once: true });
  let rest = "";
  try {
    for await (const chunk of input.setEncoding("utf8")) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() as string;
      yield* lines;
    }
    yield rest;
  } catch (cause) {
    if (signal.aborted) return;
    throw new CommandError(`cannot read ${nameOf(path)}: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
}

function nameOf(path: string): string {
  return path === "-" ? "stdin" : path;
}
