// The order of writes: whatever the kernel holds between two of them, it lets nobody in whom neither the policy before
// nor the one after lets in, nor through a proxy that enforces something else. Changes are random; the seed is printed.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { type PolicyInput, subjectKeyOf } from "./inputs/model.ts";
import type { MapSizes } from "./testing/policy-node.ts";
import {
  address,
  Bench,
  ciliumPolicy,
  cluster,
  denyApp,
  denyBlock,
  fromApp,
  fromBlock,
  httpFrom,
  identity,
  networkPolicy,
  policyGone,
  synced,
} from "./testing/bench.ts";
import { onCall } from "./testing/on-call.ts";

const apps = ["cart", "till", "bad"];
const blocks = ["10.244.0.0/16", "10.244.0.0/24", "10.244.1.0/24", "0.0.0.0/0"];
const paths = ["/a", "/b", "/c"];
const holes = ["10.244.0.2/32", "10.244.1.0/24", "10.244.0.0/25"];
const peers = [301, 302, 303, 304, 9].flatMap((id) =>
  ["10.244.0.1", "10.244.0.2", "10.244.1.9", "192.0.2.1"].map((from) => [id, from] as const),
);

/** Numbers below 1 from a seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function change(random: () => number, generation: number): PolicyInput {
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const id = one([302, 303, 304]);
  const kinds: readonly (() => PolicyInput)[] = [
    () => networkPolicy("apps", fromApp(one(apps), one(apps)), generation),
    () => networkPolicy("blocks", fromBlock("10.244.0.0/16", [one(holes)]), generation),
    () => networkPolicy("blocks", fromBlock(one(blocks)), generation),
    () => denyApp("deny", one(apps), generation),
    () => denyBlock("deny-block", one(blocks), generation),
    () => ciliumPolicy("l7", httpFrom([one(paths)], one(apps), one(apps)), generation),
    () => ciliumPolicy("l7", httpFrom([one(paths), one(paths)], one(apps)), generation),
    () => ciliumPolicy("more-l7", httpFrom([one(paths)], one(apps)), generation),
    () => policyGone(one(["apps", "blocks"])),
    () => policyGone(one(["deny", "deny-block", "l7", "more-l7"]), "CiliumNetworkPolicy"),
    () => identity(id, one(apps)),
    () => ({ kind: "identity-gone", id }),
    () => address(one(["10.244.0.1/32", "10.244.0.2/32", "10.244.1.9/32"]), id, one(["a", "b"])),
    () => ({ kind: "address-gone", prefix: one(["10.244.0.1/32", "10.244.1.9/32"]) }),
  ];
  return one(kinds)();
}

/** Peers that get in and with which requests, as text. */
function allowed(bench: Bench): Set<string> {
  const verdicts = bench.ingress(1, ...peers);
  return new Set(
    peers.flatMap((peer, index) => {
      const [verdict, port] = verdicts[index]?.split(" ") ?? [];
      if (verdict === "allow") return [`${peer} all`];
      const listener = bench.enforced.get(Number(port));
      return (listener?.ruleSet.rules ?? []).map(({ match }) => `${peer} ${JSON.stringify(match)}`);
    }),
  );
}

/** Rounds of changes, with everything that is let in looked at before every call of the maps. */
class Watch implements Disposable {
  readonly bench: Bench;
  readonly #random: () => number;
  readonly #seed: number;
  /** What holds, to be told to another engine. */
  readonly #state = new Map<string, PolicyInput>();
  #seen = new Set<string>();
  /** Calls until the engine is killed. */
  #callsLeft = Infinity;
  #round = 1;

  constructor(seed: number, sizes: MapSizes) {
    this.#seed = seed;
    this.#random = generator(seed);
    this.bench = new Bench(sizes);
    this.#start([...cluster, networkPolicy("apps", fromApp("cart"))]);
  }

  /** @param mayDie the engine is killed at one of its writes, and another one told everything */
  round(options: { readonly mayDie: boolean }): void {
    const changes = Array.from({ length: 1 + Math.floor(this.#random() * 3) }, () =>
      change(this.#random, ++this.#round),
    );
    const before = allowed(this.bench);
    this.#seen = new Set();
    if (options.mayDie) this.#callsLeft = Math.floor(this.#random() * 30);
    try {
      this.#note(changes);
      this.bench.tell(...changes);
    } catch (error) {
      if (error !== killed) throw error;
      this.#start([]);
    }
    this.#callsLeft = Infinity;
    const after = allowed(this.bench);
    const either = before.union(after);
    const isFree = (text: string) => either.has(`${text.split(" ")[0]} all`);
    const wrong = [...this.#seen.difference(either)].filter((text) => !isFree(text));
    const what = `seed ${this.#seed}, round ${this.#round}: ${JSON.stringify(changes)}`;
    assert.deepEqual(wrong, [], what);
  }

  [Symbol.dispose](): void {
    this.bench[Symbol.dispose]();
  }

  #start(inputs: readonly PolicyInput[]): void {
    this.#callsLeft = Infinity;
    this.#note(inputs);
    // What the file of listeners says may be lost with the engine.
    if (this.#random() < 0.3) rmSync(this.bench.listenersPath, { force: true });
    this.bench.restart(onCall(() => this.#look())).want(1);
    this.bench.tell(...this.#state.values(), synced);
    this.bench.engine.adopt();
    this.bench.settle();
  }

  #note(inputs: readonly PolicyInput[]): void {
    for (const input of inputs) this.#state.set(subjectKeyOf(input), input);
  }

  #look(): void {
    this.#seen = this.#seen.union(allowed(this.bench));
    if (this.#callsLeft-- <= 0) throw killed;
  }
}

const killed = new Error("killed");
const small: MapSizes = { classes: 10, rules: 12, addresses: 8, identities: 8 };
const first = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e6));

for (let seed = first; seed < first + 4; seed++) {
  test(`between two writes nobody gets in who should not (seed ${seed})`, () => {
    using watch = new Watch(seed, {});
    for (let round = 0; round < 12; round++) watch.round({ mayDie: false });
  });
  test(`nor when the tables are too small (seed ${seed})`, () => {
    using watch = new Watch(seed, small);
    for (let round = 0; round < 12; round++) watch.round({ mayDie: false });
  });
  test(`nor when the engine is killed at any of them (seed ${seed})`, () => {
    using watch = new Watch(seed, {});
    for (let round = 0; round < 12; round++) watch.round({ mayDie: round % 2 === 1 });
  });
}
