// A compiler with what surrounds it on a node: an address table that is told of prefixes and tells of cidr-sets, and
// the kernel's maps, which are told of deltas. Packets are decided in the maps.
import { Address, Prefix } from "@tsilium/net";
import type { Direction, EntryVerdict, PolicySettings, RuleName, RuleSet } from "../../model.ts";
import { KernelPolicy } from "../../testing/player/kernel-policy.ts";
import { PolicyCompiler } from "../compiler.ts";
import type { RuleSetPorts } from "../rule-set-ports.ts";
import type { PolicyDelta } from "../delta.ts";

export type NodePacket = {
  readonly subject: number;
  readonly direction: Direction;
  readonly identity: number;
  readonly address: Address;
  readonly protocol: number;
  readonly port: number;
};

export type NodeAnswer = {
  readonly verdict: EntryVerdict | "unknown peer";
  readonly name: RuleName | undefined;
  /** Of a redirect. */
  readonly ruleSet?: RuleSet | undefined;
};

export class TestNode {
  readonly compiler: PolicyCompiler;
  readonly kernel = new KernelPolicy();
  /** Text of the prefixes in a set -> its number. */
  readonly #sets = new Map<string, number>();
  #lastSet = 0;
  readonly #addresses: readonly Address[];

  /** @param addresses those that packets may come from */
  constructor(settings: PolicySettings, addresses: readonly Address[], ports?: RuleSetPorts) {
    this.compiler = new PolicyCompiler(settings, ports ? { ports } : {});
    this.#addresses = addresses;
  }

  /** Compiles what changed and writes it, as often as it takes. */
  commit(): PolicyDelta[] {
    const deltas = [this.compiler.commit()];
    const contents = new Map<string, Prefix[]>();
    for (const address of this.#addresses) {
      const covering = this.#covering(address);
      if (covering.length > 0) contents.set(covering.join(), covering);
    }
    for (const [text, prefixes] of contents)
      if (!this.#sets.has(text)) {
        this.#sets.set(text, ++this.#lastSet);
        this.compiler.setCidrSet(this.#lastSet, prefixes);
      }
    deltas.push(this.compiler.commit());
    for (const delta of deltas) this.kernel.apply(delta);
    for (const [text, id] of this.#sets)
      if (!contents.has(text)) {
        this.#sets.delete(text);
        this.compiler.deleteCidrSet(id);
      }
    return deltas;
  }

  decide({ address, ...packet }: NodePacket): NodeAnswer {
    const cidrSet = this.cidrSetOf(address);
    const { verdict, rule, proxyPort } = this.kernel.decide({ ...packet, cidrSet });
    const name = this.compiler.ruleName(rule);
    if (name?.kind !== "rule") return { verdict, name };
    // Which rule it was; what that looks at is another question.
    const { kind, ref, path } = name;
    const answer = { verdict, name: { kind, ref, path } } as const;
    if (proxyPort === undefined) return answer;
    return { ...answer, ruleSet: this.compiler.ruleSet(proxyPort) };
  }

  cidrSetOf(address: Address): number {
    return this.#sets.get(this.#covering(address).join()) ?? 0;
  }

  #covering(address: Address): Prefix[] {
    return [...this.compiler.prefixes().values()]
      .filter((prefix) => prefix.contains(address))
      .sort((a, b) => a.compare(b));
  }
}
