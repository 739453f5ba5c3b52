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
import { frame, FrameReader } from "./frames.ts";
import { connectFrom } from "./sockets.ts";

const IPPROTO_TCP = 6;
/** Queries of one connection that wait for answers; then no more are read. */
const maxPending = 256;
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
  readonly decideFor: (port: number) => Decide;
  readonly afterTurn: () => void;
};

export type ConnectionEnds = {
  readonly client: { readonly address: Address; readonly port: number };
  readonly server: { readonly address: Address; readonly port: number };
  readonly listenerPort: number;
};

type Pending = {
  readonly query: Query;
  readonly decision: Decision;
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
    socket.on("close", () => this.#upstream?.destroy());
    socket.on("data", (chunk: Buffer) => {
      const messages = frames.push(chunk);
      if (!messages) {
        options.counters.malformedQueries++;
        socket.destroy();
        return;
      }
      for (const message of messages) this.#take(message);
      this.#options.afterTurn();
      this.#balance();
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
    const decision = decideFor(this.rulesPort)(query.name);
    const question = { name: query.name, type: query.type, nowMs };
    if (decision.verdict === "denied") {
      counters.denied++;
      this.#reply(writeRefusal(query, message, rejectCode));
      reporter.request(this.#conversation(), question, decision);
      return;
    }
    if (!this.#forward(message, query, { decision, nowMs })) {
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
    { decision, nowMs }: { readonly decision: Decision; readonly nowMs: number },
  ): boolean {
    // Chunks may hold more queries than are read for: the connection stops, these few are kept.
    if (this.#pending.size >= 16 * maxPending) {
      this.#options.counters.overloads++;
      return false;
    }
    const upstream = this.#upstream ?? this.#connect();
    if (!upstream) return false;
    let id = randomInt(65_536);
    while (this.#pending.has(id)) id = randomInt(65_536);
    // What is let through for an audit only, or by no rules, was allowed by nobody.
    const learns = decision.verdict === "forwarded" && this.rulesPort !== 0;
    this.#pending.set(id, { query, decision, learns, startMs: nowMs });
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
      this.#options.afterTurn();
      this.#balance();
      this.#endIfDone();
    });
    // The server has no more to say: neither have we, once what is held is out.
    upstream.on("close", () => {
      if (this.#pending.size > 0) this.#options.counters.errors += this.#pending.size;
      this.#pending.clear();
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
    message.writeUInt16BE(pending.query.id, 0);
    this.#answered(message, pending, answer);
  }

  #answered(message: Buffer, pending: Pending, answer: Answer): void {
    const { counters, clock, gate, reporter } = this.#options;
    const { query, decision, learns, startMs } = pending;
    const { name, type } = query;
    if (answer.malformed) counters.malformedAnswers++;
    const nowMs = performance.now();
    const latencyNs = Math.round((nowMs - startMs) * 1_000_000);
    const question = { name, type, latencyNs, nowMs, decision };
    reporter.response(this.#conversation(), question, answer);
    const asked = { name, client: this.#client.address, atMs: clock.unixMs(nowMs) };
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
    if (this.#clientDone && this.#pending.size === 0 && this.#held === 0) this.#socket.end();
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

/** What a connection is told apart by: its ends. */
export function connectionKey(client: End, server: End): string {
  return `${client.address} ${client.port} ${server.address} ${server.port}`;
}
