// A compiled slot and how finely it tells ports apart, which its entries say by their port prefixes.
import { lookup } from "@tsilium/policy";
import type { CompiledSlot, EntryVerdict, RuleSet } from "@tsilium/policy/model.ts";

/** Whoever is at the other end, as a slot looks at it. */
export type SlotPeer = { readonly identity: number; readonly cidrSet: number };

export type SlotDecision = {
  readonly verdict: EntryVerdict;
  readonly rule: number;
  /** Of a redirect: what the proxy lets through. */
  readonly ruleSet?: RuleSet;
};

/** What the listener of a port enforces. */
export type RuleSetOf = (proxyPort: number) => RuleSet | undefined;

/** Ports of one protocol that are not told from each other. */
export type PortSpan = { readonly first: number; readonly last: number };

const lastPort = 65_535;

export class SlotView {
  readonly slot: CompiledSlot;
  readonly #classes: ReadonlyMap<number, number>;
  readonly #ruleSetOf: RuleSetOf;

  constructor(slot: CompiledSlot, ruleSetOf: RuleSetOf) {
    this.slot = slot;
    this.#ruleSetOf = ruleSetOf;
    this.#classes = new Map(slot.classes.map((entry) => [entry.identity, entry.class]));
  }

  decide(peer: SlotPeer, protocol: number, port: number): SlotDecision {
    const answer = lookup(this.slot, { ...peer, protocol, port });
    if (answer.kind === "decided") {
      const { verdict, rule } = answer;
      const ruleSet = verdict === "redirect" ? this.#ruleSetOf(answer.proxyPort) : undefined;
      return { verdict, rule, ...(ruleSet ? { ruleSet } : {}) };
    }
    throw new Error(`slot ${this.slot.slot} does not know identity ${peer.identity}`);
  }

  /** Where a peer's verdict may change from one port to the next: the first port of what is different. */
  portEdges({ identity }: SlotPeer, protocol: number): number[] {
    const own = this.#classes.get(identity) ?? 0;
    return this.slot.rules
      .filter((entry) => entry.protocol === protocol && entry.class === own)
      .flatMap(({ port, portLength }) => [port, port + 2 ** (16 - portLength)]);
  }

  /** Protocols that some entry tells from the others. */
  get protocols(): number[] {
    return [...new Set(this.slot.rules.map(({ protocol }) => protocol))].filter((one) => one !== 0);
  }
}

/** All ports, cut at these edges. */
export function spansOf(edges: readonly number[]): PortSpan[] {
  const firsts = [...new Set([0, ...edges])].filter((edge) => edge <= lastPort);
  const sorted = firsts.toSorted((a, b) => a - b);
  return sorted.map((first, at) => ({ first, last: (sorted[at + 1] ?? lastPort + 1) - 1 }));
}
