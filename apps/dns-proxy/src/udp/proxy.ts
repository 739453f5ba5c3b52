// Queries over UDP, between batches of system calls:
//
//   listening sockets --recvmmsg--> judge --denied--> replies --sendmmsg--> client
//                                     '--allowed--> upstream socket --send--> server
//   upstream sockets  --recvmmsg--> match --> learn, perhaps hold --> replies --sendmmsg--> client
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
import {
  close,
  DatagramReceiver,
  Epoll,
  isSyscallError,
  sendto,
  watchReadable,
} from "@tsilium/syscall";
import type { AnswerGate } from "../answer-gate.ts";
import type { Clock } from "../clock.ts";
import type { Counters } from "../counters.ts";
import type { Listeners } from "../listeners.ts";
import type { Conversation, Reporter } from "../reporter.ts";
import type { Turns } from "../turns.ts";
import { Clients, type Client, type Route } from "./clients.ts";
import { RandomIds } from "./ids.ts";
import { type Family, openListening } from "./listening.ts";
import { isLoopback, serverOf } from "./original-destination.ts";
import type { PendingQuery } from "./pending.ts";
import { Replies } from "./replies.ts";
import { Upstream } from "./upstream.ts";

const IPPROTO_UDP = 17;
const queryBufferBytes = 4_096;
const answerBufferBytes = 65_536;
/** Rounds of work before Node's loop (the control socket, TCP, timers) has its turn. */
const roundsPerTurn = 4;
/** What a listener's queue holds, and no flood that comes meanwhile. */
const roundsBeforeClose = 64;
const sweepIntervalMs = 500;
/** Sockets are looked through for idle ones no more often, however many clients want one. */
const closeIntervalMs = 20;

export type UdpProxyOptions = {
  readonly limits: DnsProxyLimits;
  readonly rejectCode: number;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly reporter: Reporter;
  readonly gate: AnswerGate;
  readonly turns: Turns;
  readonly listeners: () => Listeners;
  /** After each turn: what was learnt is to be told. */
  readonly afterTurn: () => void;
};

type Listening = {
  readonly kind: "listening";
  readonly fd: number;
  readonly family: Family;
  readonly port: number;
};
type Towards = {
  readonly kind: "upstream";
  readonly upstream: Upstream;
  readonly client: Client;
  readonly route: Route;
};

export class UdpProxy implements Disposable {
  readonly #options: UdpProxyOptions;
  readonly #epoll = new Epoll(128);
  readonly #sockets = new Map<number, Listening | Towards>();
  readonly #queries = new DatagramReceiver({ count: 32, size: queryBufferBytes, controlSize: 64 });
  readonly #answers = new DatagramReceiver({ count: 8, size: answerBufferBytes, controlSize: 0 });
  readonly #names = new NameReader();
  readonly #ids = new RandomIds();
  readonly #clients: Clients;
  readonly #replies: Replies;
  /** Oldest first. */
  readonly #waiting = new Set<PendingQuery>();
  readonly #watch: Disposable;
  readonly #timer: NodeJS.Timeout;
  #working = false;
  #lastCloseMs = 0;

  /** @throws SyscallError EPERM without CAP_NET_RAW */
  constructor(options: UdpProxyOptions) {
    this.#options = options;
    this.#clients = new Clients(options.limits);
    this.#replies = Replies.open(options.counters);
    this.#watch = watchReadable(this.#epoll.fd, () => this.#turn());
    this.#timer = setInterval(() => this.#sweep(), sweepIntervalMs);
  }

  /** Takes packets for a listener's port; again is fine. @throws SyscallError EADDRINUSE, ... */
  open(port: number): void {
    for (const family of [4, 6] as const) {
      const open = [...this.#sockets.values()].some(
        (socket) => socket.kind === "listening" && socket.port === port && socket.family === family,
      );
      if (open) continue;
      try {
        const fd = openListening(family, port);
        this.#sockets.set(fd, { kind: "listening", fd, family, port });
        this.#epoll.add(fd);
      } catch (error) {
        // A machine without IPv6 has no packets of it either.
        if (family === 6 && isSyscallError(error, "EAFNOSUPPORT", "EADDRNOTAVAIL")) continue;
        throw error;
      }
    }
  }

  /** Queries that have arrived are judged first, by the rules that the port has now; those that went on are still answered. */
  close(port: number): void {
    const closing = [...this.#sockets.values()].filter(
      (socket) => socket.kind === "listening" && socket.port === port,
    ) as Listening[];
    this.#work(() => {
      for (const listening of closing) {
        const nowMs = performance.now();
        for (let round = 0; round < roundsBeforeClose; round++)
          if (this.#takeQueries(listening, nowMs) === 0) break;
        this.#closeFd(listening.fd);
      }
      this.#replies.flush();
    });
  }

  get pending(): number {
    return this.#clients.pending;
  }

  get upstreamSockets(): number {
    return this.#clients.sockets;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#watch[Symbol.dispose]();
    for (const fd of this.#sockets.keys()) this.#closeFd(fd);
    this.#replies[Symbol.dispose]();
    this.#epoll[Symbol.dispose]();
  }

  #turn(): void {
    this.#work(() => {
      for (let round = 0; round < roundsPerTurn; round++) {
        const ready = this.#epoll.wait();
        if (ready === 0) break;
        const nowMs = performance.now();
        for (let index = 0; index < ready; index++) {
          // Closed by one before it in this round: its number may even be another's by now, which does no harm.
          const socket = this.#sockets.get(this.#epoll.fdAt(index));
          if (socket?.kind === "listening") this.#takeQueries(socket, nowMs);
          else if (socket) this.#takeAnswers(socket, nowMs);
        }
        this.#replies.flush();
      }
    });
  }

  #work(work: () => void): void {
    this.#working = true;
    try {
      work();
    } finally {
      this.#working = false;
      this.#options.afterTurn();
    }
  }

  /** Answers how many there were. */
  #takeQueries(listening: Listening, nowMs: number): number {
    const received = this.#queries;
    const count = received.receive(listening.fd);
    for (let index = 0; index < count; index++) this.#takeQuery(listening, index, nowMs);
    return count;
  }

  #takeQuery(listening: Listening, index: number, nowMs: number): void {
    const { counters } = this.#options;
    const { family, port } = listening;
    const received = this.#queries;
    const server = serverOf(family, received.controlOf(index), received.controlLengthOf(index));
    const peer = received.nameOf(index);
    // Who sends to the listener itself was not redirected: nobody asked a server, and on it would go round for ever.
    if (!server || isLoopback(family, server)) {
      counters.ignoredMessages++;
      return;
    }
    const client = this.#clients.get(family, peer);
    // Not even refused: an answer costs more than looking away.
    if (!this.#options.turns.take(client, nowMs)) {
      counters.overloads++;
      return;
    }
    const bytes = received.bufferOf(index);
    const end = received.isCut(index) ? 0 : received.lengthOf(index);
    const query = readQuery(bytes, end, this.#names);
    if (typeof query === "string") {
      if (query === "ignored") counters.ignoredMessages++;
      else if (query === "malformed") counters.malformedQueries++;
      else counters.refusedQueries++;
      const code = query === "malformed" ? rcode.formatError : rcode.refused;
      if (query !== "ignored")
        this.#replies.add(family, server, peer, writeBareRefusal(bytes, code));
      return;
    }
    const route = this.#clients.routeOf(client, server);
    const decide = this.#options.listeners().decideFor(port);
    const decision = decide(query.name);
    const asked = { query, bytes, end, decide, decision, client, route, peer, nowMs };
    this.#judged({ ...asked, listenerPort: port });
  }

  #judged(asked: AskedQuery): void {
    const { counters, reporter, rejectCode } = this.#options;
    const { query, bytes, decision, client, route, peer, nowMs } = asked;
    const question = { name: query.name, type: query.type, nowMs };
    const conversation = conversationOf(asked, peer.readUInt16BE(2));
    if (decision.verdict === "denied") {
      counters.denied++;
      this.#replies.add(client.family, route.server, peer, writeRefusal(query, bytes, rejectCode));
      reporter.request(conversation, question, decision);
      return;
    }
    const upstream = this.#upstreamFor(client, route, nowMs);
    if (!upstream || !this.#forward(upstream, asked)) {
      counters.errors++;
      const refusal = writeRefusal(query, bytes, rcode.serverFailure);
      this.#replies.add(client.family, route.server, peer, refusal);
      reporter.request(conversation, question, { verdict: "error", rule: decision.rule });
      return;
    }
    counters.forwarded++;
    reporter.request(conversation, question, decision);
  }

  /** The route's socket, a fresh one if need be; undefined when there are too many, or none can be had. */
  #upstreamFor(client: Client, route: Route, nowMs: number): Upstream | undefined {
    const { counters } = this.#options;
    if (!this.#clients.mayAsk(client)) {
      counters.overloads++;
      return undefined;
    }
    const current = route.upstream;
    if (current && !current.isSpent(nowMs)) return current;
    if (!this.#clients.mayOpen(client) && nowMs - this.#lastCloseMs > closeIntervalMs)
      this.#closeIdle(nowMs);
    if (!this.#clients.mayOpen(client)) {
      counters.overloads++;
      return undefined;
    }
    try {
      const { family, sockaddr } = client;
      const upstream = new Upstream({ family, client: sockaddr, server: route.server, nowMs });
      route.upstream = upstream;
      client.sockets++;
      this.#clients.sockets++;
      this.#sockets.set(upstream.fd, { kind: "upstream", upstream, client, route });
      this.#epoll.add(upstream.fd);
      return upstream;
    } catch (error) {
      if (isSyscallError(error)) return undefined;
      throw error;
    }
  }

  /** False: the network does not take it. */
  #forward(upstream: Upstream, asked: AskedQuery): boolean {
    const { query, bytes, end, decide, decision, listenerPort, client, route, peer, nowMs } = asked;
    const id = this.#ids.next(upstream.pending);
    const question = Buffer.from(bytes.subarray(0, query.questionEnd));
    bytes.writeUInt16BE(id, 0);
    if (!trySend(upstream.fd, bytes.subarray(0, end))) return false;
    const pending: PendingQuery = {
      query,
      question,
      decide,
      decision,
      listenerPort,
      client,
      peer: Uint8Array.from(peer),
      peerPort: peer.readUInt16BE(2),
      route,
      upstream,
      id,
      startMs: nowMs,
    };
    upstream.use(id, pending, nowMs);
    client.pending++;
    this.#clients.pending++;
    this.#waiting.add(pending);
    return true;
  }

  #takeAnswers(towards: Towards, nowMs: number): void {
    const { upstream } = towards;
    let count: number;
    try {
      count = this.#answers.receive(upstream.fd);
    } catch (error) {
      if (!isSyscallError(error)) throw error;
      // "Connection refused" and the like: the server is not there, as the client would have heard without us.
      for (const pending of upstream.pending.values()) this.#fail(pending, nowMs);
      return;
    }
    for (let index = 0; index < count; index++) this.#takeAnswer(upstream, index, nowMs);
  }

  #takeAnswer(upstream: Upstream, index: number, nowMs: number): void {
    const { counters } = this.#options;
    const bytes = this.#answers.bufferOf(index);
    const end = this.#answers.lengthOf(index);
    const pending = end < 2 ? undefined : upstream.pending.get(bytes.readUInt16BE(0));
    if (!pending) {
      counters.unexpectedAnswers++;
      upstream.suspect();
      return;
    }
    const answer = readAnswer(bytes, end, pending.query, this.#names);
    if (!answer) {
      counters.mismatchedAnswers++;
      upstream.suspect();
      return;
    }
    this.#settle(pending);
    this.#options.turns.charge(pending.client, end);
    bytes.writeUInt16BE(pending.query.id, 0);
    this.#answered(pending, answer, { bytes: bytes.subarray(0, end), nowMs });
  }

  #answered(pending: PendingQuery, answer: Answer, came: { bytes: Buffer; nowMs: number }): void {
    const { counters, clock, gate, reporter } = this.#options;
    const { query, client, decide, decision, route } = pending;
    if (answer.malformed) counters.malformedAnswers++;
    const latencyNs = Math.round((came.nowMs - pending.startMs) * 1_000_000);
    const { name, type } = query;
    const question = { name, type, latencyNs, nowMs: came.nowMs, decision };
    reporter.response(conversationOf(pending, pending.peerPort), question, answer);
    // What is let through for an audit only was allowed by nobody.
    const learns = decision.verdict === "forwarded";
    const asked = {
      name,
      client: client.address,
      atMs: clock.unixMs(came.nowMs),
      mayAsk: (alias: string) => decide(alias).verdict === "forwarded",
    };
    const id = learns ? gate.admit(asked, answer) : 0;
    if (id === 0) {
      this.#replies.add(client.family, route.server, pending.peer, came.bytes);
      return;
    }
    const kept = Buffer.from(came.bytes);
    gate.hold(id, asked, {
      addresses: answer.addresses,
      send: () => {
        this.#replies.add(client.family, route.server, pending.peer, kept);
        if (!this.#working) this.#replies.flush();
      },
    });
  }

  #fail(pending: PendingQuery, nowMs: number): void {
    const { counters, reporter } = this.#options;
    const { query, question, client, route, decision } = pending;
    this.#settle(pending);
    counters.errors++;
    const refusal = writeRefusal(query, question, rcode.serverFailure);
    this.#replies.add(client.family, route.server, pending.peer, refusal);
    reporter.request(
      conversationOf(pending, pending.peerPort),
      { name: query.name, type: query.type, nowMs },
      { verdict: "error", rule: decision.rule },
    );
  }

  /** It waits no longer. */
  #settle(pending: PendingQuery): void {
    pending.upstream.pending.delete(pending.id);
    pending.client.pending--;
    this.#clients.pending--;
    this.#waiting.delete(pending);
  }

  #sweep(): void {
    const { counters, limits, clock } = this.#options;
    const nowMs = performance.now();
    for (const pending of this.#waiting) {
      if (nowMs - pending.startMs < limits.queryTimeoutMs) break;
      counters.timeouts++;
      this.#settle(pending);
    }
    this.#closeIdle(nowMs);
    this.#clients.sweep();
    clock.correct();
  }

  #closeIdle(nowMs: number): void {
    this.#lastCloseMs = nowMs;
    for (const [fd, socket] of this.#sockets) {
      if (socket.kind !== "upstream" || !socket.upstream.isIdle(nowMs)) continue;
      const { client, route, upstream } = socket;
      if (route.upstream === upstream) route.upstream = undefined;
      client.sockets--;
      this.#clients.sockets--;
      this.#closeFd(fd);
    }
  }

  #closeFd(fd: number): void {
    this.#sockets.delete(fd);
    close(fd);
  }
}

type AskedQuery = {
  readonly query: Query;
  /** The datagram is up to `end`. */
  readonly bytes: Buffer;
  readonly end: number;
  readonly decide: Decide;
  readonly decision: Decision;
  readonly listenerPort: number;
  readonly client: Client;
  readonly route: Route;
  readonly peer: Buffer;
  readonly nowMs: number;
};

function conversationOf(
  { listenerPort, client, route }: Pick<AskedQuery, "listenerPort" | "client" | "route">,
  clientPort: number,
): Conversation {
  return {
    listenerPort,
    protocol: IPPROTO_UDP,
    client: { address: client.address, port: clientPort },
    server: route.serverEnd,
  };
}

/** A connected socket tells of an earlier datagram's failure first; then once more. */
function trySend(fd: number, bytes: Uint8Array): boolean {
  for (let tries = 0; tries < 2; tries++) {
    try {
      return sendto(fd, bytes) !== undefined;
    } catch (error) {
      if (!isSyscallError(error)) throw error;
    }
  }
  return false;
}
