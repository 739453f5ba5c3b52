// The agent's end of Envoy's socket: ADS and the access log service (ALS), gRPC over HTTP/2 on a unix socket.
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { chmodSync, chownSync, rmSync } from "node:fs";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import {
  AccessLogService,
  type StreamAccessLogsMessage,
} from "../gen/envoy/service/accesslog/v3/als_pb.ts";
import { AggregatedDiscoveryService } from "../gen/envoy/service/discovery/v3/ads_pb.ts";
import type { Ads } from "./ads.ts";

export type XdsServerOptions = {
  /** In a folder that nobody but this process's user can write to. Whatever is there is replaced. */
  readonly path: string;
  /** Who may connect, with root. Default: this process's user. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly ads: Ads;
  readonly onAccessLog?: (logName: string, message: StreamAccessLogsMessage) => void;
};

/** Of one request. An error that Envoy tells is the largest thing in there. */
const readMaxBytes = 4 << 20;
/** Of one answer: all routes of all listeners. */
const writeMaxBytes = 64 << 20;
/** Each listener's access log is a stream of its own. */
const maxConcurrentStreams = 2048;

export class XdsServer implements AsyncDisposable {
  readonly #server: Http2Server;
  readonly #path: string;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #shutdown = new AbortController();

  private constructor({ path, ads, onAccessLog }: XdsServerOptions) {
    this.#path = path;
    const shutdown = this.#shutdown.signal;
    const routes = (router: ConnectRouter) => {
      router.service(AggregatedDiscoveryService, {
        streamAggregatedResources: (requests, { signal }) =>
          ads.serve(requests, AbortSignal.any([signal, shutdown])),
      });
      router.service(AccessLogService, {
        async streamAccessLogs(messages) {
          // Only the first message of a stream names the log.
          let logName = "";
          for await (const message of messages) {
            logName = message.identifier?.logName ?? logName;
            onAccessLog?.(logName, message);
          }
          return {};
        },
      });
    };
    const adapter = connectNodeAdapter({
      routes,
      grpc: true,
      grpcWeb: false,
      connect: false,
      acceptCompression: [],
      readMaxBytes,
      writeMaxBytes,
      shutdownSignal: shutdown,
    });
    this.#server = createServer(
      { settings: { maxConcurrentStreams }, maxSessionMemory: 256 },
      adapter,
    );
    this.#server.on("session", (session) => {
      this.#sessions.add(session);
      session.on("error", () => undefined).once("close", () => this.#sessions.delete(session));
    });
    this.#server.on("sessionError", () => undefined);
  }

  /** Resolves when it listens; the socket's mode is 0600. @throws Error of the file system */
  static async listen(options: XdsServerOptions): Promise<XdsServer> {
    const xds = new XdsServer(options);
    const { path, owner } = options;
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      xds.#server.once("error", reject).once("listening", resolve);
      // The socket is made within listen(): there is no moment at which others could connect.
      const before = process.umask(0o177);
      try {
        xds.#server.listen(path);
      } finally {
        process.umask(before);
      }
    });
    xds.#server.removeAllListeners("error").on("error", () => undefined);
    chmodSync(path, 0o600);
    if (owner) chownSync(path, owner.uid, owner.gid);
    return xds;
  }

  /** Ends every stream; Envoy goes on with what it has and comes back. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#shutdown.signal.aborted) return;
    this.#shutdown.abort(new ConnectError("the agent ends", Code.Unavailable));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // Streams that were told their end get it out.
    await new Promise((resolve) => setImmediate(resolve));
    for (const session of this.#sessions) session.close();
    const impatience = setTimeout(() => {
      for (const session of this.#sessions) session.destroy();
    }, 500);
    await closed;
    clearTimeout(impatience);
    rmSync(this.#path, { force: true });
  }
}
