// One connection of a client: its queries judged one by one, those allowed sent on over one connection to the server that
// it asked. Answers come in whatever order the server has them (RFC 7766). What the server does to its connection is
// done to the client's.
import type { Socket } from "node:net";
import {
  type Answer,
  type Decide,
  type Decision,
  type DnsProxyLimits,
  NameReader,
  type Query,
  rcode,
  readAnswer,
  readQuery,
  writeBareRefusal,
  writeRefusal,
} from "@tsilium/dns";
import { randomInt } from "node:crypto";
import type { Address } from "@tsilium/net";
import type { AnswerGate } from "../answer-gate.ts";
import type { Clock } from "../clock.ts";
import type { Counters } from "../counters.ts";
import type { Conversation, End, Reporter } from "../reporter.ts";
import { type Taker, type Turns, windowMs } from "../turns.ts";
import { frame, FrameReader } from "./frames.ts";
import { connectFrom } from "./sockets.ts";

const IPPROTO_TCP = 6;
/** Queries of one connection that wait for answers; then no more are read. */
const maxPending = 256;
/** Queries that are looked at before others have their turn: of one connection, and of the loop's other sockets. */
const queriesAtOnce = 64;
/** A question, EDNS options and a signature have room in it. */
const longestQuery = 4_096;
/** Bytes that wait for a side that does not read; then no more are read from the other. */
const maxQueuedBytes = 256 * 1024;

export type ConnectionOptions = {
  readonly limits: DnsProxyLimits;
  readonly rejectCode: number;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly reporter: Reporter;
  readonly gate: AnswerGate;
  readonly turns: Turns;
  readonly decideFor: (port: number) => Decide;
  readonly afterTurn: () => void;
};

export type ConnectionEnds = {
  readonly client: { readonly address: Address; readonly port: number };
  readonly server: { readonly address: Address; readonly port: number };
  readonly listenerPort: number;
  /** The client, with its other connections. */
  readonly taker: Taker;
};

type Pending = {
  readonly query: Query;
  readonly decision: Decision;
  /** The rules that it was asked under. */
  readonly decide: Decide;
  readonly learns: boolean;
  readonly startMs: number;
};

export class Connection {
  /** Whose rules hold from the next query on; 0: none. */
  rulesPort: number;
  readonly #socket: Socket;
  readonly #ends: ConnectionEnds;
  readonly #options: ConnectionOptions;
  readonly #names = new NameReader();
  readonly #pending = new Map<number, Pending>();
  readonly #client: End;
  readonly #server: End;
  #upstream: Socket | undefined;
  /** Queries that have come and were not looked at yet. */
  #queries: Buffer[] = [];
  #next: NodeJS.Immediate | NodeJS.Timeout | undefined;
  /** Answers that are held. */
  #held = 0;
  #clientDone = false;

  constructor(socket: Socket, ends: ConnectionEnds, options: ConnectionOptions) {
    this.#socket = socket;
    this.#ends = ends;
    this.#options = options;
    this.rulesPort = ends.listenerPort;
    this.#client = { address: ends.client.address.toString(), port: ends.client.port };
    this.#server = { address: ends.server.address.toString(), port: ends.server.port };
    const frames = new FrameReader(longestQuery);
    socket.setNoDelay(true);
    socket.setTimeout(options.limits.idleTimeoutMs, () => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#queries = [];
      this.#upstream?.destroy();
    });
    socket.on("data", (chunk: Buffer) => {
      const messages = frames.push(chunk);
      if (!messages) {
        options.counters.malformedQueries++;
        socket.destroy();
        return;
      }
      this.#queries = this.#queries.concat(messages);
      this.#work();
    });
    socket.on("drain", () => this.#balance());
    socket.on("end", () => {
      this.#clientDone = true;
      this.#endIfDone();
    });
  }

  get key(): string {
    return connectionKey(this.#client, this.#server);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** What is to be done after something came. */
  #work(): void {
    // Looked at later already: not before.
    if (!this.#next) this.#takeQueries();
    this.#options.afterTurn();
    this.#balance();
    this.#endIfDone();
  }

  /** As far as it is this client's turn. */
  #takeQueries(): void {
    const { turns } = this.#options;
    const nowMs = performance.now();
    let count = 0;
    while (count < this.#queries.length && this.#pending.size < maxPending) {
      const isTurn = count < queriesAtOnce && turns.take(this.#ends.taker, nowMs);
      if (!isTurn) {
        this.#workLater(count === queriesAtOnce ? 0 : windowMs);
        break;
      }
      this.#take(this.#queries[count++] as Buffer);
      if (this.#socket.destroyed) count = this.#queries.length;
    }
    this.#queries = this.#queries.slice(count);
  }

  #workLater(afterMs: number): void {
    const work = () => {
      this.#next = undefined;
      this.#work();
    };
    this.#next = afterMs === 0 ? setImmediate(work) : setTimeout(work, afterMs);
  }

  #take(message: Buffer): void {
    const { counters, decideFor, reporter, rejectCode } = this.#options;
    const query = readQuery(message, message.length, this.#names);
    if (query === "ignored") {
      // What sends this is no client of DNS.
      counters.ignoredMessages++;
      this.#socket.destroy();
      return;
    }
    if (typeof query === "string") {
      if (query === "malformed") counters.malformedQueries++;
      else counters.refusedQueries++;
      const code = query === "malformed" ? rcode.formatError : rcode.refused;
      this.#reply(writeBareRefusal(message, code));
      return;
    }
    const nowMs = performance.now();
    const decide = decideFor(this.rulesPort);
    const decision = decide(query.name);
    const question = { name: query.name, type: query.type, nowMs };
    if (decision.verdict === "denied") {
      counters.denied++;
      this.#reply(writeRefusal(query, message, rejectCode));
      reporter.request(this.#conversation(), question, decision);
      return;
    }
    if (!this.#forward(message, query, { decide, decision, nowMs })) {
      counters.errors++;
      this.#reply(writeRefusal(query, message, rcode.serverFailure));
      reporter.request(this.#conversation(), question, { verdict: "error", rule: decision.rule });
      return;
    }
    counters.forwarded++;
    reporter.request(this.#conversation(), question, decision);
  }

  #forward(
    message: Buffer,
    query: Query,
    { decide, decision, nowMs }: Pick<Pending, "decide" | "decision"> & { readonly nowMs: number },
  ): boolean {
    const upstream = this.#upstream ?? this.#connect();
    if (!upstream) return false;
    let id = randomInt(65_536);
    while (this.#pending.has(id)) id = randomInt(65_536);
    // What is let through for an audit only, or by no rules, was allowed by nobody.
    const learns = decision.verdict === "forwarded" && this.rulesPort !== 0;
    this.#pending.set(id, { query, decide, decision, learns, startMs: nowMs });
    const framed = frame(message);
    framed.writeUInt16BE(id, 2);
    upstream.write(framed);
    return true;
  }

  #connect(): Socket | undefined {
    const { client, server } = this.#ends;
    let upstream: Socket;
    try {
      upstream = connectFrom(client.address, server);
    } catch {
      return undefined;
    }
    const frames = new FrameReader();
    upstream.setNoDelay(true);
    upstream.setTimeout(this.#options.limits.queryTimeoutMs, () => {
      if (this.#pending.size > 0) upstream.destroy();
    });
    upstream.on("error", () => {});
    upstream.on("drain", () => this.#balance());
    upstream.on("data", (chunk: Buffer) => {
      for (const message of frames.push(chunk) ?? []) this.#answer(message);
      this.#work();
    });
    // The server has no more to say: neither have we, once what is held is out.
    upstream.on("close", () => {
      if (this.#pending.size > 0) this.#options.counters.errors += this.#pending.size;
      this.#pending.clear();
      this.#queries = [];
      this.#clientDone = true;
      this.#endIfDone();
    });
    this.#upstream = upstream;
    return upstream;
  }

  #answer(message: Buffer): void {
    const { counters } = this.#options;
    const id = message.length < 2 ? -1 : message.readUInt16BE(0);
    const pending = this.#pending.get(id);
    const answer = pending && readAnswer(message, message.length, pending.query, this.#names);
    if (!pending || !answer) {
      if (pending) counters.mismatchedAnswers++;
      else counters.unexpectedAnswers++;
      return;
    }
    this.#pending.delete(id);
    this.#options.turns.charge(this.#ends.taker, message.length);
    message.writeUInt16BE(pending.query.id, 0);
    this.#answered(message, pending, answer);
  }

  #answered(message: Buffer, pending: Pending, answer: Answer): void {
    const { counters, clock, gate, reporter } = this.#options;
    const { query, decide, decision, learns, startMs } = pending;
    const { name, type } = query;
    if (answer.malformed) counters.malformedAnswers++;
    const nowMs = performance.now();
    const latencyNs = Math.round((nowMs - startMs) * 1_000_000);
    const question = { name, type, latencyNs, nowMs, decision };
    reporter.response(this.#conversation(), question, answer);
    const asked = {
      name,
      client: this.#client.address,
      atMs: clock.unixMs(nowMs),
      mayAsk: (alias: string) => decide(alias).verdict === "forwarded",
    };
    const id = learns ? gate.admit(asked, answer) : 0;
    if (id === 0) return this.#reply(message);
    this.#held++;
    const send = () => {
      this.#held--;
      this.#reply(message);
      this.#endIfDone();
    };
    gate.hold(id, asked, { addresses: answer.addresses, send });
  }

  #reply(message: Buffer): void {
    if (this.#socket.writable) this.#socket.write(frame(message));
  }

  /** Reads from each side what the other can take. */
  #balance(): void {
    const upstream = this.#upstream;
    const full =
      this.#queries.length > 0 ||
      this.#pending.size >= maxPending ||
      this.#socket.writableLength > maxQueuedBytes ||
      (upstream?.writableLength ?? 0) > maxQueuedBytes;
    if (full) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
    if (!upstream) return;
    if (this.#socket.writableLength > maxQueuedBytes) upstream.pause();
    else if (upstream.isPaused()) upstream.resume();
  }

  #endIfDone(): void {
    const isDone = this.#queries.length === 0 && this.#pending.size === 0 && this.#held === 0;
    if (this.#clientDone && isDone) this.#socket.end();
  }

  #conversation(): Conversation {
    return {
      listenerPort: this.#ends.listenerPort,
      protocol: IPPROTO_TCP,
      client: this.#client,
      server: this.#server,
    };
  }
}

type KeyEnd = { readonly address: Address | string; readonly port: number };

/** What a connection is told apart by: its ends. */
export function connectionKey(client: KeyEnd, server: KeyEnd): string {
  return `${client.address} ${client.port} ${server.address} ${server.port}`;
}
