// A request, read from its first bytes: header, and what topics it names.
import { apiKeys, type Api, apiOf } from "./apis/api.ts";
import { isFlexible, requestLayout } from "./apis/layouts.ts";
import type { NamedTopic, RequestHeader, Topics } from "./model.ts";
import { decode, expectNoTags, type Names, type Structure } from "./protocol/decode.ts";
import { MalformedError, TruncatedError } from "./protocol/error.ts";
import { Reader } from "./protocol/reader.ts";

export type Request = {
  readonly header: RequestHeader;
  readonly topics: Topics;
  /** undefined: the API or this version of it is not known, or the header is all that was read. */
  readonly api: Api | undefined;
  /** The body's fields; undefined: not looked into, not known, malformed, or not all there. */
  readonly body: Structure | undefined;
  /** Produce with acks=0: no broker answers it. */
  readonly expectsResponse: boolean;
};

/** Header of every request, and nothing of a client's name. */
const leastHeaderLength = 8;
const noTopicId = "0".repeat(32);

/**
 * The header, of a request whose length field was taken off. undefined: more bytes are needed.
 * @throws MalformedError
 */
export function parseHeader(bytes: Buffer, length: number): RequestHeader | undefined {
  if (length < leastHeaderLength) throw new MalformedError("a request shorter than its header");
  return unlessTruncated(() => readHeader(new Reader(bytes, length)));
}

/**
 * `request` once all its topics were seen. Otherwise how much of it must be there before another try can succeed, and
 * what it is to whom its topics are no matter.
 */
export type Parsed =
  | { readonly request: Request }
  | { readonly needs: number; readonly beginning?: Request };

/**
 * The request, as far as its first bytes tell. A Produce request is complete when its last topic was named: whatever
 * follows is records. @throws MalformedError when not even the header is one
 */
export function parseRequest(bytes: Buffer, length: number): Parsed {
  const reader = new Reader(bytes, length);
  let header: RequestHeader;
  try {
    header = readHeader(reader);
  } catch (error) {
    return neededBy(error);
  }
  const api = understood(header);
  if (!api) return { request: unknownRequest(header) };
  const collected = new Collected();
  try {
    return { request: readBody(reader, { header, api, collected }) };
  } catch (error) {
    if (error instanceof MalformedError) return { request: unknownRequest(header) };
    const parsed = neededBy(error);
    const isDecided = header.apiKey === apiKeys.produce && collected.topicsLeft === 0;
    if (isDecided) return { request: partOfProduce(header, api, collected) };
    const isAnswered = expectsResponse(header, collected.body);
    return { ...parsed, beginning: { ...headerOnly(header), expectsResponse: isAnswered } };
  }
}

/** A request of which nothing but the header is asked for. */
export function headerOnly(header: RequestHeader): Request {
  return { ...unknownRequest(header), api: understood(header) };
}

function readHeader(reader: Reader): RequestHeader {
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  // The one request that has no client id.
  if (apiKey === apiKeys.controlledShutdown && apiVersion === 0)
    return { apiKey, apiVersion, correlationId, clientId: undefined };
  const length = reader.int16();
  if (length < -1) throw new MalformedError("a length below zero");
  const clientId = length < 0 ? undefined : reader.text(length);
  return { apiKey, apiVersion, correlationId, clientId };
}

/** Versions of ApiVersions are all alike to us: clients ask in their newest one before they know the broker. */
function understood({ apiKey, apiVersion }: RequestHeader): Api | undefined {
  const api = apiOf(apiKey);
  if (!api || apiVersion < 0) return undefined;
  if (apiKey === apiKeys.apiVersions) return api;
  // What follows version 0 of SaslHandshake on the connection are not requests.
  if (apiKey === apiKeys.saslHandshake && apiVersion === 0) return undefined;
  return apiVersion <= api.newest ? api : undefined;
}

type Context = { readonly header: RequestHeader; readonly api: Api; readonly collected: Collected };

function readBody(reader: Reader, { header, api, collected }: Context): Request {
  const layout = requestLayout(api, header.apiVersion);
  const known = { header, api, expectsResponse: true } as const;
  if (!layout || api.key === apiKeys.apiVersions)
    return { ...known, topics: topicsWithoutBody(api), body: undefined };
  if (isFlexible(api, header.apiVersion)) expectNoTags(reader);
  const body = decode({ reader, names: collected, tags: "known" }, layout, collected.body);
  if (!reader.isAtEnd) throw new MalformedError("a request longer than its fields");
  return {
    ...known,
    topics: topicsOf(header, body, collected),
    body,
    expectsResponse: expectsResponse(header, body),
  };
}

function topicsWithoutBody(api: Api): Topics {
  return { kind: api.topics === "none" ? "none" : "unknown" };
}

function topicsOf(
  { apiKey, apiVersion }: RequestHeader,
  body: Structure,
  collected: Collected,
): Topics {
  if (isAboutAll(apiKey, apiVersion, body)) return { kind: "all" };
  const topics = [...collected.topics, ...topicsByNameOrId(apiKey, body)];
  return topics.length === 0 ? { kind: "none" } : { kind: "named", topics };
}

// Both ways to name a topic are on the wire in these, and which one the broker takes depends on its version.
function topicsByNameOrId(apiKey: number, body: Structure): NamedTopic[] {
  if (apiKey !== 3 && apiKey !== 20) return [];
  const entries = (body["topics"] ?? []) as readonly Structure[];
  return entries.flatMap(({ name, topicId }) => {
    const byName = typeof name === "string" ? [{ name }] : [];
    const byId = typeof topicId === "string" && topicId !== noTopicId ? [{ id: topicId }] : [];
    if (byName.length + byId.length === 0) throw new MalformedError("a topic without a name");
    return [...byName, ...byId];
  });
}

function isAboutAll(apiKey: number, apiVersion: number, body: Structure): boolean {
  const topics = body["topics"] as readonly Structure[] | null | undefined;
  switch (apiKey) {
    case 3: // Metadata: an empty list meant everything once.
      return topics === null || (apiVersion === 0 && topics?.length === 0);
    case 9: // OffsetFetch
      return (
        topics === null ||
        ((body["groups"] ?? []) as readonly Structure[]).some((group) => group["topics"] === null)
      );
    case 35: // DescribeLogDirs
    case 43: // ElectLeaders
    case 46: // ListPartitionReassignments
      return topics === null;
    case 68: // ConsumerGroupHeartbeat: the broker looks through all topics for those that match.
      return Boolean(body["subscribedTopicRegex"]);
    case 75: // DescribeTopicPartitions
      return topics?.length === 0;
  }
  return false;
}

function expectsResponse({ apiKey }: RequestHeader, body: Structure): boolean {
  return apiKey !== apiKeys.produce || body["acks"] !== 0;
}

function partOfProduce(header: RequestHeader, api: Api, collected: Collected): Request {
  return {
    header,
    api,
    topics: { kind: "named", topics: collected.topics },
    body: undefined,
    expectsResponse: expectsResponse(header, collected.body),
  };
}

function unknownRequest(header: RequestHeader): Request {
  return {
    header,
    topics: { kind: "unknown" },
    api: undefined,
    body: undefined,
    expectsResponse: true,
  };
}

/** What a body names, gathered while it is read. */
class Collected implements Names {
  readonly topics: NamedTopic[] = [];
  /** What was read of it before its bytes came to an end. */
  readonly body: Structure = {};
  /** Topics of the list that are still to be named; undefined: none was named yet. */
  topicsLeft: number | undefined;
  #structuresLeft = 0;

  topic(name: string): void {
    this.topics.push({ name });
    this.topicsLeft = this.#structuresLeft;
  }

  topicId(id: string): void {
    this.topics.push({ id });
    this.topicsLeft = this.#structuresLeft;
  }

  structure(left: number): void {
    this.#structuresLeft = left;
  }

  errorCode(): void {}
}

function neededBy(error: unknown): { readonly needs: number } {
  if (error instanceof TruncatedError) return { needs: error.length };
  throw error;
}

function unlessTruncated<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    neededBy(error);
    return undefined;
  }
}
