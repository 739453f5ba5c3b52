// One client's connection and the one to its broker behind it.
//
//   client ==requests==> judge --allowed, unchanged--> broker
//          <==answers== in the order of the requests: the broker's, unchanged, and ours for what was denied
import type { Socket } from "node:net";
import type { KafkaRuleSet } from "@tsilium/policy/model.ts";
import { apiKeys, MalformedError, readResponse, type Request, topicQuery } from "@tsilium/kafka";
import { AnswerReader } from "./answers.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { HeldBytes } from "./held-bytes.ts";
import { Judge, type Judgement } from "./judge.ts";
import { Pauses } from "./pauses.ts";
import type { ReadingTime } from "./reading-time.ts";
import type { RecordSink } from "./records.ts";
import { type Awaited, toBeAwaited, WaitingAnswers } from "./waiting-answers.ts";

export type ConnectionOptions = {
  readonly client: Socket;
  /** May still be connecting. */
  readonly broker: Socket;
  /** What holds for the next request. */
  readonly rules: () => KafkaRuleSet;
  readonly records: RecordSink;
  /** Of all connections. */
  readonly held: HeldBytes;
  readonly readingTime: ReadingTime;
  /** Whom what is held back, and the time it takes to read it, is counted for. */
  readonly clientAddress: string;
  readonly onClose: () => void;
  /** A fault of ours; the connection is ended. */
  readonly onFault: (error: unknown) => void;
};

/** Kafka's socket.request.max.bytes is 100 MiB by default; clients' fetch.max.bytes 50 MiB, plus one batch. */
const maxRequestBytes = 128 * 1024 * 1024;
const maxAnswerBytes = 1024 * 1024 * 1024;
const maxWaitingAnswers = 1_000;
const maxHeldAnswerBytes = 4 * 1024 * 1024;
/** What is kept of an answer to be read. */
const keptOfAnswer = 16 * 1024;
const keptOfMetadata = 8 * 1024 * 1024;
/** A request whose beginning does not go on for so long ends its connection. */
const stallMs = 60_000;
/** What is left of a connection one end of which is closed. */
const lingerMs = 30_000;
const keepAliveMs = 60_000;

/** Bytes of a request: without its length, how many are there; with it, how many there will be. */
type Extent = { readonly there: number; readonly whole: number };

export class Connection implements Disposable {
  readonly #options: ConnectionOptions;
  readonly #judge: Judge;
  readonly #input = new ByteQueue();
  readonly #waiting = new WaitingAnswers();
  readonly #answers: AnswerReader;
  readonly #clientPauses: Pauses;
  readonly #brokerPauses: Pauses;
  /** The rest of a request that was decided. */
  #rest: { readonly isForwarded: boolean; left: number } | undefined;
  /** Bytes of the next request that must be there before it is looked at again. */
  #needed = 0;
  #asked: ReadonlySet<string> | undefined;
  #current: Awaited | undefined;
  #heldBytes = 0;
  #clientEnded = false;
  /** Nothing is taken from the client any more; what it waits for is still answered. */
  #isClosing = false;
  #ended = false;
  #stall: NodeJS.Timeout | undefined;
  #questions = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#judge = new Judge(options.rules);
    this.#clientPauses = new Pauses(options.client);
    this.#brokerPauses = new Pauses(options.broker);
    this.#answers = new AnswerReader(
      {
        begin: (correlationId) => this.#beginAnswer(correlationId),
        forward: (chunk) => this.#toClient(chunk),
        end: (bytes, length) => this.#endAnswer(bytes, length),
      },
      maxAnswerBytes,
    );
  }

  /** Begins to forward. */
  start(): void {
    const { client, broker } = this.#options;
    for (const socket of [client, broker]) {
      socket.setNoDelay(true);
      socket.setKeepAlive(true, keepAliveMs);
    }
    client.on("data", (chunk: Buffer) => this.#guarded(() => this.#fromClient(chunk)));
    client.on("drain", () => this.#brokerPauses.set("other side", false));
    client.on("end", () => this.#guarded(() => this.#clientEnds()));
    client.on("error", () => this.#reset());
    client.on("close", () => this.#closed());
    broker.on("data", (chunk: Buffer) => this.#guarded(() => this.#fromBroker(chunk)));
    broker.on("drain", () => this.#clientPauses.set("other side", false));
    broker.on("end", () => this.#brokerEnds());
    broker.on("error", () => this.#reset());
    broker.on("close", () => this.#brokerEnds());
  }

  /** Ends both sides at once. */
  [Symbol.dispose](): void {
    this.#reset();
  }

  #fromClient(chunk: Buffer): void {
    if (this.#ended || this.#isClosing) return;
    this.#input.push(chunk);
    this.#work();
  }

  #fromBroker(chunk: Buffer): void {
    if (this.#ended) return;
    this.#answers.push(chunk);
    this.#account();
  }

  /** Deals with all requests that can be dealt with. */
  #work(): void {
    while (!this.#isClosing && !this.#isWaiting && this.#step());
    this.#account();
    this.#watchStall();
    if (this.#clientEnded && !this.#isWaiting) this.#options.broker.end();
  }

  /** Requests are there, and not looked at yet. */
  get #isWaiting(): boolean {
    return this.#clientPauses.has("question") || this.#clientPauses.has("turn");
  }

  /** One request, or what there is of it; false: more bytes are needed. */
  #step(): boolean {
    if (this.#rest) return this.#passRest(this.#rest);
    const lengthField = 4;
    if (this.#input.length < lengthField) return false;
    const length = this.#input.first(lengthField).readInt32BE(0);
    if (length < 0 || length > maxRequestBytes) throw new MalformedError("no length of a request");
    const there = Math.min(this.#input.length - lengthField, length);
    if (there < Math.min(this.#needed, length)) return false;
    if (!this.#isTurn()) return false;
    const bytes = this.#input.first(lengthField + there).subarray(lengthField, lengthField + there);
    const judgement = this.#timed(() => this.#judge.judge(bytes, length, this.#asked));
    return this.#carryOut(judgement, { there, whole: lengthField + length });
  }

  #timed<Result>(read: () => Result): Result {
    const { readingTime, clientAddress } = this.#options;
    const beganMs = performance.now();
    try {
      return read();
    } finally {
      const nowMs = performance.now();
      readingTime.spend(clientAddress, nowMs - beganMs, nowMs);
    }
  }

  /** Otherwise it goes on when it is. */
  #isTurn(): boolean {
    const { readingTime, clientAddress } = this.#options;
    const waitMs = readingTime.waitMs(clientAddress, performance.now());
    if (waitMs === 0) return true;
    this.#clientPauses.set("turn", true);
    setTimeout(() => {
      this.#clientPauses.set("turn", false);
      this.#guarded(() => this.#work());
    }, waitMs).unref();
    return false;
  }

  #carryOut(judgement: Judgement, { there, whole }: Extent): boolean {
    switch (judgement.kind) {
      case "wait":
        // Not with every chunk: reading it again each time would take its length squared.
        this.#needed = Math.max(judgement.length, 2 * there);
        return false;
      case "resolve":
        this.#ask(judgement);
        return false;
      case "forward":
        this.#forward(judgement);
        break;
      case "deny":
        this.#deny(judgement);
        break;
    }
    this.#needed = 0;
    this.#asked = undefined;
    this.#rest = { isForwarded: judgement.kind === "forward", left: whole };
    return true;
  }

  #passRest(rest: { readonly isForwarded: boolean; left: number }): boolean {
    const { broker } = this.#options;
    for (const chunk of this.#input.take(rest.left)) {
      rest.left -= chunk.length;
      if (rest.isForwarded && !broker.write(chunk)) this.#clientPauses.set("other side", true);
    }
    if (rest.left > 0) return false;
    this.#rest = undefined;
    return true;
  }

  #forward({ request, decision, verdict }: Extract<Judgement, { kind: "forward" }>): void {
    const topics = this.#judge.topicsOf(request);
    this.#options.records.request(request, { verdict, rule: decision.rule, errorCode: 0, topics });
    this.#judge.sessions.pass(request);
    if (!request.expectsResponse) return;
    this.#await({
      kind: "broker",
      request: toBeAwaited(request),
      rule: decision.rule,
      sentAtMs: performance.now(),
      topic: topics[0] ?? "",
    });
  }

  #deny({ request, decision, errorCode, response }: Extract<Judgement, { kind: "deny" }>): void {
    const topics = this.#judge.topicsOf(request);
    this.#options.records.request(request, {
      verdict: "denied",
      rule: decision.rule,
      errorCode,
      topics,
    });
    this.#isClosing ||= !response;
    this.#await(response ? { kind: "ours", response } : { kind: "end" });
    this.#answerInTurn();
  }

  #ask({ request, ids }: Extract<Judgement, { kind: "resolve" }>): void {
    const correlationId = 0x7473_0000 + (this.#questions++ & 0xffff);
    const { header, bytes } = topicQuery(ids, { ...request.header, correlationId });
    this.#asked = new Set(ids);
    this.#await({ kind: "own", request: { ...toBeAwaited(request), header } });
    this.#clientPauses.set("question", true);
    this.#options.broker.write(bytes);
  }

  #await(awaited: Awaited): void {
    this.#waiting.push(awaited);
    this.#boundAnswers();
  }

  #boundAnswers(): void {
    const { length, heldBytes } = this.#waiting;
    const isFull = length > maxWaitingAnswers || heldBytes > maxHeldAnswerBytes;
    this.#clientPauses.set("answers", isFull);
  }

  #beginAnswer(correlationId: number): { kept: number; isForwarded: boolean } {
    const awaited = this.#waiting.takeBrokers(correlationId);
    if (!awaited) throw new MalformedError("an answer that nobody waits for");
    this.#current = awaited;
    this.#boundAnswers();
    const isMetadata = awaited.request.header.apiKey === apiKeys.metadata;
    return {
      kept: isMetadata ? keptOfMetadata : keptOfAnswer,
      isForwarded: awaited.kind === "broker",
    };
  }

  #endAnswer(bytes: Buffer, length: number): void {
    const awaited = this.#current as Extract<Awaited, { kind: "broker" | "own" }>;
    this.#current = undefined;
    const { request } = awaited;
    const facts = this.#timed(() => readResponse(bytes, length, request.header));
    this.#judge.learn(facts);
    if (awaited.kind === "broker") {
      this.#learnSession(request, facts.sessionId);
      this.#options.records.response(request, {
        rule: awaited.rule,
        errorCode: facts.errorCode,
        topics: [awaited.topic],
        latencyMs: performance.now() - awaited.sentAtMs,
      });
    }
    this.#answerInTurn();
    if (awaited.kind !== "own") return;
    this.#clientPauses.set("question", false);
    this.#work();
  }

  #learnSession(request: Request, sessionId: number): void {
    const step = this.#judge.sessions.stepOf(request);
    if (step?.kind === "full" && step.begins) this.#judge.sessions.begin(sessionId, request);
  }

  /** Answers of ours whose turn it is. */
  #answerInTurn(): void {
    // In the middle of a broker's answer nobody else speaks.
    if (this.#current) return;
    for (let next = this.#waiting.takeOurs(); next; next = this.#waiting.takeOurs()) {
      if (next.kind === "end") return this.#end();
      this.#toClient(next.response);
    }
    this.#boundAnswers();
  }

  #toClient(chunk: Buffer): void {
    if (!this.#options.client.write(chunk)) this.#brokerPauses.set("other side", true);
  }

  #clientEnds(): void {
    this.#clientEnded = true;
    this.#work();
  }

  #brokerEnds(): void {
    if (this.#answers.isBetween) this.#answerInTurn();
    this.#end();
  }

  /** The client gets what was written; nothing more is taken from either side. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#isClosing = true;
    const { client, broker } = this.#options;
    this.#input.clear();
    this.#watchStall();
    client.resume();
    broker.resume();
    client.end();
    broker.end();
    const left = setTimeout(() => this.#reset(), lingerMs).unref();
    client.once("close", () => clearTimeout(left));
  }

  /** Both ends hear that it is over. */
  #reset(): void {
    this.#ended = true;
    this.#isClosing = true;
    this.#options.client.resetAndDestroy();
    this.#options.broker.resetAndDestroy();
  }

  #closed(): void {
    this.#ended = true;
    this.#isClosing = true;
    this.#input.clear();
    this.#watchStall();
    this.#options.held.change(this.#options.clientAddress, -this.#heldBytes);
    this.#heldBytes = 0;
    this.#options.broker.destroySoon();
    this.#options.onClose();
  }

  /** Counts what is held back here. @throws MalformedError when that is too much */
  #account(): void {
    const { held, clientAddress } = this.#options;
    const now = this.#input.length + this.#answers.keptBytes;
    const more = now - this.#heldBytes;
    this.#heldBytes = now;
    if (!held.change(clientAddress, more)) throw new MalformedError("too much is held back");
  }

  /** What is held of a request must go on. */
  #watchStall(): void {
    clearTimeout(this.#stall);
    this.#stall =
      this.#input.length === 0 ? undefined : setTimeout(() => this.#reset(), stallMs).unref();
  }

  /** What cannot be followed any further ends the connection: nothing passes that was not looked at. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#options.records.failed();
      this.#reset();
      if (!(error instanceof MalformedError) && !(error instanceof RangeError))
        this.#options.onFault(error);
    }
  }
}
