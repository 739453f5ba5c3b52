// Requests that are still arriving hold memory for as long as their clients like: all of a server's together hold so much.
import { Code, ConnectError } from "@connectrpc/connect";

export class PendingBytes {
  readonly #most: number;
  #held = 0;

  /** @param most of all requests together */
  constructor(most: number) {
    this.#most = most;
  }

  /** One request. What it has held is free again once it is disposed of. */
  request(): PendingRequest {
    let own = 0;
    return {
      add: (bytes) => {
        if (this.#held + bytes > this.#most)
          throw new ConnectError("too much of other requests is under way", Code.ResourceExhausted);
        this.#held += bytes;
        own += bytes;
      },
      [Symbol.dispose]: () => {
        this.#held -= own;
        own = 0;
      },
    };
  }
}

export type PendingRequest = Disposable & {
  /** So many more have come. @throws ConnectError RESOURCE_EXHAUSTED */
  add(bytes: number): void;
};
