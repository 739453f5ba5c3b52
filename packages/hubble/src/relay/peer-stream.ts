// One peer's part in one client's stream: asked, read no faster than the client reads, and asked again when it breaks.
import { CodecError, peekResponse } from "../codec/index.ts";
import { Code, ConnectError } from "../grpc/index.ts";
import type { Message } from "./source.ts";
import { type NodeEvents, NodeState } from "./node-events.ts";
import type { Peer } from "./peer.ts";
import { Trail } from "./trail.ts";
import { Bell, Retries } from "./waiting.ts";

export type Received = Message & { readonly isFlow: boolean };

/** Where messages go. */
export type Intake = {
  /** A stream begins. */
  begin(): void;
  take(message: Received): void;
  /** Resolves when more is wanted; undefined: now. */
  room(): Promise<void> | undefined;
  /** The stream ended, well or not. */
  end(): void;
};

export type PeerStreamOptions = {
  readonly peer: Peer;
  readonly events: NodeEvents;
  readonly intake: Intake;
  /** The request, encoded. @param trail of what was received before */
  readonly request: (trail: Trail) => Uint8Array;
  /** Of the peer's flows that an earlier part of the answer had. */
  readonly trail?: Trail;
  /** Asked again when it breaks, and whenever the peer is there again. */
  readonly persistent: boolean;
  /** It has no end: one that ends broke. */
  readonly endless: boolean;
  /** Longest wait between two attempts; ms. */
  readonly retryTimeoutMs: number;
  /** One that is to end and says nothing for so long is given up, unless its server is alive; ms. */
  readonly silenceMs: number;
  readonly onError: (peer: Peer, error: ConnectError) => void;
};

const getFlowsPath = "/observer.Observer/GetFlows";
/** A stream that lived for so long was a good one. */
const goodMs = 1000;

/** Of clients' making: no peer will ever answer otherwise. */
const fatalCodes: readonly Code[] = [Code.InvalidArgument, Code.OutOfRange];

export class PeerStream {
  readonly trail: Trail;
  readonly #options: PeerStreamOptions;
  /** The last attempt failed by the peer's own fault. */
  #failed = false;
  #lastNs = 0n;
  #heardMs = 0;
  /** Not while the client makes it wait. */
  #isReading = true;

  constructor(options: PeerStreamOptions) {
    this.#options = options;
    this.trail = options.trail ?? new Trail();
  }

  /**
   * Runs until the peer has answered; a persistent one until the signal, if need be.
   * @throws ConnectError when the request is wrong
   */
  async run(signal: AbortSignal): Promise<void> {
    const { peer, events, persistent, retryTimeoutMs } = this.#options;
    const bell = new Bell();
    const retries = new Retries(retryTimeoutMs);
    while (!signal.aborted) {
      if (peer.state !== "ready") {
        events.report(peer.name, NodeState.NODE_UNAVAILABLE, peer.error);
        if (!persistent) return;
        await peer.whenReady(signal);
        continue;
      }
      const begunMs = performance.now();
      try {
        await this.#attempt(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#report(ConnectError.from(error));
      }
      if (!persistent) return;
      if (performance.now() - begunMs > goodMs) retries.reset();
      await bell.wait(retries.next(), signal);
    }
  }

  /** @throws ConnectError, also when a stream without end ends */
  async #attempt(signal: AbortSignal): Promise<void> {
    const { peer, events, intake, request, endless } = this.#options;
    const greet = () => events.report(peer.name, NodeState.NODE_CONNECTED);
    // One that failed is believed when it has shown that it works.
    const timer = this.#failed ? setTimeout(greet, goodMs) : undefined;
    if (!this.#failed) greet();
    const attempt = new AbortController();
    const watchdog = this.#watch(attempt, signal);
    intake.begin();
    try {
      const asked = request(this.trail);
      for await (const batch of peer.client.streamBatches(getFlowsPath, asked, attempt.signal)) {
        this.#receive(batch);
        if (this.#failed) greet();
        this.#failed = false;
        const room = intake.room();
        if (room) {
          this.#isReading = false;
          await room;
          this.#isReading = true;
        }
        this.#heardMs = performance.now();
      }
    } finally {
      clearTimeout(timer);
      watchdog[Symbol.dispose]();
      intake.end();
    }
    if (endless) throw new ConnectError("it ended a stream that has no end", Code.Unavailable);
    greet();
  }

  /** @throws ConnectError */
  #receive(batch: readonly Uint8Array[]): void {
    const { intake } = this.#options;
    for (const bytes of batch) {
      const { kind, timeNs } = peek(bytes);
      if (kind === "unknown") continue;
      // Without a time of its own it belongs to what came before.
      const message = { timeNs: timeNs || this.#lastNs, bytes, isFlow: kind === "flow" };
      this.#lastNs = message.timeNs;
      if (message.isFlow) {
        if (this.trail.isKnown(message)) continue;
        this.trail.add(message);
      }
      intake.take(message);
    }
  }

  /** Ends an attempt with the signal, or when the peer does not answer any more. */
  #watch(attempt: AbortController, signal: AbortSignal): Disposable {
    const { peer, persistent, silenceMs } = this.#options;
    const stop = () => attempt.abort(signal.reason);
    signal.addEventListener("abort", stop);
    this.#heardMs = performance.now();
    this.#isReading = true;
    const look = async () => {
      if (!this.#isReading || performance.now() - this.#heardMs < silenceMs / 2) return;
      if (await peer.answers(silenceMs / 2)) this.#heardMs = performance.now();
      else attempt.abort(new ConnectError("it does not answer", Code.Unavailable));
    };
    // One that is to go on for ever is looked after by its peer.
    const timer = persistent ? undefined : setInterval(() => void look(), silenceMs / 4);
    return {
      [Symbol.dispose]: () => {
        clearInterval(timer);
        signal.removeEventListener("abort", stop);
      },
    };
  }

  #report(error: ConnectError): void {
    const { peer, events, onError } = this.#options;
    // The client's fault, not the peer's: no reason to log it, let alone what the client wrote.
    if (fatalCodes.includes(error.code))
      throw new ConnectError(`${peer.name}: ${error.rawMessage}`, error.code);
    onError(peer, error);
    const lost = error.code === Code.Unavailable || error.code === Code.DeadlineExceeded;
    if (lost) peer.suspect(error.rawMessage);
    else this.#failed = true;
    const state = lost ? NodeState.NODE_UNAVAILABLE : NodeState.NODE_ERROR;
    events.report(peer.name, state, error.rawMessage);
  }
}

/** @throws ConnectError */
function peek(bytes: Uint8Array) {
  try {
    return peekResponse(bytes);
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause;
    const message = `what it sent is no GetFlowsResponse: ${cause.message}`;
    throw new ConnectError(message, Code.DataLoss, undefined, undefined, cause);
  }
}
