// Answers: JSON documents, Status errors, and long bodies written at the client's pace.
import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError } from "../errors.ts";

export function sendJson(response: ServerResponse, status: number, body: string | object): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-cache, private",
  });
  response.end(text);
}

/** As many characters of warnings as one answer carries: clients limit the size of headers. */
const maxWarnings = 4096;

/** A Warning header (RFC 7234 5.5), which kubectl prints. ASCII: Node sends other letters in one of two encodings. */
export function addWarning(response: ServerResponse, text: string): void {
  const quoted = text.replace(/[^ -~]/g, "?").replace(/["\\]/g, "\\$&");
  const sent = response.getHeader("Warning");
  if ([sent].flat().includes(`299 - "${quoted}"`)) return;
  const length = Array.isArray(sent) ? sent.join("").length : 0;
  if (length + quoted.length > maxWarnings) return;
  response.appendHeader("Warning", `299 - "${quoted}"`);
}

/** Bytes of a type that was negotiated; 304 for a client that has them. */
export function sendDocument(
  request: IncomingMessage,
  response: ServerResponse,
  { type, body, etag }: { readonly type: string; readonly body: Uint8Array; readonly etag: string },
): void {
  response.setHeader("Vary", "Accept");
  response.setHeader("ETag", etag);
  const known = request.headers["if-none-match"]?.split(",").map((tag) => tag.trim());
  if (known?.includes(etag)) {
    response.writeHead(304);
    response.end();
    return;
  }
  response.writeHead(200, { "Content-Type": type, "Content-Length": body.length });
  response.end(body);
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(text);
}

/** Any throw as an answer: an ApiError as it says, everything else as a 500 that tells nothing of our inside. */
export function sendError(response: ServerResponse, error: unknown): void {
  const known =
    error instanceof ApiError
      ? error
      : new ApiError(
          500,
          "InternalError",
          "an error on the server has prevented the request from succeeding",
        );
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (known.details?.retryAfterSeconds)
    response.setHeader("Retry-After", known.details.retryAfterSeconds);
  sendJson(response, known.status, known.toStatus());
}

const chunkBytes = 256 * 1024;
/** A client that takes nothing of an answer for this long is cut off. */
const stallMs = 30_000;

/** Writes parts one after the other without holding more than a chunk beyond what the client has taken. */
export async function sendParts(response: ServerResponse, parts: Iterable<string>): Promise<void> {
  response.writeHead(200, {
    "Content-Type": "application/json",
    "Cache-Control": "no-cache, private",
  });
  let chunk: string[] = [];
  let size = 0;
  for (const part of parts) {
    chunk.push(part);
    size += part.length;
    if (size < chunkBytes) continue;
    if (!response.write(chunk.join("")) && !(await drained(response))) return;
    chunk = [];
    size = 0;
  }
  response.end(chunk.join(""));
}

/** True once the client has taken what was written; false if it left or stalled. */
function drained(response: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (answer: boolean) => {
      clearTimeout(timer);
      response.off("drain", onDrain);
      response.off("close", onClose);
      resolve(answer);
    };
    const onDrain = () => done(true);
    const onClose = () => done(false);
    const timer = setTimeout(() => response.destroy(), stallMs);
    response.on("drain", onDrain);
    response.on("close", onClose);
    if (response.closed) onClose();
  });
}
