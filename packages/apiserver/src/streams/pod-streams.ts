// The subresources of a pod that are streams: log, exec, attach, portforward. The API server knows who may and which pod is
// meant; the node's kubelet does the rest, over a local socket.
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { createWebSocketStream } from "ws";
import { ApiError, badRequest, notFound } from "../errors.ts";
import type { ApiObject } from "../objects/object.ts";
import type { Store } from "../store/store.ts";
import { placeOf, type Target } from "../verbs/target.ts";
import { channelProtocol, framedPeer } from "./channel-frames.ts";
import { type ChannelName, type ChannelPeer, join } from "./channels.ts";
import { checkNotOver, containerOf, nodeOf } from "./containers.ts";
import { askKubelet, type KubeletCall, type KubeletSocket, upgradeAtKubelet } from "./kubelet.ts";
import { forwardPorts, portForwardProtocol, tunnelProtocol } from "./port-forward.ts";
import { spdyChannels } from "./spdy-channels.ts";
import { upgradeToSpdy, upgradeToWebSocket, wantsWebSocket } from "./upgrade.ts";
import { firstReadable, webSocketChannels } from "./websocket-channels.ts";

/** Only version 4 tells an exit status as kubectl reads it; every client since Kubernetes 1.5 offers it. */
const spdyProtocols = ["v4.channel.k8s.io"] as const;

export const streamSubresources = ["log", "exec", "attach", "portforward"] as const;
export type StreamSubresource = (typeof streamSubresources)[number];

export function isStream(subresource: string | undefined): subresource is StreamSubresource {
  return (streamSubresources as readonly (string | undefined)[]).includes(subresource);
}

export type StreamExchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
};

export type PodStreamsOptions = {
  readonly store: Store;
  /** Absent: no kubelet can be reached, and every stream is refused. */
  readonly kubelet?: KubeletSocket | undefined;
};

export class PodStreams {
  readonly #options: PodStreamsOptions;
  readonly #stop = new AbortController();

  constructor(options: PodStreamsOptions) {
    this.#options = options;
  }

  /** Ends every stream. */
  stop(): void {
    this.#stop.abort();
  }

  /**
   * Serves a request to its end.
   * @throws ApiError what is refused; nothing has been sent then
   */
  async answer(target: Target, exchange: StreamExchange): Promise<void> {
    const pod = this.#pod(target);
    switch (target.subresource as StreamSubresource) {
      case "log":
        return this.#log(pod, exchange);
      case "exec":
      case "attach":
        return this.#command(pod, target.subresource as "exec" | "attach", exchange);
      case "portforward":
        return this.#forward(pod, exchange);
    }
  }

  async #log(pod: ApiObject, exchange: StreamExchange): Promise<void> {
    const { request, response, query } = exchange;
    const container = containerOf(pod, query.get("container"));
    const options = logOptions(query);
    const call = this.#call(pod, { path: `/logs/${uidOf(pod)}/${container}`, query: options });
    await this.#whileThere(request, async (signal) => {
      const log = await askKubelet({ ...call, signal });
      response.writeHead(200, {
        "Content-Type": "text/plain",
        "Cache-Control": "no-cache, private",
      });
      // The client is to see that it is being followed, also before there is a line.
      response.flushHeaders();
      return () => pipeline(log, response).catch(() => void response.destroy());
    });
  }

  async #command(pod: ApiObject, what: "exec" | "attach", exchange: StreamExchange): Promise<void> {
    const { request, query } = exchange;
    const wanted = wantedChannels(query);
    if (what === "exec" && query.getAll("command").length === 0)
      throw badRequest("you must specify at least 1 command for the container");
    checkNotOver(pod);
    const container = containerOf(pod, query.get("container"));
    const options = commandOptions(query, wanted);
    const call = this.#call(pod, { path: `/${what}/${uidOf(pod)}/${container}`, query: options });
    await this.#whileThere(request, async (signal) => {
      const kubelet = await upgradeAtKubelet({ ...call, signal }, channelProtocol);
      const leave = () => kubelet.destroy();
      signal.addEventListener("abort", leave, { once: true });
      try {
        const client = await clientChannels(exchange, wanted);
        return () => join(client, framedPeer(kubelet));
      } catch (error) {
        leave();
        throw error;
      }
    });
  }

  async #forward(pod: ApiObject, exchange: StreamExchange): Promise<void> {
    const { request } = exchange;
    const call = this.#call(pod, { path: `/portforward/${uidOf(pod)}` });
    await this.#whileThere(request, async (signal) => {
      const socket = wantsWebSocket(request)
        ? createWebSocketStream(await upgradeToWebSocket(exchange, [tunnelProtocol]))
        : upgradeToSpdy(exchange, [portForwardProtocol]);
      const leave = () => socket.destroy();
      socket.on("error", leave);
      signal.addEventListener("abort", leave, { once: true });
      return () =>
        forwardPorts(socket, (port, until) =>
          upgradeAtKubelet({ ...call, path: `${call.path}/${port}`, signal: until }, "tcp"),
        );
    });
  }

  #pod(target: Target): ApiObject {
    const stored = this.#options.store.get(placeOf(target));
    if (!stored) throw notFound(target.kind, target.name);
    return JSON.parse(stored.json) as ApiObject;
  }

  #call(
    pod: ApiObject,
    call: Pick<KubeletCall, "path"> & { readonly query?: URLSearchParams },
  ): Omit<KubeletCall, "signal"> {
    const node = nodeOf(pod);
    const socketPath = this.#options.kubelet?.(node);
    if (socketPath !== undefined) return { ...call, socketPath };
    throw new ApiError(
      503,
      "ServiceUnavailable",
      `the kubelet of node ${JSON.stringify(node)} cannot be reached from this API server`,
    );
  }

  /**
   * Waits for what may still be refused, and lets the stream that begins then go on by itself: a stream may last for days,
   * and is no request in work for as long.
   * @param begin its signal aborts when the client leaves or the server stops; what it answers never rejects
   */
  async #whileThere(
    { socket }: IncomingMessage,
    begin: (signal: AbortSignal) => Promise<() => Promise<void>>,
  ): Promise<void> {
    const life = new AbortController();
    const abort = () => life.abort();
    socket.once("close", abort);
    this.#stop.signal.addEventListener("abort", abort, { once: true });
    const over = () => {
      socket.off("close", abort);
      this.#stop.signal.removeEventListener("abort", abort);
    };
    try {
      const stream = await begin(life.signal);
      void stream().finally(over);
    } catch (error) {
      over();
      throw error;
    }
  }
}

async function clientChannels(
  exchange: StreamExchange,
  wanted: ReadonlySet<ChannelName>,
): Promise<ChannelPeer> {
  if (!wantsWebSocket(exchange.request))
    return spdyChannels(upgradeToSpdy(exchange, spdyProtocols), wanted);
  return webSocketChannels(await upgradeToWebSocket(exchange), firstReadable(wanted));
}

function uidOf(pod: ApiObject): string {
  return pod.metadata.uid ?? "";
}

function isSet(query: URLSearchParams, name: string): boolean {
  return ["true", "1"].includes(query.get(name) ?? "");
}

/** @throws ApiError BadRequest for a command that nobody would hear of */
function wantedChannels(query: URLSearchParams): ReadonlySet<ChannelName> {
  const wanted = new Set<ChannelName>(["error"]);
  const tty = isSet(query, "tty");
  for (const name of ["stdin", "stdout", "stderr"] as const)
    // A terminal has one output.
    if (isSet(query, name) && !(tty && name === "stderr")) wanted.add(name);
  if (wanted.size === 1) throw badRequest("you must specify at least 1 of stdin, stdout, stderr");
  if (tty) wanted.add("resize");
  return wanted;
}

function commandOptions(query: URLSearchParams, wanted: ReadonlySet<ChannelName>): URLSearchParams {
  const options = new URLSearchParams();
  for (const word of query.getAll("command")) options.append("command", word);
  for (const name of ["stdin", "stdout", "stderr"] as const)
    if (wanted.has(name)) options.set(name, "true");
  if (isSet(query, "tty")) options.set("tty", "true");
  return options;
}

/** @throws ApiError Invalid values, as Kubernetes judges PodLogOptions */
function logOptions(query: URLSearchParams): URLSearchParams {
  const options = new URLSearchParams();
  for (const name of ["follow", "previous", "timestamps"])
    if (isSet(query, name)) options.set(name, "true");
  for (const [name, least] of [
    ["tailLines", 0],
    ["limitBytes", 1],
    ["sinceSeconds", 1],
  ] as const) {
    const text = query.get(name);
    if (text === null || text === "") continue;
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least)
      throw badRequest(
        `${name}: Invalid value: ${text}: must be ${least === 0 ? "greater than or equal to" : "greater than"} 0`,
      );
    options.set(name, text);
  }
  const since = query.get("sinceTime");
  if (since) {
    if (Number.isNaN(Date.parse(since))) throw badRequest(`sinceTime: Invalid value: ${since}`);
    if (options.has("sinceSeconds"))
      throw badRequest("at most one of `sinceTime` or `sinceSeconds` may be specified");
    options.set("sinceTime", since);
  }
  return options;
}
