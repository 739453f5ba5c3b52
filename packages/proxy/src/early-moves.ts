// Moves of connections that a proxy of ours does not have. Such a move came before the connection was accepted; or after it
// was over, and then the next connection may have the same ends. Nobody can tell which, so whatever comes is to be reset:
// its client connects again, and is held to its listener's rules.

const rememberedMs = 10_000;
const mostRemembered = 10_000;

export class EarlyMoves {
  /** Ends -> until when, soonest first. */
  readonly #untilMs = new Map<string, number>();

  /** The connection with these ends was moved, and is not there. */
  note(ends: string, nowMs: number): void {
    this.#untilMs.delete(ends);
    this.#untilMs.set(ends, nowMs + rememberedMs);
    for (const [oldest, untilMs] of this.#untilMs) {
      if (untilMs > nowMs && this.#untilMs.size <= mostRemembered) return;
      this.#untilMs.delete(oldest);
    }
  }

  /** It was moved back: whatever comes is held to its listener's rules. */
  forget(ends: string): void {
    this.#untilMs.delete(ends);
  }

  /** Whether a connection with these ends, which was just accepted, is to be reset. The next one is not. */
  take(ends: string, nowMs: number): boolean {
    const untilMs = this.#untilMs.get(ends) ?? 0;
    this.#untilMs.delete(ends);
    return untilMs > nowMs;
  }
}
