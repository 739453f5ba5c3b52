// Hands inputs on, in batches: what is said within one turn of the event loop goes out together, the last word on each
// thing once.
import { type PolicyBatch, type PolicyInput, subjectKeyOf } from "./model.ts";

export type BatchListener = (batch: PolicyBatch) => void;

export class Feed {
  readonly #pending = new Map<BatchListener, Map<string, PolicyInput>>();
  #scheduled: NodeJS.Immediate | undefined;

  /** Tells everybody who listens. */
  say(input: PolicyInput): void {
    const key = subjectKeyOf(input);
    for (const pending of this.#pending.values()) {
      // The latest is the last: who reads in order hears things in the order of their last change.
      pending.delete(key);
      pending.set(key, input);
    }
    if (this.#pending.size > 0) this.#scheduled ??= setImmediate(() => this.flush());
  }

  /** Listens from now on, first to `state`: all that was said so far and still holds. */
  subscribe(listener: BatchListener, state: Iterable<PolicyInput>): Disposable {
    const pending = new Map<string, PolicyInput>();
    for (const input of state) pending.set(subjectKeyOf(input), input);
    this.#pending.set(listener, pending);
    this.#scheduled ??= setImmediate(() => this.flush());
    return { [Symbol.dispose]: () => void this.#pending.delete(listener) };
  }

  /** Hands out now what would go out at the end of the turn. */
  flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    for (const [listener, pending] of this.#pending) {
      if (pending.size === 0) continue;
      const batch = [...pending.values()];
      pending.clear();
      listener(batch);
    }
  }
}
