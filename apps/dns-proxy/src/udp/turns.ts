// Whose turn it is: one client's flood must not take the time in which others' questions are looked at. A client that
// asks alone may have all of it.
import type { Client } from "./clients.ts";

const windowMs = 100;
/** For so long after two clients asked in turn, neither is alone. */
const sharedMs = 1_000;

export class Turns {
  readonly #perWindow: number;
  #last = "";
  #sharedUntilMs = 0;

  /** @param perSecond questions of one client, while others ask */
  constructor(perSecond: number) {
    this.#perWindow = Math.max(1, Math.floor((perSecond * windowMs) / 1_000));
  }

  /** Whether the client's next question is looked at. */
  take(client: Client, nowMs: number): boolean {
    if (client.key !== this.#last) {
      // The first of all has nobody beside it.
      if (this.#last !== "") this.#sharedUntilMs = nowMs + sharedMs;
      this.#last = client.key;
    }
    const window = Math.floor(nowMs / windowMs);
    if (client.window !== window) {
      client.window = window;
      client.asked = 0;
    }
    client.asked++;
    return client.asked <= this.#perWindow || nowMs >= this.#sharedUntilMs;
  }
}
