// Which identities the kernel takes for known. One is made known after its class entries are in every slot, and
// forgotten before they go: a full map can cost an allow, never a deny.
import type { PolicyMaps } from "@tsilium/datapath";
import type { Condition } from "./model.ts";
import { refusal } from "./refusal.ts";

export class KnownPeers {
  /** That the kernel has. */
  #known: Set<number>;
  /** That it should have. */
  readonly #wanted = new Set<number>();
  readonly #toKnow = new Set<number>();
  readonly #toForget = new Set<number>();
  #error: string | undefined;

  /** @param known those that the kernel has already */
  constructor(known: Iterable<number>) {
    this.#known = new Set(known);
  }

  /** Those that are to be known, whether or not they are yet. */
  get wanted(): ReadonlySet<number> {
    return this.#wanted;
  }

  /** Those that the kernel has. */
  get known(): ReadonlySet<number> {
    return this.#known;
  }

  get isDone(): boolean {
    return this.#toKnow.size + this.#toForget.size === 0;
  }

  know(identity: number): void {
    this.#wanted.add(identity);
    this.#toKnow.add(identity);
  }

  forget(identity: number): void {
    this.#wanted.delete(identity);
    this.#toKnow.delete(identity);
    if (this.#known.has(identity)) this.#toForget.add(identity);
  }

  /** Answers how many. @throws BpfError; to be tried again */
  writeForgotten(maps: PolicyMaps): number {
    const count = this.#toForget.size;
    if (count === 0) return 0;
    maps.forget([...this.#toForget]);
    for (const identity of this.#toForget) this.#known.delete(identity);
    this.#toForget.clear();
    return count;
  }

  /** Makes known whom nothing stands in the way of. Answers whether there were any. */
  writeKnown(maps: PolicyMaps, isBlocked: (identity: number) => boolean): boolean {
    this.#error = undefined;
    const ready = [...this.#toKnow].filter((identity) => !isBlocked(identity));
    const fresh = ready.filter((identity) => !this.#known.has(identity));
    try {
      if (fresh.length > 0) maps.setKnown(fresh);
      for (const identity of fresh) this.#known.add(identity);
      for (const identity of ready) this.#toKnow.delete(identity);
      return fresh.length > 0;
    } catch (error) {
      this.#error = refusal(error);
      return false;
    }
  }

  /** Told that the kernel has forgotten everybody who is not wanted. */
  pruned(): void {
    this.#known = this.#known.intersection(this.#wanted);
    this.#toForget.clear();
  }

  conditions(): Condition[] {
    return [...this.#toKnow].map((identity) => ({
      kind: "identity",
      name: `identity ${identity}`,
      reason: this.#error ?? "some slot has no class for it yet",
    }));
  }
}
