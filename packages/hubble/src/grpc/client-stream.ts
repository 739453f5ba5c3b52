// The client's side of a call with one request and a stream of answers, not decoded.
import { type ClientHttp2Stream, type IncomingHttpHeaders, constants } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import { untilAborted } from "./abort.ts";
import { classified } from "./failures.ts";
import { FrameReader, framed } from "./frame.ts";
import { statusOf, statusOfHttp } from "./status.ts";

export type StreamCall = {
  readonly path: string;
  readonly request: Uint8Array;
  readonly signal: AbortSignal;
  readonly maxMessageBytes: number;
};

/** @throws ConnectError */
export async function* streamMessages(
  sessions: Http2SessionManager,
  { path, request, signal, maxMessageBytes }: StreamCall,
): AsyncGenerator<readonly Uint8Array[]> {
  let stream: ClientHttp2Stream | undefined;
  const cancel = () => stream?.close(constants.NGHTTP2_CANCEL);
  signal.addEventListener("abort", cancel);
  try {
    throwIfAborted(signal);
    stream = await open(sessions, path, signal);
    const ended = watchEnd(stream);
    throwIfAborted(signal);
    stream.end(framed(request));
    const frames = new FrameReader(maxMessageBytes);
    for await (const chunk of stream) {
      sessions.notifyResponseByteRead(stream);
      const messages = frames.push(chunk as Uint8Array);
      if (messages.length > 0) yield messages;
    }
    throwIfAborted(signal);
    const status = ended();
    if (status !== undefined) throw status;
    frames.end();
  } catch (error) {
    throwIfAborted(signal);
    throw classified(error);
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

/** A signal ends the waiting for a connection too. */
async function open(
  sessions: Http2SessionManager,
  path: string,
  signal: AbortSignal,
): Promise<ClientHttp2Stream> {
  const opening = sessions.request("POST", path, requestHeaders, {});
  const tooLate = (stream: ClientHttp2Stream) => {
    if (signal.aborted) stream.close(constants.NGHTTP2_CANCEL);
  };
  opening.then(tooLate, () => undefined);
  const stream = await untilAborted(opening, signal);
  widen(stream.session);
  return stream;
}

const widened = new WeakSet<object>();

/** Flows come in thousands: the connection's window is not to be the limit. */
function widen(session: ClientHttp2Stream["session"]): void {
  if (session === undefined || session.destroyed || widened.has(session)) return;
  widened.add(session);
  session.setLocalWindowSize(connectionWindow);
}

const connectionWindow = 4 * 1024 * 1024;

const requestHeaders = {
  "content-type": "application/grpc+proto",
  te: "trailers",
  "user-agent": "tsilium-hubble/0.1.0",
} as const;

/** Listens from the start, so that nothing is missed; tells afterwards how the call ended. */
function watchEnd(stream: ClientHttp2Stream): () => ConnectError | undefined {
  let headers: IncomingHttpHeaders | undefined;
  let trailers: IncomingHttpHeaders | undefined;
  stream.once("response", (received) => (headers = received));
  stream.once("trailers", (received) => (trailers = received));
  // The loop that reads throws it.
  stream.once("error", () => undefined);
  return () => {
    if (headers === undefined) return reset(stream);
    const httpStatus = Number(headers[":status"]);
    if (httpStatus !== 200) return statusOfHttp(httpStatus);
    if (!String(headers["content-type"]).startsWith("application/grpc")) {
      return new ConnectError("the answer is not gRPC", Code.Unknown);
    }
    const end = trailers ?? headers;
    return end["grpc-status"] === undefined && stream.rstCode !== 0 ? reset(stream) : statusOf(end);
  };
}

/** A lost connection looks like a reset to node:http2. */
function reset({ rstCode, session }: ClientHttp2Stream): ConnectError {
  const lost = session === undefined || session.destroyed;
  if (lost) return new ConnectError("the connection was lost", Code.Unavailable);
  const refused = rstCode === constants.NGHTTP2_REFUSED_STREAM || rstCode === 0;
  const message = `the stream was reset (HTTP/2 code ${rstCode})`;
  return new ConnectError(message, refused ? Code.Unavailable : Code.Unknown);
}

function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  const { reason } = signal;
  if (reason instanceof ConnectError) throw reason;
  throw new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, reason);
}
