// The questions that a proxy asks a broker itself, by Metadata: what the topics with these ids are called, and which
// brokers there are.
import { apiOf, apiKeys, type Api } from "./apis/api.ts";
import { isFlexible, requestLayout } from "./apis/layouts.ts";
import type { RequestHeader } from "./model.ts";
import { encode } from "./protocol/encode.ts";
import { Writer } from "./protocol/writer.ts";

/** The first in which a broker takes ids; every broker that takes requests with ids has it (KIP-516). */
const versionWithIds = 12;

export type TopicQuery = { readonly header: RequestHeader; readonly bytes: Buffer };

/** A whole request, its length in front. Without ids: about brokers alone, in the version that `like` has. */
export function topicQuery(
  ids: readonly string[],
  like: Omit<RequestHeader, "apiKey">,
): TopicQuery {
  const { correlationId, clientId } = like;
  const version = ids.length > 0 ? versionWithIds : like.apiVersion;
  const api = apiOf(apiKeys.metadata) as Api;
  const layout = requestLayout(api, version);
  if (!layout) throw new TypeError("Metadata has no layout");
  const writer = new Writer();
  writer.int32(0);
  writer.int16(api.key);
  writer.int16(version);
  writer.int32(correlationId);
  const name = clientId === undefined ? undefined : Buffer.from(clientId, "utf8");
  writer.int16(name?.length ?? -1);
  if (name) writer.raw(name);
  if (isFlexible(api, version)) writer.unsignedVarint(0);
  encode(writer, layout, {
    topics: ids.map((topicId) => ({ topicId, name: null })),
    allowAutoTopicCreation: false,
  });
  const bytes = writer.finish();
  bytes.writeInt32BE(bytes.length - 4);
  return { header: { apiKey: api.key, apiVersion: version, correlationId, clientId }, bytes };
}
