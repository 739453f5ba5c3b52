// How much one client may have the agent told: answers with thousands of addresses, each time others, would keep the
// agent busy with them alone.

/** Addresses of names in a second: far more than anybody connects to. */
const mostInWindow = 20_000;
const windowMs = 1_000;

export class Lessons {
  readonly #taken = new Map<string, number>();
  #window = 0;

  /** Whether the client may have so many addresses told now. */
  take(client: string, count: number, nowMs: number): boolean {
    const window = Math.floor(nowMs / windowMs);
    if (window !== this.#window) this.#taken.clear();
    this.#window = window;
    const taken = (this.#taken.get(client) ?? 0) + count;
    if (taken > mostInWindow) return false;
    this.#taken.set(client, taken);
    return true;
  }
}
