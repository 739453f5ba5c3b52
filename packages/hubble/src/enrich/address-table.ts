// Addresses of packets by their four words, with what is known of each: the text is written once, and who has the address
// is looked up once as long as nothing changes. A fixed number of places; who comes last has one.
import { Address } from "@tsilium/net";
import type { FlowEndpoint } from "../model.ts";
import type { PortServices } from "./services.ts";

export type KnownAddress = {
  /** In network order, as numbers; of IPv4 the last. */
  readonly words: readonly [number, number, number, number];
  readonly family: 4 | 6;
  readonly text: string;
  /** State of knowledge that what follows is of. */
  revision: number;
  services: PortServices | undefined;
  /** Identity that an event said; `endpoint` is for it. */
  identity: number;
  endpoint: FlowEndpoint | undefined;
};

const places = 32_768;

export class AddressTable {
  readonly #places: (KnownAddress | undefined)[] = Array.from({ length: places });

  ipv4(word: number): KnownAddress {
    const at = placeOf(word);
    const found = this.#places[at];
    if (found !== undefined && found.family === 4 && found.words[3] === word) return found;
    return (this.#places[at] = addressOf([0, 0, 0, word], 4));
  }

  ipv6(a: number, b: number, c: number, d: number): KnownAddress {
    const at = placeOf(Math.imul(a, 0x85ebca6b) ^ Math.imul(b, 0xc2b2ae35) ^ Math.imul(c, 31) ^ d);
    const found = this.#places[at];
    if (found !== undefined && found.family === 6) {
      const [first, second, third, fourth] = found.words;
      if (fourth === d && third === c && second === b && first === a) return found;
    }
    return (this.#places[at] = addressOf([a, b, c, d], 6));
  }
}

/** Mixes all bits into the place: neighbours differ in the last ones only. */
function placeOf(word: number): number {
  const mixed = Math.imul(word ^ (word >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 15)) & (places - 1);
}

function addressOf(words: KnownAddress["words"], family: 4 | 6): KnownAddress {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  words.forEach((word, at) => view.setUint32(at * 4, word));
  const text = Address.fromBytes(family === 4 ? bytes.subarray(12) : bytes).toString();
  return {
    words,
    family,
    text,
    revision: -1,
    services: undefined,
    identity: 0,
    endpoint: undefined,
  };
}
