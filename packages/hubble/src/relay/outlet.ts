// The way to the client: events of nodes, and messages as fast as the client reads.
import type { ServerStream } from "../grpc/index.ts";
import type { NodeEvents } from "./node-events.ts";

export type OutletOptions = {
  readonly events: NodeEvents;
  /** Of relay, in events. */
  readonly nodeName: string;
  /** Called for each message. */
  readonly onSent: () => void;
};

export class Outlet {
  readonly #stream: ServerStream;
  readonly #events: NodeEvents;
  readonly #nodeName: string;
  readonly #onSent: () => void;
  #waitedMs = 0;

  constructor(stream: ServerStream, { events, nodeName, onSent }: OutletOptions) {
    this.#stream = stream;
    this.#events = events;
    this.#nodeName = nodeName;
    this.#onSent = onSent;
  }

  /** Milliseconds, of a clock that stands still while the client does not read: that makes no peer slow. */
  get nowMs(): number {
    return performance.now() - this.#waitedMs;
  }

  /** undefined: the client goes on reading. @throws the stream's reason */
  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#onSent();
    const blocked = this.#stream.write(bytes);
    return blocked && this.#wait(blocked);
  }

  async writeEvents(): Promise<void> {
    for (const bytes of this.#events.take(this.#nodeName, Date.now()))
      await this.#wait(this.#stream.write(bytes));
  }

  async #wait(blocked: Promise<void> | undefined): Promise<void> {
    const begunMs = performance.now();
    await blocked;
    this.#waitedMs += performance.now() - begunMs;
  }
}
