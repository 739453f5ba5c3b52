// Ranges that two nodes believe to be theirs. Both keep their pods; of the addresses that both could hand out only the
// node whose name comes first hands out any, so that none is given twice before somebody puts it right.
import { type Address, Prefix, PrefixTrie } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import type { Table } from "@tsilium/tables";

export type Conflict = {
  /** The other node. */
  readonly node: string;
  readonly theirs: Prefix;
  readonly ours: Prefix;
};

export type ConflictsOptions = {
  readonly nodeName: string;
  readonly nodes: Table<Node>;
  /** Which pod of another node has an address, as its CiliumEndpoint says. */
  readonly podElsewhere: (address: Address) => string | undefined;
};

/** Disposing ends following the nodes. */
export class Conflicts implements Disposable {
  readonly #options: ConflictsOptions;
  readonly #byNode = new Map<string, readonly Conflict[]>();
  readonly #subscription: Disposable;
  #ours = new PrefixTrie<Prefix>();
  #text = "";

  constructor(options: ConflictsOptions) {
    this.#options = options;
    this.#subscription = options.nodes.subscribe(
      ({ kind, row }) => {
        if (kind === "upsert" && !row.local) this.#compare(row);
        else this.#byNode.delete(row.name);
      },
      { replay: true },
    );
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  /** What this node may hand out from now on. */
  setOwn(prefixes: readonly Prefix[]): void {
    const text = prefixes.join();
    if (text === this.#text) return;
    this.#text = text;
    this.#ours = new PrefixTrie<Prefix>();
    for (const prefix of prefixes) this.#ours.set(prefix, prefix);
    this.#byNode.clear();
    for (const node of this.#options.nodes.values()) if (!node.local) this.#compare(node);
  }

  list(): Conflict[] {
    return [...this.#byNode.values()].flat();
  }

  /** Why an address is not this node's to hand out; undefined: it is. */
  takenElsewhere(address: Address): string | undefined {
    const { nodeName, podElsewhere } = this.#options;
    const elsewhere = podElsewhere(address);
    if (elsewhere !== undefined) return elsewhere;
    for (const [node, conflicts] of this.#byNode) {
      if (node > nodeName) continue;
      if (conflicts.some(({ theirs }) => theirs.contains(address))) return `node ${node}`;
    }
    return undefined;
  }

  #compare({ name, podCidrs }: Node): void {
    const found = podCidrs.flatMap((theirs) => {
      const [ours] = [...this.#ours.covering(theirs), ...this.#ours.within(theirs)];
      return ours ? [{ node: name, theirs, ours }] : [];
    });
    if (found.length === 0) this.#byNode.delete(name);
    else this.#byNode.set(name, found);
  }
}

/** In words, for status. */
export function conflictMessage(conflicts: readonly Conflict[]): string | undefined {
  const [first] = conflicts;
  if (!first) return undefined;
  const more = conflicts.length > 1 ? ` (and ${conflicts.length - 1} more)` : "";
  return `${first.ours} of this node overlaps ${first.theirs} of node ${first.node}${more}: take it from one of their CiliumNodes`;
}
