// What a client is answered whose request is denied: the response it waits for, with an authorization error for every
// topic and partition it asked about, as brokers answer whom their access lists deny.
import { hasTaggedResponseHeader, responseLayout } from "./apis/layouts.ts";
import { errorCodes } from "./model.ts";
import type { Structure, Value } from "./protocol/decode.ts";
import { encode } from "./protocol/encode.ts";
import type { Layout } from "./protocol/schema.ts";
import { Writer } from "./protocol/writer.ts";
import type { Request } from "./request.ts";
import type { Cluster } from "./response.ts";

export type DenialOptions = {
  /** Of a topic that no name was found for, clients learn that it is gone (and look again) rather than forbidden. */
  readonly unknownIds?: ReadonlySet<string>;
  /** For Metadata: Java's clients take no notice of an answer without brokers. */
  readonly cluster?: Cluster | undefined;
};

const { topicAuthorizationFailed, clusterAuthorizationFailed, groupAuthorizationFailed } =
  errorCodes;

/** A whole response, its length in front. undefined: none can be made, and the connection is to be closed. */
export function denialOf(request: Request, options: DenialOptions = {}): Buffer | undefined {
  const { api, header } = request;
  if (!api || !request.expectsResponse) return undefined;
  // As brokers do: who asks in a version that is not known is answered in the oldest, and asks again.
  const isTooNew = header.apiVersion > api.newest;
  const version = isTooNew ? 0 : header.apiVersion;
  const layout = responseLayout(api, version);
  const body = layout && bodyOf(request, layout, options);
  if (!body) return undefined;
  return frame(header.correlationId, hasTaggedResponseHeader(api, version), (writer) =>
    encode(writer, layout, body),
  );
}

/** For a fetch session that this connection has not begun: the client begins another, naming all its topics. */
export function sessionNotFound(request: Request): Buffer | undefined {
  const { api, header } = request;
  const layout = api && responseLayout(api, header.apiVersion);
  if (!layout) return undefined;
  return frame(header.correlationId, hasTaggedResponseHeader(api, header.apiVersion), (writer) =>
    encode(writer, layout, { errorCode: errorCodes.fetchSessionIdNotFound }),
  );
}

/** The error that the denial of a request tells. */
export function denialCode({ header: { apiKey, apiVersion }, topics, api }: Request): number {
  if (api && apiVersion > api.newest) return errorCodes.unsupportedVersion;
  if (topics.kind === "named" || topicApis.has(apiKey)) return topicAuthorizationFailed;
  if (groupApis.has(apiKey)) return groupAuthorizationFailed;
  if (transactionApis.has(apiKey)) return errorCodes.transactionalIdAuthorizationFailed;
  return clusterAuthorizationFailed;
}

/** Produce, Fetch, ListOffsets, Metadata: about topics even where they name none. */
const topicApis: ReadonlySet<number> = new Set([0, 1, 2, 3, 75]);
/** Groups and their offsets. */
const groupApis: ReadonlySet<number> = new Set([
  8, 9, 10, 11, 12, 13, 14, 15, 42, 47, 68, 69, 76, 77,
]);
/** AddOffsetsToTxn, EndTxn. */
const transactionApis: ReadonlySet<number> = new Set([25, 26]);

function frame(correlationId: number, isTagged: boolean, write: (writer: Writer) => void): Buffer {
  const writer = new Writer();
  writer.int32(0);
  writer.int32(correlationId);
  if (isTagged) writer.unsignedVarint(0);
  write(writer);
  const bytes = writer.finish();
  bytes.writeInt32BE(bytes.length - 4);
  return bytes;
}

// The response repeats the request's lists of topics, partitions, groups and resources, which have the same names in
// their descriptions.
function bodyOf(
  request: Request,
  layout: Layout,
  { unknownIds, cluster }: DenialOptions,
): Structure | undefined {
  const errorCode = denialCode(request);
  const failed = { errorCode };
  const { body } = request;
  if (!body) {
    // Of one whose body was not all there, the topics are not known: it cannot be answered.
    return request.topics.kind === "none" || !hasTopics(layout) ? failed : undefined;
  }
  const topicError = (topic: Structure): number =>
    unknownIds?.has(topic["topicId"] as string) ? errorCodes.unknownTopicId : errorCode;
  const denyTopics = (topics: Value | undefined): Structure[] =>
    structures(topics).map((topic) => denyTopic(topic, topicError(topic)));
  return {
    ...failed,
    ...cluster,
    ...listsOf(request.header.apiKey, { body, errorCode, denyTopics }),
  };
}

function hasTopics(layout: Layout): boolean {
  return layout.fields.some(({ name }) => name === "topics" || name === "resources");
}

type Lists = {
  readonly body: Structure;
  readonly errorCode: number;
  readonly denyTopics: (topics: Value | undefined) => Structure[];
};

function listsOf(apiKey: number, { body, errorCode, denyTopics }: Lists): Structure {
  const withError = (item: Structure): Structure => ({ ...item, errorCode });
  switch (apiKey) {
    case 9: // OffsetFetch: the whole group fails where all of its topics were asked for.
      return {
        topics: denyTopics(body["topics"]),
        groups: structures(body["groups"]).map(({ groupId = "", topics = null }) => ({
          groupId,
          topics: denyTopics(topics),
          errorCode: topics === null ? errorCode : 0,
        })),
        errorCode: body["topics"] === null ? errorCode : 0,
      };
    case 10: {
      // FindCoordinator
      const keys = (body["keys"] ?? []) as readonly string[];
      return { coordinators: keys.map((key) => ({ key, errorCode })) };
    }
    case 15: // DescribeGroups
    case 42: // DeleteGroups
    case 69: // ConsumerGroupDescribe
    case 77: {
      // ShareGroupDescribe
      const ids = (body["groupIds"] ?? []) as readonly string[];
      return { groups: ids.map((groupId) => ({ groupId, errorCode })) };
    }
    case 20: {
      // DeleteTopics
      const names = (body["topicNames"] ?? []) as readonly string[];
      return {
        topics: [...denyTopics(body["topics"]), ...names.map((name) => ({ name, errorCode }))],
      };
    }
    case 24: // AddPartitionsToTxn
      return {
        transactions: structures(body["transactions"]).map(({ transactionalId = "", topics }) => ({
          transactionalId,
          topics: denyTopics(topics),
        })),
        topics: denyTopics(body["topics"]),
        errorCode: 0,
      };
    case 32: // DescribeConfigs, AlterConfigs, IncrementalAlterConfigs
    case 33:
    case 44:
      return {
        resources: structures(body["resources"]).map(({ type = 0, name = "" }) =>
          withError({ type, name }),
        ),
      };
    case 35: // DescribeLogDirs: before version 3, errors are those of folders.
      return { results: [{ errorCode, logDir: "" }] };
    case 46: // ListPartitionReassignments
      return { topics: [] };
    case 34: // AlterReplicaLogDirs
      return { topics: structures(body["dirs"]).flatMap(({ topics }) => denyTopics(topics)) };
    case 1: // Fetch: of a version with a code of its own for the whole, errors of partitions say it all.
    case 43: // ElectLeaders
    case 45: // AlterPartitionReassignments
      return { topics: denyTopics(body["topics"]), errorCode: 0 };
    case 47: // OffsetDelete
      return { topics: denyTopics(body["topics"]), errorCode: 0 };
  }
  return { topics: denyTopics(body["topics"]) };
}

/** A topic with the error, and with it all its partitions, which requests list as numbers or as structures. */
function denyTopic(topic: Structure, errorCode: number): Structure {
  const { name = null, topicId = "0".repeat(32), partitions = [] } = topic;
  return {
    name,
    topicId,
    errorCode,
    partitions: ((partitions ?? []) as readonly Value[]).map((partition) => ({
      // Of Fetch: none, rather than null, which not every client reads.
      records: "",
      index: typeof partition === "number" ? partition : ((partition as Structure)["index"] ?? 0),
      errorCode,
    })),
  };
}

function structures(list: Value | undefined): readonly Structure[] {
  return (list ?? []) as readonly Structure[];
}
