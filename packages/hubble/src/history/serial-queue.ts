// Tasks one after the other: what is written is written in the order in which it was said.

export class SerialQueue {
  #last: Promise<void> = Promise.resolve();

  /** @param task must not reject: whoever gives it handles its errors */
  add(task: () => Promise<void>): void {
    this.#last = this.#last.then(task);
  }

  /** When everything added so far is done. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
