// What is gone is still known for a moment: events of a pod's last packets lie in the rings when the agent has forgotten it.
import { type FeedItem, feedKeyOf } from "../feed/model.ts";

/** Longer than events wait in the rings unless the worker is far behind. */
const lingerMs = 2_000;

export class Lingering {
  readonly #gone = new Map<string, { readonly item: FeedItem; readonly dueMs: number }>();

  /** Whether an item is to be applied now. One that says that something is gone is not, and `due` has it later. */
  take(item: FeedItem, nowMs: number): boolean {
    const key = feedKeyOf(item);
    // Who has the name or number now is not to be taken for who had it.
    this.#gone.delete(key);
    if (!isGone(item)) return true;
    this.#gone.set(key, { item, dueMs: nowMs + lingerMs });
    return false;
  }

  /** What is to be applied by now. */
  *due(nowMs: number): Generator<FeedItem, void> {
    for (const [key, { item, dueMs }] of this.#gone) {
      if (dueMs > nowMs) return;
      this.#gone.delete(key);
      yield item;
    }
  }
}

function isGone({ kind }: FeedItem): boolean {
  switch (kind) {
    case "endpoint-gone":
    case "identity-gone":
    case "address-gone":
    case "frontend-gone":
      return true;
    case "self":
    case "endpoint":
    case "identity":
    case "address":
    case "frontend":
    case "interface":
    case "node":
    case "node-gone":
    case "rule":
    case "policy":
    case "synced":
      return false;
  }
}
