// Encoded forms of the newest flows, so that clients that follow side by side share them.
import type { Flow } from "../model.ts";

/** Clients that are further apart than this each encode for themselves; it is about 4 MB of bytes. */
const places = 4_096;

export class EncodedFlows {
  readonly #flows: (Flow | undefined)[] = Array.from({ length: places }, () => undefined);
  readonly #bytes: (Uint8Array | undefined)[] = Array.from({ length: places }, () => undefined);
  #newest = 0;

  /** `encode(flow)`, or what it gave before. An old flow, of the store, takes no new one's place. */
  get(flow: Flow, encode: (flow: Flow) => Uint8Array): Uint8Array {
    const place = flow.sequence % places;
    const known = this.#flows[place] === flow ? this.#bytes[place] : undefined;
    if (known) return known;
    const bytes = encode(flow);
    this.#newest = Math.max(this.#newest, flow.sequence);
    if (flow.sequence + places <= this.#newest) return bytes;
    this.#flows[place] = flow;
    this.#bytes[place] = bytes;
    return bytes;
  }
}
