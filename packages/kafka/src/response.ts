// What is read of a broker's answer: errors, topic ids, fetch sessions. Answers are forwarded whatever they are; what is
// not understood of them is not learnt.
import { type Api, apiKeys, apiOf } from "./apis/api.ts";
import { hasTaggedResponseHeader, responseLayout } from "./apis/layouts.ts";
import type { RequestHeader } from "./model.ts";
import { decode, type Names, type Structure } from "./protocol/decode.ts";
import { MalformedError, TruncatedError } from "./protocol/error.ts";
import { Reader } from "./protocol/reader.ts";
import type { Layout } from "./protocol/schema.ts";

export type ResponseFacts = {
  /** The first error other than 0, of whatever topic or partition; 0: none was seen. */
  readonly errorCode: number;
  /** Fetch; 0: none. */
  readonly sessionId: number;
  /** Metadata: id -> name. */
  readonly topicNames: ReadonlyMap<string, string>;
  /** Metadata: its brokers and who controls them; undefined: none were told. */
  readonly cluster: Cluster | undefined;
};

/** Fields of a Metadata response. */
export type Cluster = Pick<Structure, "brokers" | "clusterId" | "controllerId">;

/** What the first bytes of an answer tell, its length taken off; `length`: of the whole answer. */
export function readResponse(bytes: Buffer, length: number, to: RequestHeader): ResponseFacts {
  const errors = new Errors();
  const body: Structure = {};
  const api = apiOf(to.apiKey);
  const layout = api && to.apiVersion <= api.newest && responseLayout(api, to.apiVersion);
  if (api && layout) {
    const reader = new Reader(bytes, length);
    asFarAsPossible(() => readBody(reader, { api, layout, to, errors }, body));
  }
  return {
    errorCode: errors.first,
    sessionId: to.apiKey === apiKeys.fetch ? Number(body["sessionId"] ?? 0) : 0,
    topicNames: to.apiKey === apiKeys.metadata ? topicNames(body) : new Map(),
    cluster: to.apiKey === apiKeys.metadata ? clusterOf(body) : undefined,
  };
}

type Context = {
  readonly api: Api;
  readonly layout: Layout;
  readonly to: RequestHeader;
  readonly errors: Errors;
};

function readBody(reader: Reader, { api, layout, to, errors }: Context, body: Structure): void {
  const correlationLength = 4;
  reader.skip(correlationLength);
  if (hasTaggedResponseHeader(api, to.apiVersion)) skipTags(reader);
  decode({ reader, names: errors, tags: "any" }, layout, body);
}

function skipTags(reader: Reader): void {
  for (let left = reader.unsignedVarint(); left > 0; left--) {
    reader.unsignedVarint();
    reader.skip(reader.unsignedVarint());
  }
}

function topicNames(body: Structure): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { topicId, name, errorCode } of (body["topics"] ?? []) as readonly Structure[]) {
    if (errorCode !== 0 || typeof name !== "string" || typeof topicId !== "string") continue;
    if (!/^0+$/.test(topicId)) names.set(topicId, name);
  }
  return names;
}

function clusterOf({
  brokers,
  clusterId = null,
  controllerId = -1,
}: Structure): Cluster | undefined {
  const isTold = Array.isArray(brokers) && brokers.length > 0;
  return isTold ? { brokers: brokers as Structure[], clusterId, controllerId } : undefined;
}

class Errors implements Names {
  first = 0;

  errorCode(code: number): void {
    this.first ||= code;
  }

  topic(): void {}

  topicId(): void {}

  structure(): void {}
}

function asFarAsPossible(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof MalformedError) && !(error instanceof TruncatedError)) throw error;
  }
}
