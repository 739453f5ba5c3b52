// Hands each call to whom it is for, and refuses what is no call of gRPC.
import {
  Http2ServerRequest,
  Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { refuse } from "./server-stream.ts";
import { type StreamRoute, type StreamSurroundings, serveStream } from "./stream-route.ts";
import type { ServerIncident } from "./server.ts";

export type CallsOptions = Omit<StreamSurroundings, "onError"> & {
  readonly router: ConnectRouter;
  readonly streams: readonly StreamRoute[];
  readonly maxStreamCalls: number;
  readonly maxOtherCalls: number;
  readonly onIncident: (incident: ServerIncident) => void;
};

type Handler = ConnectRouter["handlers"][number];

export class Calls {
  readonly #options: CallsOptions;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #streams: ReadonlyMap<string, StreamRoute>;
  /** Calls that are open. */
  readonly #open = { streams: 0, others: 0 };

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#handlers = new Map(options.router.handlers.map((each) => [each.requestPath, each]));
    this.#streams = new Map(options.streams.map((each) => [each.path, each]));
  }

  /** Never throws: what a client sends must not end the process. */
  serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]): void {
    // A client that resets its stream is no news.
    stream.on("error", () => undefined);
    try {
      this.#dispatch(stream, headers, rawHeaders);
    } catch (error) {
      this.#report(error, String(headers[":path"]));
      refuse(stream, new ConnectError("internal error", Code.Internal));
    }
  }

  #dispatch(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]): void {
    const path = String(headers[":path"]);
    const refusal = refusalOf(headers);
    if (typeof refusal === "number") {
      return stream.respond({ ":status": refusal }, { endStream: true });
    }
    if (refusal !== undefined) return refuse(stream, refusal);
    if (this.#options.shutdown.aborted) return refuse(stream, this.#options.shutdown.reason);
    const route = this.#streams.get(path);
    if (!this.#admit(stream, route === undefined ? "others" : "streams")) return;
    if (route !== undefined) {
      const onError = (error: unknown) => this.#report(error, path);
      void serveStream(stream, headers, { ...this.#options, route, onError });
      return;
    }
    const handler = this.#handlers.get(path);
    if (handler === undefined)
      return refuse(stream, new ConnectError(`no method ${path}`, Code.Unimplemented));
    this.#serveByRouter(handler, stream, { headers, rawHeaders });
  }

  /** False: refused. Many streams are no reason to leave questions unanswered, and the other way round. */
  #admit(stream: ServerHttp2Stream, kind: "streams" | "others"): boolean {
    const { maxStreamCalls, maxOtherCalls } = this.#options;
    if (this.#open[kind] >= (kind === "streams" ? maxStreamCalls : maxOtherCalls)) {
      refuse(stream, new ConnectError("too many calls at once", Code.ResourceExhausted));
      return false;
    }
    this.#open[kind]++;
    stream.once("close", () => this.#open[kind]--);
    return true;
  }

  #serveByRouter(
    handler: Handler,
    stream: ServerHttp2Stream,
    { headers, rawHeaders }: { headers: IncomingHttpHeaders; rawHeaders: string[] },
  ): void {
    // connect makes a URL of it, and throws if it cannot.
    headers[":authority"] = "localhost";
    const request = new Http2ServerRequest(stream, headers, {}, rawHeaders);
    const response = new Http2ServerResponse(stream);
    handler(universalRequestFromNodeRequest(request, response, undefined, undefined))
      .then((answer) => universalResponseToNodeResponse(answer, response))
      .catch((error: unknown) => {
        // The client went away meanwhile.
        if (ConnectError.from(error).code === Code.Aborted || stream.destroyed) return;
        this.#report(error, handler.requestPath);
        stream.close(2);
      });
  }

  #report(error: unknown, path: string): void {
    this.#options.onIncident({ message: `the call ${path} failed`, error });
  }
}

/** An HTTP status for what is not gRPC, an error for gRPC that we do not speak; undefined: a call. */
function refusalOf(headers: IncomingHttpHeaders): number | ConnectError | undefined {
  if (headers[":method"] !== "POST") return 405;
  const type = headers["content-type"] ?? "";
  if (!/^application\/grpc(\+proto)?(;|$)/.test(type)) return 415;
  const encoding = headers["grpc-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    return new ConnectError("compressed requests are not accepted", Code.Unimplemented);
  }
  return undefined;
}
