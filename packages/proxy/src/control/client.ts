// The agent's end of a proxy's control socket. It holds the state that the proxy is to have, so that whenever it
// connects again the proxy gets the whole of it first, and after it the moves that were not acknowledged.
import { connect, type Socket } from "node:net";
import type {
  FromProxy,
  ListenerProblem,
  ListenerRules,
  MovedConnection,
  ProxyRecord,
  ProxyStatus,
  ResolvedName,
  ToProxy,
} from "../model.ts";
import { LineReader } from "./lines.ts";
import { readFromProxy } from "./read-from-proxy.ts";

export type Hello = Extract<FromProxy, { kind: "hello" }>;

/** `sequence` and `kind` may be there: they are not looked at. */
export type ListenerUpdate = Omit<Extract<ToProxy, { kind: "apply" }>, "kind" | "sequence">;

export type ControlClientOptions = {
  readonly path: string;
  readonly onRecords?: (records: readonly ProxyRecord[], lost: number) => void;
  readonly onResolved?: (answers: readonly ResolvedName[]) => void;
  /** The proxy said hello: undefined when the connection is lost. */
  readonly onProxy?: (hello: Hello | undefined) => void;
  /** A connection that failed or a line that made no sense; it connects again by itself. */
  readonly onError?: (error: unknown) => void;
  readonly reconnect?: { readonly firstMs: number; readonly maxMs: number };
};

/** code: "control_closed". */
export class ControlClosedError extends Error {
  override readonly name = "ControlClosedError";
  readonly code = "control_closed";

  constructor(path: string) {
    super(`the control connection to ${path} is closed`);
  }
}

type Waiting = {
  readonly sequence: number;
  readonly ports: ReadonlySet<number> | undefined;
  readonly moved: readonly MovedConnection[] | undefined;
  readonly resolve: (problems: readonly ListenerProblem[]) => void;
  readonly reject: (error: Error) => void;
};

/** Releases are not worth a queue: an answer that is not released goes by itself soon. */
const maxQueuedReleaseBytes = 1024 * 1024;

export class ControlClient implements AsyncDisposable {
  readonly #options: ControlClientOptions;
  readonly #listeners = new Map<number, ListenerRules>();
  /** Whether `#listeners` is all that the proxy is to have; until then what it has besides stays. */
  #whole = false;
  /** Ports that are to go, as long as `#listeners` is not all. */
  readonly #removed = new Set<number>();
  #sequence = 0;
  #waiting: Waiting[] = [];
  #statusWaiting: { resolve(status: ProxyStatus): void; reject(error: Error): void }[] = [];
  #socket: Socket | undefined;
  #hello: Hello | undefined;
  #retry: NodeJS.Timeout | undefined;
  #delayMs: number;
  #closed = false;

  constructor(options: ControlClientOptions) {
    this.#options = options;
    this.#delayMs = options.reconnect?.firstMs ?? 20;
  }

  /** Connects, and goes on doing so until disposed of. */
  start(): void {
    if (this.#closed || this.#socket || this.#retry) return;
    const socket = connect(this.#options.path);
    this.#socket = socket;
    const lines = new LineReader();
    socket.on("error", (error) => this.#options.onError?.(error));
    socket.on("close", () => this.#lost(socket));
    socket.on("data", (chunk) => {
      try {
        for (const line of lines.push(chunk as Buffer)) this.#receive(readFromProxy(line));
      } catch (error) {
        this.#options.onError?.(error);
        socket.destroy();
      }
    });
  }

  /** What the connected proxy said of itself; undefined: not connected. */
  get hello(): Hello | undefined {
    return this.#hello;
  }

  /**
   * Changes what the proxy enforces: resolves when it does, over reconnects and restarts, with the listeners of this update
   * that do not. Until the first `whole` update, listeners that are not named are left as the proxy has them.
   * @throws ControlClosedError once disposed of
   */
  apply(update: ListenerUpdate): Promise<readonly ListenerProblem[]> {
    const { whole, listeners, removed } = update;
    if (whole) {
      this.#whole = true;
      this.#listeners.clear();
      this.#removed.clear();
    }
    for (const port of removed) {
      this.#listeners.delete(port);
      if (!this.#whole) this.#removed.add(port);
    }
    for (const listener of listeners) {
      this.#listeners.set(listener.port, listener);
      this.#removed.delete(listener.port);
    }
    return this.#send(new Set(listeners.map(({ port }) => port)), undefined, (sequence) => ({
      kind: "apply",
      sequence,
      whole,
      listeners,
      removed,
    }));
  }

  /** Resolves when the connections are held to their new rules. @throws ControlClosedError once disposed of */
  async move(connections: readonly MovedConnection[]): Promise<void> {
    if (connections.length === 0) return;
    await this.#send(undefined, connections, (sequence) => ({
      kind: "move",
      sequence,
      connections,
    }));
  }

  /** Lets answers go; without effect while there is no connection. */
  release(ids: readonly number[]): void {
    if (ids.length === 0 || (this.#socket?.writableLength ?? 0) > maxQueuedReleaseBytes) return;
    this.#write({ kind: "release", ids });
  }

  /** Has every name told anew; a proxy that connects later does that anyway. */
  forgetNames(): void {
    this.#write({ kind: "forget-names" });
  }

  /** @throws ControlClosedError without a connection, or when it is lost meanwhile */
  status(): Promise<ProxyStatus> {
    return new Promise((resolve, reject) => {
      if (!this.#hello) return reject(new ControlClosedError(this.#options.path));
      this.#statusWaiting.push({ resolve, reject });
      this.#write({ kind: "status" });
    });
  }

  /** Tells the proxy to end. */
  stopProxy(): void {
    this.#write({ kind: "stop" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    const error = new ControlClosedError(this.#options.path);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    const socket = this.#socket;
    if (!socket || socket.closed) return;
    await new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
      // What was written (a `stop`) still goes out.
      socket.destroySoon();
      setTimeout(() => socket.destroy(), 1_000).unref();
    });
  }

  #send(
    ports: ReadonlySet<number> | undefined,
    moved: readonly MovedConnection[] | undefined,
    message: (sequence: number) => ToProxy,
  ): Promise<readonly ListenerProblem[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new ControlClosedError(this.#options.path));
      const sequence = ++this.#sequence;
      this.#waiting.push({ sequence, ports, moved, resolve, reject });
      this.#write(message(sequence));
    });
  }

  /** Before its hello, a proxy is told nothing: everything goes then. */
  #write(message: ToProxy): void {
    if (this.#hello) this.#socket?.write(`${JSON.stringify(message)}\n`);
  }

  #receive(message: FromProxy): void {
    switch (message.kind) {
      case "hello":
        return this.#greeted(message);
      case "applied":
        return this.#applied(message.sequence, message.problems);
      case "records":
        return this.#options.onRecords?.(message.records, message.lost ?? 0);
      case "resolved":
        return this.#options.onResolved?.(message.answers);
      case "status":
        return this.#statusWaiting.shift()?.resolve(message.status);
    }
  }

  #greeted(hello: Hello): void {
    this.#hello = hello;
    this.#delayMs = this.#options.reconnect?.firstMs ?? 20;
    this.#sendAll();
    this.#options.onProxy?.(hello);
  }

  /** The whole state, which acknowledges all updates so far, and then the moves that are still open. */
  #sendAll(): void {
    const moves = this.#waiting.filter(({ moved }) => moved !== undefined);
    const updates = this.#waiting.filter(({ moved }) => moved === undefined);
    const sequence = ++this.#sequence;
    if (this.#whole || updates.length > 0 || this.#listeners.size > 0) {
      const listeners = [...this.#listeners.values()];
      const removed = [...this.#removed];
      this.#write({ kind: "apply", sequence, whole: this.#whole, listeners, removed });
    }
    this.#waiting = [
      ...updates.map((waiting) => ({ ...waiting, sequence })),
      ...moves.map((waiting) => ({ ...waiting, sequence: ++this.#sequence })),
    ];
    for (const { sequence: number, moved } of this.#waiting)
      if (moved) this.#write({ kind: "move", sequence: number, connections: moved });
  }

  #applied(sequence: number, problems: readonly ListenerProblem[]): void {
    while (this.#waiting[0] && this.#waiting[0].sequence <= sequence) {
      const { ports, resolve } = this.#waiting.shift() as Waiting;
      resolve(problems.filter(({ port }) => ports?.has(port)));
    }
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return;
    const had = this.#hello;
    this.#socket = undefined;
    this.#hello = undefined;
    const error = new ControlClosedError(this.#options.path);
    for (const { reject } of this.#statusWaiting.splice(0)) reject(error);
    if (had) this.#options.onProxy?.(undefined);
    if (this.#closed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.start();
    }, this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, this.#options.reconnect?.maxMs ?? 1_000);
  }
}
