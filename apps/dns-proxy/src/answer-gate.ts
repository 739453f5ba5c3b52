// Answers on their way to clients. One with addresses that are new to the agent waits until the agent has seen to them,
// but not for long:
//
//   answer --new addresses--> told with an id, held --release, or the delay is over--> sent
//          --nothing new----> sent (and told, when it renews what is known)
import { type Answer, KnownNames, repeatS } from "@tsilium/dns";
import type { ControlServer } from "@tsilium/proxy/control/index.ts";
import type { Counters } from "./counters.ts";
import { Lessons } from "./lessons.ts";

export type Asked = {
  readonly name: string;
  readonly client: string;
  readonly atMs: number;
  /** Whether rules let the client ask this server for a name. */
  readonly mayAsk: (name: string) => boolean;
};

type Held = {
  readonly deadlineMs: number;
  readonly asked: Asked;
  readonly addresses: Answer["addresses"];
  readonly send: () => void;
};

const maxHeld = 4_096;
/** Addresses of one answer, for each name that they are told for. */
const maxTold = 4_096;

export type AnswerGateOptions = {
  readonly control: () => ControlServer | undefined;
  readonly maxDelayMs: number;
  readonly counters: Counters;
};

export class AnswerGate implements Disposable {
  readonly #options: AnswerGateOptions;
  readonly #known = new KnownNames();
  readonly #lessons = new Lessons();
  /** By id, in the order of their deadlines. */
  readonly #held = new Map<number, Held>();
  #lastId = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AnswerGateOptions) {
    this.#options = options;
  }

  /** Tells the agent of the answer. Answers the id under which it must be held (`hold`), or 0: it may go at once. */
  admit(asked: Asked, answer: Answer): number {
    const { control, counters, maxDelayMs } = this.#options;
    const { addresses } = answer;
    const { name, client, atMs } = asked;
    const novelty = this.#known.noveltyOf(name, addresses, { client, nowMs: atMs });
    const server = control();
    if (novelty === "known" || !server) return 0;
    const aliases = aliasesToTell(asked, answer);
    if (!this.#lessons.take(client, (1 + aliases.length) * addresses.length, atMs)) {
      counters.untoldAnswers++;
      return 0;
    }
    const waits =
      novelty === "new" && server.connected && maxDelayMs > 0 && this.#held.size < maxHeld;
    const id = waits ? ++this.#lastId : 0;
    server.addName({
      id,
      client,
      name,
      aliases,
      // Longer by the time for which the same answer is not told again.
      addresses: addresses.map(({ address, ttlS }) => ({ address, ttlS: ttlS + repeatS })),
      atMs: Math.floor(atMs),
    });
    // What nobody waits for is believed to arrive; when the agent comes back, all is told anew.
    if (!waits) this.#known.acknowledge(name, addresses, asked);
    return id;
  }

  /** Keeps an answer until it is released. */
  hold(
    id: number,
    asked: Asked,
    answer: { addresses: Answer["addresses"]; send: () => void },
  ): void {
    const { counters, maxDelayMs } = this.#options;
    counters.heldAnswers++;
    this.#held.set(id, { ...answer, asked, deadlineMs: performance.now() + maxDelayMs });
    this.#timer ??= setTimeout(() => this.#expire(), maxDelayMs);
  }

  /** The agent has seen to them. */
  release(ids: readonly number[]): void {
    for (const id of ids) {
      const held = this.#held.get(id);
      if (!held) continue;
      this.#known.acknowledge(held.asked.name, held.addresses, held.asked);
      this.#let(id, held);
    }
  }

  /** The agent does not have what it was told any more. */
  forgetNames(): void {
    this.#known.forget();
  }

  /** There is another agent now, or none: nobody releases what is held, and what is known is to be told anew. */
  forgetAgent(): void {
    this.#known.forget();
    for (const [id, held] of this.#held) this.#let(id, held);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #let(id: number, held: Held): void {
    this.#held.delete(id);
    held.send();
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const [id, held] of this.#held) {
      if (held.deadlineMs > nowMs) {
        this.#timer = setTimeout(() => this.#expire(), held.deadlineMs - nowMs);
        return;
      }
      this.#options.counters.holdTimeouts++;
      this.#let(id, held);
    }
  }
}

/** A server is believed in what it may be asked: no CNAME makes it speak for a name that it may not. */
function aliasesToTell({ mayAsk }: Asked, { aliases, addresses }: Answer): readonly string[] {
  const most = Math.floor(maxTold / addresses.length) - 1;
  return aliases.filter(mayAsk).slice(0, Math.max(most, 0));
}
