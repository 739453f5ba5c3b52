// Items on their way to a worker: what is said within one turn of the event loop goes out together, the last word on each
// thing once. The state that a worker starts with goes out in pieces over many turns, so that telling a large cluster
// stalls nobody; what changes meanwhile follows it.
import { type FeedItem, feedKeyOf } from "./model.ts";

/** Items in a message. */
const pieceSize = 1_000;

export class Outbox implements Disposable {
  readonly #post: (items: readonly FeedItem[]) => void;
  readonly #state: Iterator<FeedItem>;
  readonly #pending = new Map<string, FeedItem>();
  #isStateTold = false;
  #scheduled: NodeJS.Immediate | undefined;

  /**
   * Begins with the state. @param state all that holds; read piece by piece, so of a table that changes meanwhile it may
   * tell a row twice, and never an old one after a new one that was said
   */
  constructor(state: Iterator<FeedItem>, post: (items: readonly FeedItem[]) => void) {
    this.#post = post;
    this.#state = state;
    this.#schedule();
  }

  say(item: FeedItem): void {
    const key = feedKeyOf(item);
    // The latest is the last: who reads in order hears things in the order of their last change.
    this.#pending.delete(key);
    this.#pending.set(key, item);
    this.#schedule();
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#scheduled);
    this.#pending.clear();
    this.#isStateTold = true;
    this.#scheduled = undefined;
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => this.#send());
  }

  #send(): void {
    this.#scheduled = undefined;
    const items = this.#isStateTold ? this.#takePending() : this.#takeState();
    if (items.length > 0) this.#post(items);
    if (!this.#isStateTold || this.#pending.size > 0) this.#schedule();
  }

  #takeState(): FeedItem[] {
    const items: FeedItem[] = [];
    while (items.length < pieceSize) {
      const next = this.#state.next();
      if (next.done) {
        this.#isStateTold = true;
        break;
      }
      items.push(next.value);
    }
    return items;
  }

  #takePending(): FeedItem[] {
    const items: FeedItem[] = [];
    for (const [key, item] of this.#pending) {
      if (items.length >= pieceSize) break;
      this.#pending.delete(key);
      items.push(item);
    }
    return items;
  }
}
