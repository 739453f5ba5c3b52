// A watch on the wire is one JSON document per line, for as long as the connection lives.
import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";
import { isStatus, KubeError } from "./errors.ts";
import type { KubeObject, WatchEvent } from "./types/meta.ts";

/** Lines of a byte stream, without their ends. A last line that is cut off is not given out. */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  const parts: string[] = [];
  for await (const chunk of chunks) {
    const text = decoder.write(chunk);
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      parts.push(text.slice(start, end));
      const line = parts.join("");
      parts.length = 0;
      start = end + 1;
      if (line !== "") yield line;
    }
    if (start < text.length) parts.push(text.slice(start));
  }
}

/**
 * The events of a watch's answer.
 * @throws KubeError what an ERROR event says ("Expired" for 410), or "BadAnswer" for what is no event.
 */
export async function* readWatch<T extends KubeObject>(
  response: IncomingMessage,
): AsyncGenerator<WatchEvent<T>> {
  try {
    for await (const line of lines(response)) {
      const event = parseEvent<T>(line);
      if (event) yield event;
    }
  } finally {
    response.destroy();
  }
}

function parseEvent<T extends KubeObject>(line: string): WatchEvent<T> | undefined {
  let event: { type?: unknown; object?: unknown };
  try {
    event = JSON.parse(line) as typeof event;
  } catch (cause) {
    throw new KubeError("BadAnswer", `watch: not JSON: ${line.slice(0, 100)}`, {
      status: 200,
      cause,
    });
  }
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
    case "BOOKMARK":
      return event as WatchEvent<T>;
    case "ERROR":
      throw errorEvent(event.object);
    default:
      return undefined;
  }
}

function errorEvent(object: unknown): KubeError {
  if (!isStatus(object))
    return new KubeError("BadAnswer", "watch: an error without a Status", { status: 200 });
  return new KubeError(object.reason ?? "BadAnswer", `watch: ${object.message ?? "no message"}`, {
    status: object.code ?? 0,
    ...(object.details ? { details: object.details } : {}),
  });
}
