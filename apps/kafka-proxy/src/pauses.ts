// Why a socket is not read from just now; it is read from when no reason is left.
import type { Socket } from "node:net";

export type PauseReason = "other side" | "question" | "answers" | "turn";

export class Pauses {
  readonly #socket: Socket;
  readonly #reasons = new Set<PauseReason>();

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  has(reason: PauseReason): boolean {
    return this.#reasons.has(reason);
  }

  set(reason: PauseReason, isPaused: boolean): void {
    if (isPaused) this.#reasons.add(reason);
    else this.#reasons.delete(reason);
    if (this.#reasons.size > 0) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }
}
