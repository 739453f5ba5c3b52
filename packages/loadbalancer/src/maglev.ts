// Maglev tables (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4): every backend
// goes through the table in an order of its own and takes entries until it has its share.
//
// In the paper backends take turns, and who comes first keeps an entry; a backend that goes then moves 1.3% of the entries of
// the other 99 of 100. Here an entry is kept by whom fewer steps lead to it (a stable matching: Gale and Shapley, "College
// Admissions and the Stability of Marriage", 1962), which moves half as many, and does not depend on any order of turns.
import { murmur3 } from "./murmur3.ts";

/** A backend as tables know it: nothing of a node, so that all nodes make the same of it. */
export type MaglevBackend = {
  /** Unique: "10.0.0.1:80/TCP". */
  readonly key: string;
};

export type MaglevOptions = {
  /** A prime, at least 3, so that every step goes through the whole table. */
  readonly size: number;
  /** 32 bits; the same on all nodes. */
  readonly seed: number;
};

/** A backend's way through the table: `at`, `at + step`, ... modulo the size. */
type Walk = {
  readonly key: string;
  readonly at: number;
  readonly step: number;
  readonly hash: number;
};

/** Makes tables of one size and seed. Remembers the ways of backends, as long as these objects live. */
export class MaglevTables {
  readonly #walks = new WeakMap<MaglevBackend, Walk>();
  readonly #options: MaglevOptions;

  constructor(options: MaglevOptions) {
    this.#options = options;
  }

  /**
   * Index into `backends` per entry: the same for the same backends in any order. Empty without backends.
   * `weightOf`: 1 and up; a backend's share of entries is its weight / sum of weights, rounded up or down. All alike by default.
   */
  table<T extends MaglevBackend>(
    backends: readonly T[],
    weightOf: (backend: T) => number = () => 1,
  ): Uint32Array {
    if (backends.length === 0) return new Uint32Array(0);
    const walks = backends.map((backend) => this.#walkOf(backend));
    const { size } = this.#options;
    return matched(walks, sharesOf(backends.map(weightOf), walks, size), size);
  }

  #walkOf(backend: MaglevBackend): Walk {
    const known = this.#walks.get(backend);
    if (known) return known;
    const walk = walkOf(backend.key, this.#options);
    this.#walks.set(backend, walk);
    return walk;
  }
}

/** The same for backends that are asked about once. */
export function maglevTable(
  backends: readonly (MaglevBackend & { readonly weight: number })[],
  options: MaglevOptions,
): Uint32Array {
  return new MaglevTables(options).table(backends, ({ weight }) => weight);
}

const encoder = new TextEncoder();

function walkOf(key: string, { size, seed }: MaglevOptions): Walk {
  const bytes = encoder.encode(key);
  return {
    key,
    at: murmur3(bytes, seed) % size,
    step: (murmur3(bytes, seed ^ 0x9e3779b9) % (size - 1)) + 1,
    hash: murmur3(bytes, seed ^ 0x7f4a7c15),
  };
}

/** Among equals: by hash, and by key where even these are equal. */
function goesBefore(a: Walk, b: Walk): boolean {
  return a.hash === b.hash ? a.key < b.key : a.hash < b.hash;
}

/** How many entries each gets. Who has the largest part of one left gets it whole. */
function sharesOf(weights: readonly number[], walks: readonly Walk[], size: number): Uint32Array {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const exact = Float64Array.from(weights, (weight) => (size * weight) / sum);
  const shares = Uint32Array.from(exact, Math.floor);
  const missing = size - shares.reduce((total, share) => total + share, 0);
  // Sorting numbers is much faster than sorting by a function: few are as good as the last that gets one more.
  const rests = exact.map((share, index) => share - (shares[index] as number));
  const least = rests.toSorted()[rests.length - missing] ?? Number.POSITIVE_INFINITY;
  const equal: number[] = [];
  let left = missing;
  for (let index = 0; index < rests.length; index++) {
    const rest = rests[index] as number;
    if (rest === least) equal.push(index);
    if (rest <= least) continue;
    shares[index] = (shares[index] as number) + 1;
    left--;
  }
  for (const index of firstOf(equal, left, walks)) shares[index] = (shares[index] as number) + 1;
  return shares;
}

function firstOf(indexes: readonly number[], count: number, walks: readonly Walk[]): number[] {
  const hash = (index: number) => (walks[index] as Walk).hash;
  const last = Float64Array.from(indexes, hash).sort()[count - 1] ?? -1;
  const found = indexes.filter((index) => hash(index) < last);
  const atLast = indexes
    .filter((index) => hash(index) === last)
    .sort((a, b) => (goesBefore(walks[a] as Walk, walks[b] as Walk) ? -1 : 1));
  return [...found, ...atLast.slice(0, count - found.length)];
}

const nobody = 0xffff_ffff;

/** Index of the walk by entry. Backends ask along their walks; who loses an entry to a stronger one asks on. */
function matched(walks: readonly Walk[], shares: Uint32Array, size: number): Uint32Array {
  const owner = new Uint32Array(size).fill(nobody);
  const strength = new Float64Array(size);
  const missing = Uint32Array.from(shares);
  const at = Uint32Array.from(walks, (walk) => walk.at);
  const steps = new Uint32Array(walks.length);
  const asking = [...walks.keys()];
  for (let turn = asking.pop(); turn !== undefined; turn = asking.pop()) {
    const { step, hash } = walks[turn] as Walk;
    while ((missing[turn] as number) > 0) {
      const entry = at[turn] as number;
      const claim = claimOn(entry, steps[turn] as number, hash);
      at[turn] = (entry + step) % size;
      steps[turn] = (steps[turn] as number) + 1;
      const holder = owner[entry] as number;
      if (holder !== nobody) {
        const held = strength[entry] as number;
        const isWeaker =
          claim > held ||
          (claim === held && goesBefore(walks[holder] as Walk, walks[turn] as Walk));
        if (isWeaker) continue;
        missing[holder] = (missing[holder] as number) + 1;
        asking.push(holder);
      }
      owner[entry] = turn;
      strength[entry] = claim;
      missing[turn] = (missing[turn] as number) - 1;
    }
  }
  return owner;
}

/** The lower, the stronger: fewer steps, then chance. */
function claimOn(entry: number, steps: number, hash: number): number {
  let mixed = Math.imul(hash ^ Math.imul(entry, 0x9e3779b1), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return steps * 65_536 + ((mixed ^ (mixed >>> 16)) & 0xffff);
}
