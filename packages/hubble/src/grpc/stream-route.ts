// A call with one request and a stream of answers, outside of connect's router: messages go out as they were encoded.
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import {
  type DescMessage,
  type DescMethodServerStreaming,
  type MessageShape,
  fromBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { untilAborted } from "./abort.ts";
import { FrameReader } from "./frame.ts";
import type { PendingBytes } from "./pending.ts";
import { Http2ServerStream, type ServerStream } from "./server-stream.ts";
import { parseTimeout } from "./status.ts";
import { isHeavy } from "./weight.ts";

export type StreamRoute = {
  /** "/observer.Observer/GetFlows" */
  readonly path: string;
  /** @throws ConnectError with which the call ends */
  readonly handle: (request: Uint8Array, out: ServerStream) => Promise<void>;
};

/**
 * A route for `streams` of `serveGrpc`. When the handler returns, the call ends with success; when it throws a
 * ConnectError, with its code and text; when it throws something else, with INTERNAL and no text.
 */
export function stream<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  handler: (request: MessageShape<I>, out: ServerStream) => Promise<void>,
): StreamRoute {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    handle: (bytes, out) => handler(parse(method.input, bytes), out),
  };
}

/** More than a request has that means anything: 1,000 filters with 10,000 values weigh 35,000. */
const mostWeight = 50_000;

function parse<I extends DescMessage>(schema: I, bytes: Uint8Array): MessageShape<I> {
  try {
    if (!isHeavy(schema, bytes, mostWeight)) return fromBinary(schema, bytes);
  } catch (cause) {
    const message = `the request is no ${schema.typeName}`;
    throw new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
  }
  throw new ConnectError("the request has too many parts", Code.ResourceExhausted);
}

export type StreamSurroundings = {
  readonly maxRequestBytes: number;
  /** For the request to arrive. */
  readonly requestTimeoutMs: number;
  readonly pending: PendingBytes;
  /** Aborted, with a ConnectError, when the server shuts down. */
  readonly shutdown: AbortSignal;
  /** Of errors that are no ConnectErrors. */
  readonly onError: (error: unknown, path: string) => void;
};

/** Serves one call to its end. Never rejects. */
export async function serveStream(
  http2Stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  { route, ...around }: StreamSurroundings & { readonly route: StreamRoute },
): Promise<void> {
  const ending = new AbortController();
  const out = new Http2ServerStream(http2Stream, headers, ending.signal);
  const timers: NodeJS.Timeout[] = [];
  const abort = (message: string, code: Code) => ending.abort(new ConnectError(message, code));
  const shutDown = () => ending.abort(around.shutdown.reason);
  http2Stream.once("close", () => abort("the client is gone", Code.Canceled));
  around.shutdown.addEventListener("abort", shutDown);
  if (around.shutdown.aborted) shutDown();
  try {
    const timeoutMs = parseTimeout(out.header("grpc-timeout"));
    if (timeoutMs !== undefined && timeoutMs < 2 ** 31) {
      const expire = () => abort("the deadline is over", Code.DeadlineExceeded);
      timers.push(setTimeout(expire, timeoutMs));
    }
    const request = await untilAborted(readRequest(http2Stream, around), ending.signal);
    // Not at once: a handler that refuses the request answers with nothing but a status.
    const answer = setImmediate(() => out.sendHeaders());
    try {
      await untilAborted(route.handle(request, out), ending.signal);
    } finally {
      clearImmediate(answer);
    }
    out.end(undefined);
  } catch (error) {
    if (!(error instanceof ConnectError)) around.onError(error, route.path);
    out.end(
      error instanceof ConnectError ? error : new ConnectError("internal error", Code.Internal),
    );
  } finally {
    for (const timer of timers) clearTimeout(timer);
    around.shutdown.removeEventListener("abort", shutDown);
  }
}

/** The one message of the request. @throws ConnectError */
async function readRequest(
  from: ServerHttp2Stream,
  { maxRequestBytes, requestTimeoutMs, pending }: StreamSurroundings,
): Promise<Uint8Array> {
  using held = pending.request();
  const frames = new FrameReader(maxRequestBytes);
  const late = setTimeout(() => from.close(8), requestTimeoutMs);
  let request: Uint8Array | undefined;
  try {
    // Not destroyed by an error: the answer to it must get through.
    for await (const chunk of from.iterator({ destroyOnReturn: false })) {
      held.add((chunk as Uint8Array).length);
      for (const message of frames.push(chunk as Uint8Array)) {
        if (request !== undefined)
          throw new ConnectError("more than one request", Code.Unimplemented);
        request = message;
      }
    }
  } finally {
    clearTimeout(late);
  }
  frames.end();
  if (request === undefined) throw new ConnectError("no request", Code.Unimplemented);
  return request;
}
