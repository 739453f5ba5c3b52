// What a kubelet serves beside its pods: their logs, commands in them, connections to them. On a unix socket of mode 0600,
// for the API server of this machine, which has asked who may.
//
//   GET /logs/UID/CONTAINER?follow=true&...         the text
//   GET /exec/UID/CONTAINER?command=...&tty=true    upgrade to `tsilium-channels.v1`
//   GET /attach/UID/CONTAINER                       the same
//   GET /portforward/UID/PORT                       upgrade to `tcp`
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { channelProtocol } from "@tsilium/apiserver/streams.ts";
import { readLog } from "../container-log.ts";
import { runCommand } from "./command.ts";
import { connectToPod } from "./connect.ts";
import { logOptionsOf, attachToLog } from "./log.ts";
import { type PodHandle, StreamRefusal } from "./pod-handle.ts";

export class StreamServer implements Disposable {
  readonly #server: Server;
  readonly #path: string;
  readonly #find: (uid: string) => PodHandle | undefined;
  readonly #stop = new AbortController();

  private constructor(path: string, find: (uid: string) => PodHandle | undefined) {
    this.#path = path;
    this.#find = find;
    this.#server = createServer({ requestTimeout: 10_000 });
    this.#server.on("request", (request, response) => void this.#answer(request, response));
    this.#server.on("upgrade", (request, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      socket.on("error", () => socket.destroy());
      void this.#upgrade(request, socket);
    });
  }

  /**
   * Listens, in place of whatever was there: whoever may make a lab of this name is its only kubelet.
   * @param find a pod that this kubelet runs, by its UID
   */
  static async listen(
    path: string,
    find: (uid: string) => PodHandle | undefined,
  ): Promise<StreamServer> {
    const server = new StreamServer(path, find);
    rmSync(path, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.#server.once("error", reject);
    // The mode must be right from the first moment, so it is the mask that makes it.
    const mask = process.umask(0o177);
    try {
      server.#server.listen(path, resolve);
    } finally {
      process.umask(mask);
    }
    await promise;
    chmodSync(path, 0o600);
    return server;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#server.close();
    this.#server.closeAllConnections();
    rmSync(this.#path, { force: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.#stop.signal]);
    try {
      const { what, pod, rest, query } = this.#read(request);
      if (what !== "logs") throw new StreamRefusal(400, "Upgrade request required");
      const { path, ended } = pod.log(rest, query.get("previous") === "true");
      const text = readLog(path, logOptionsOf(query), { signal, ended });
      response.writeHead(200, { "Content-Type": "text/plain" });
      response.flushHeaders();
      await pipeline(text, response);
    } catch (error) {
      if (response.headersSent || response.destroyed) return void response.destroy();
      const { status, message } = refusalOf(error);
      response.writeHead(status, { "Content-Type": "text/plain" });
      response.end(message);
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex): Promise<void> {
    const gone = new AbortController();
    socket.once("close", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.#stop.signal]);
    signal.addEventListener("abort", () => socket.destroy(), { once: true });
    try {
      const { what, pod, rest, query } = this.#read(request);
      if (what === "portforward") {
        const target = await connectToPod(pod, Number(rest), signal);
        switchTo("tcp", socket);
        await Promise.allSettled([pipeline(socket, target), pipeline(target, socket)]);
        return;
      }
      if (what === "exec") {
        const command = runCommand(pod, { container: rest, query });
        switchTo(channelProtocol, socket);
        return await command(socket, signal);
      }
      if (what !== "attach") throw new StreamRefusal(404, "no such stream");
      const log = pod.log(rest, false);
      if (!pod.init(rest)) throw new StreamRefusal(404, `container not found ("${rest}")`);
      switchTo(channelProtocol, socket);
      await attachToLog(log, { socket, signal });
    } catch (error) {
      if (!socket.writable) return;
      const { status, message } = refusalOf(error);
      socket.end(
        `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
      );
    }
  }

  #read(request: IncomingMessage): {
    readonly what: string;
    readonly pod: PodHandle;
    /** A container's name, or a port. */
    readonly rest: string;
    readonly query: URLSearchParams;
  } {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://kubelet");
    const [, what = "", uid = "", rest = ""] = pathname.split("/");
    const pod = this.#find(uid);
    if (!pod) throw new StreamRefusal(404, "the pod is not run by this kubelet, or not yet");
    return { what, pod, rest, query: searchParams };
  }
}

function switchTo(protocol: string, socket: Duplex): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
  );
}

function refusalOf(error: unknown): { readonly status: number; readonly message: string } {
  if (error instanceof StreamRefusal) return error;
  return { status: 500, message: (error as Error).message };
}
