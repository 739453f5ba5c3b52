// Whose turn it is: one client's flood must not take the time in which others' questions are looked at. A client that
// asks alone may have all of it.

/** What is remembered of a client. */
export type Taker = {
  /** Bytes of its address. */
  readonly key: string;
  /** How often it asked in which window, and the turns that it has taken of later ones. */
  asked: number;
  owed: number;
  window: number;
};

export function newTaker(key: string): Taker {
  return { key, asked: 0, owed: 0, window: 0 };
}

export const windowMs = 100;
/** For so long after two clients asked in turn, neither is alone. */
const sharedMs = 1_000;
/** What answers usually have is for nothing. */
const bytesOfTurn = 1_024;
const mostWindowsOwed = 20;

export class Turns {
  readonly #perWindow: number;
  #last = "";
  #sharedUntilMs = 0;

  /** @param perSecond questions of one client, while others ask */
  constructor(perSecond: number) {
    this.#perWindow = Math.max(1, Math.floor((perSecond * windowMs) / 1_000));
  }

  /** Whether the client's next question is looked at. */
  take(client: Taker, nowMs: number): boolean {
    if (client.key !== this.#last) {
      // The first of all has nobody beside it.
      if (this.#last !== "") this.#sharedUntilMs = nowMs + sharedMs;
      this.#last = client.key;
    }
    const window = Math.floor(nowMs / windowMs);
    if (client.window !== window) {
      client.asked = Math.min(client.owed, this.#perWindow);
      client.owed -= client.asked;
      client.window = window;
    }
    client.asked++;
    return client.asked <= this.#perWindow || nowMs >= this.#sharedUntilMs;
  }

  /** Large answers take as long to read as many questions: they cost their client turns of the next windows. */
  charge(client: Taker, answerBytes: number): void {
    const turns = Math.floor(answerBytes / bytesOfTurn);
    client.owed = Math.min(client.owed + turns, mostWindowsOwed * this.#perWindow);
  }
}
