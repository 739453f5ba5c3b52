// How long the proxy reads for each client: a request may name a hundred thousand topics, and nobody else is served while
// it is read. A client that takes more than its share waits, so that others have theirs.

/** Of all time, one client may have this part. */
const share = 0.5;
/** What it may take at once. */
const burstMs = 200;

type Taken = { ms: number; atMs: number };

export class ReadingTime {
  readonly #taken = new Map<string, Taken>();

  /** How long the client's next request has to wait. */
  waitMs(client: string, nowMs: number): number {
    const taken = this.#taken.get(client);
    if (!taken) return 0;
    const ms = taken.ms - (nowMs - taken.atMs) * share;
    if (ms <= 0) this.#taken.delete(client);
    return Math.max(0, (ms - burstMs) / share);
  }

  /** A request of the client's took so long. */
  spend(client: string, ms: number, nowMs: number): void {
    // Nearly all of them.
    if (ms < 1) return;
    const taken = this.#taken.get(client) ?? { ms: 0, atMs: nowMs };
    const left = Math.max(0, taken.ms - (nowMs - taken.atMs) * share);
    this.#taken.set(client, { ms: left + ms, atMs: nowMs });
  }
}
