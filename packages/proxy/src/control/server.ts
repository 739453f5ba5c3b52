// The proxy's end of the control socket. One agent at a time: a new one takes the place of the one before.
//
//   agent ==connect==> hello, names, records; then apply, move, release, status <-> applied, resolved, records, status
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type {
  FromProxy,
  ListenerProblem,
  ProxyRecord,
  ProxyStatus,
  ResolvedName,
} from "../model.ts";
import { LineReader, maxLineBytes } from "./lines.ts";
import { Outbox, type OutboxLimits } from "./outbox.ts";
import { readToProxy, type ReceivedToProxy } from "./read-to-proxy.ts";

export type ControlServerOptions = {
  /** Of the socket; whatever is there is replaced. */
  readonly path: string;
  readonly hello: () => Omit<Extract<FromProxy, { kind: "hello" }>, "kind">;
  /** In the order sent. What it throws ends the connection, and the agent starts over with its whole state. */
  readonly receive: (message: ReceivedToProxy) => void;
  /** An agent came (after `hello` went out) or went. */
  readonly onAgent?: (connected: boolean) => void;
  readonly onError?: (error: unknown) => void;
  readonly limits?: Partial<OutboxLimits>;
};

/** Characters; each has three bytes at most. */
const longestToldLine = maxLineBytes / 4;
/** Records are told this much later at most, so that many go at once. */
const recordDelayMs = 20;

export class ControlServer implements AsyncDisposable {
  readonly outbox: Outbox;
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  #agent: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #blocked = false;

  private constructor(options: ControlServerOptions) {
    this.#options = options;
    this.outbox = new Outbox({ maxRecords: 16_384, maxNames: 16_384, ...options.limits });
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listens; only the user that this process is at that moment may connect (0600). @throws Error EADDRINUSE, EACCES, ... */
  static async listen(options: ControlServerOptions): Promise<ControlServer> {
    const control = new ControlServer(options);
    rmSync(options.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      control.#server.once("error", reject).once("listening", resolve);
      // The socket is made within listen(): there is no moment at which others could connect.
      const before = process.umask(0o177);
      try {
        control.#server.listen(options.path);
      } finally {
        process.umask(before);
      }
    });
    control.#server.removeAllListeners("error").on("error", (error) => options.onError?.(error));
    chmodSync(options.path, 0o600);
    return control;
  }

  /** Whether an agent listens. */
  get connected(): boolean {
    return this.#agent !== undefined;
  }

  /** Everything up to this sequence number is in force. */
  acknowledge(sequence: number, problems: readonly ListenerProblem[] = []): void {
    this.#write({ kind: "applied", sequence, problems });
  }

  sendStatus(status: ProxyStatus): void {
    this.#write({ kind: "status", status });
  }

  /** Told within some milliseconds, with others. */
  addRecord(record: ProxyRecord): void {
    this.outbox.addRecord(record);
    if (this.#agent) this.#timer ??= setTimeout(() => this.flush(), recordDelayMs).unref();
  }

  /** Told at the next `flushNames` or `flush`. */
  addName(name: ResolvedName): void {
    this.outbox.addName(name);
  }

  /** Tells what is to be told, as far as the agent takes it. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#agent && !this.#blocked) {
      const message = this.outbox.next();
      if (!message) return;
      this.#blocked = !this.#tell(message);
    }
  }

  /** Tells what somebody waits for, if anything: for calling after every piece of work. */
  flushNames(): void {
    if (this.outbox.hasNames) this.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#agent?.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** In as many lines as it takes: what strangers sent may make the agent take none for too long. */
  #tell(message: FromProxy): boolean {
    const line = JSON.stringify(message);
    const parts = line.length > longestToldLine ? halves(message) : [];
    if (parts.length === 0) return this.#agent?.write(`${line}\n`) ?? false;
    return parts.map((part) => this.#tell(part)).at(-1) ?? false;
  }

  #write(message: FromProxy): boolean {
    return this.#agent?.write(`${JSON.stringify(message)}\n`) ?? false;
  }

  #accept(socket: Socket): void {
    const before = this.#agent;
    if (before) {
      this.#gone(before);
      before.destroy();
    }
    this.#agent = socket;
    this.#blocked = false;
    this.outbox.forgetIds();
    const lines = new LineReader();
    socket.on("error", (error) => this.#options.onError?.(error));
    socket.on("close", () => this.#gone(socket));
    socket.on("drain", () => {
      if (this.#agent !== socket) return;
      this.#blocked = false;
      this.flush();
    });
    socket.on("data", (chunk) => {
      try {
        for (const line of lines.push(chunk as Buffer)) {
          if (this.#agent !== socket) return;
          this.#options.receive(readToProxy(line));
        }
      } catch (error) {
        this.#options.onError?.(error);
        socket.destroy();
      }
    });
    this.#write({ kind: "hello", ...this.#options.hello() });
    this.#options.onAgent?.(true);
    this.flush();
  }

  #gone(socket: Socket): void {
    if (this.#agent !== socket) return;
    this.#agent = undefined;
    this.#options.onAgent?.(false);
  }
}

/** None of what cannot be told in parts. */
function halves(message: FromProxy): readonly FromProxy[] {
  const half = <Item>(items: readonly Item[]) => Math.ceil(items.length / 2);
  if (message.kind === "resolved" && message.answers.length > 1) {
    const { answers } = message;
    return [answers.slice(0, half(answers)), answers.slice(half(answers))].map((part) => ({
      kind: "resolved",
      answers: part,
    }));
  }
  if (message.kind === "records" && message.records.length > 1) {
    const { records } = message;
    return [
      { ...message, records: records.slice(0, half(records)) },
      { kind: "records", records: records.slice(half(records)) },
    ];
  }
  return [];
}
