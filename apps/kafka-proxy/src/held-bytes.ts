// Bytes that connections hold back: requests of which more is waited for, answers that are kept to be read. Bounded
// together, and for each client, so that one cannot have others' connections ended.

const mostTogether = 256 * 1024 * 1024;
const mostOfClient = 64 * 1024 * 1024;

export class HeldBytes {
  readonly #ofClients = new Map<string, number>();
  #bytes = 0;

  /** Of all clients. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts what a client's connection holds more, or less; false: it is more than there is room for. */
  change(client: string, by: number): boolean {
    this.#bytes += by;
    const own = (this.#ofClients.get(client) ?? 0) + by;
    if (own > 0) this.#ofClients.set(client, own);
    else this.#ofClients.delete(client);
    return by <= 0 || (own <= mostOfClient && this.#bytes <= mostTogether);
  }
}
