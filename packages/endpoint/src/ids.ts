// Endpoint IDs: unique on the node, 1-65535, not used again soon after they were freed, so that an ID in a
// log line or an event means one endpoint.
import { EndpointError } from "./error.ts";

const largestId = 65535;

export class EndpointIds {
  readonly #used = new Set<number>();
  #last: number;

  /** @param after the ID after which to begin; a random one makes an ID differ between nodes. */
  constructor(after = Math.floor(Math.random() * largestId)) {
    this.#last = after;
  }

  /** The next free ID. @throws EndpointError id_exhausted when 65535 endpoints exist. */
  allocate(): number {
    if (this.#used.size >= largestId) {
      throw new EndpointError("id_exhausted", `all ${largestId} endpoint IDs are in use`);
    }
    do this.#last = (this.#last % largestId) + 1;
    while (this.#used.has(this.#last));
    this.#used.add(this.#last);
    return this.#last;
  }

  /** Marks a restored endpoint's ID as used. @throws EndpointError id_in_use when it is already. */
  take(id: number): void {
    if (!Number.isInteger(id) || id < 1 || id > largestId || this.#used.has(id)) {
      throw new EndpointError("id_in_use", `endpoint ID ${id} cannot be taken`);
    }
    this.#used.add(id);
  }

  release(id: number): void {
    this.#used.delete(id);
  }
}
