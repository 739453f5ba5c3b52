// The client's side of a call with one request and a stream of answers, not decoded.
import { type ClientHttp2Stream, type IncomingHttpHeaders, constants } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import manifest from "../../package.json" with { type: "json" };
import { untilAborted } from "./abort.ts";
import { classified } from "./failures.ts";
import { FrameReader, framed } from "./frame.ts";
import type { Sessions } from "./sessions.ts";
import { statusOf, statusOfHttp } from "./status.ts";

export type StreamCall = {
  readonly path: string;
  readonly request: Uint8Array;
  readonly signal: AbortSignal;
  readonly maxMessageBytes: number;
};

/** @throws ConnectError */
export async function* streamMessages(
  sessions: Sessions,
  { path, request, signal, maxMessageBytes }: StreamCall,
): AsyncGenerator<readonly Uint8Array[]> {
  let stream: ClientHttp2Stream | undefined;
  let session: ClientHttp2Stream["session"];
  const cancel = () => stream?.close(constants.NGHTTP2_CANCEL);
  signal.addEventListener("abort", cancel);
  try {
    throwIfAborted(signal);
    stream = await open(sessions, path, signal);
    // Asked for now: a stream that is over has none.
    session = stream.session;
    const ended = watchEnd(stream, session);
    throwIfAborted(signal);
    stream.end(framed(request));
    const frames = new FrameReader(maxMessageBytes);
    for await (const chunk of stream) {
      sessions.notifyResponseByteRead();
      const messages = frames.push(chunk as Uint8Array);
      if (messages.length > 0) yield messages;
    }
    throwIfAborted(signal);
    const status = ended();
    if (status !== undefined) throw status;
    frames.end();
  } catch (error) {
    throwIfAborted(signal);
    if (stream !== undefined && isReset(error)) throw reset(stream.rstCode, session);
    throw classified(error);
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

/** A signal ends the waiting for a connection too. */
function open(sessions: Sessions, path: string, signal: AbortSignal): Promise<ClientHttp2Stream> {
  const opening = sessions.request("POST", path, requestHeaders, {});
  const tooLate = (stream: ClientHttp2Stream) => {
    if (signal.aborted) stream.close(constants.NGHTTP2_CANCEL);
  };
  opening.then(tooLate, () => undefined);
  return untilAborted(opening, signal);
}

const requestHeaders = {
  "content-type": "application/grpc+proto",
  te: "trailers",
  "user-agent": `tsilium-hubble/${manifest.version}`,
} as const;

/** Listens from the start, so that nothing is missed; tells afterwards how the call ended. */
function watchEnd(
  stream: ClientHttp2Stream,
  session: ClientHttp2Stream["session"],
): () => ConnectError | undefined {
  let headers: IncomingHttpHeaders | undefined;
  let trailers: IncomingHttpHeaders | undefined;
  stream.once("response", (received) => (headers = received));
  stream.once("trailers", (received) => (trailers = received));
  // The loop that reads throws it.
  stream.once("error", () => undefined);
  return () => {
    if (headers === undefined) return reset(stream.rstCode, session);
    const httpStatus = Number(headers[":status"]);
    if (httpStatus !== 200) return statusOfHttp(httpStatus);
    if (!String(headers["content-type"]).startsWith("application/grpc")) {
      return new ConnectError("the answer is not gRPC", Code.Unknown);
    }
    const end = trailers ?? headers;
    return end["grpc-status"] === undefined && stream.rstCode !== 0
      ? reset(stream.rstCode, session)
      : statusOf(end);
  };
}

/** A lost connection looks like a reset to node:http2. Else as gRPC maps HTTP/2's codes. */
function reset(rstCode: number, session: ClientHttp2Stream["session"]): ConnectError {
  const lost = session === undefined || session.destroyed;
  if (lost) return new ConnectError("the connection was lost", Code.Unavailable);
  return new ConnectError(`the stream was reset (HTTP/2 code ${rstCode})`, codeOfReset(rstCode));
}

function codeOfReset(rstCode: number): Code {
  switch (rstCode) {
    case constants.NGHTTP2_NO_ERROR:
    case constants.NGHTTP2_REFUSED_STREAM:
      return Code.Unavailable;
    case constants.NGHTTP2_CANCEL:
      return Code.Canceled;
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return Code.ResourceExhausted;
    default:
      return Code.Internal;
  }
}

const isReset = (error: unknown) => (error as { code?: unknown }).code === "ERR_HTTP2_STREAM_ERROR";

function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  const { reason } = signal;
  if (reason instanceof ConnectError) throw reason;
  throw new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, reason);
}
