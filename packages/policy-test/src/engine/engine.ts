// Policy as an agent compiles it, with everybody in the cluster as a subject, and without a kernel: questions are
// answered from the very slots that an agent would write.
import { type AddressRow, AddressRows } from "@tsilium/ipcache";
import { ReservedIdentity, worldIdentity } from "@tsilium/identity";
import { type Address, Prefix, PrefixTrie } from "@tsilium/net";
import { type ExplainQuestion, PolicyCompiler } from "@tsilium/policy";
import type {
  CidrGroup,
  CompiledSlot,
  Direction,
  Policy,
  PolicyRef,
  PolicyService,
  RuleName,
  Subject,
  PeerIdentity,
} from "@tsilium/policy/model.ts";
import type { Explanation } from "../explanation.ts";
import type { EngineSettings } from "./settings.ts";
import { SlotView } from "./slot-view.ts";

export type EngineInput = {
  readonly policies: readonly Policy[];
  readonly cidrGroups: readonly CidrGroup[];
  readonly services: readonly PolicyService[];
  /** Everybody's, reserved ones included. */
  readonly identities: readonly PeerIdentity[];
  /** Who has policy. */
  readonly subjects: readonly Subject[];
  /** Who has which address; all others are the world's. */
  readonly addresses: readonly { readonly prefix: Prefix; readonly identity: number }[];
};

/** What is different from what was said before. */
export type EngineChange = {
  readonly policies?: readonly Policy[];
  readonly removedPolicies?: readonly PolicyRef[];
  readonly cidrGroups?: readonly CidrGroup[];
  readonly removedCidrGroups?: readonly string[];
};

export class Engine {
  readonly #compiler: PolicyCompiler;
  readonly #addresses: AddressRows;
  /** By slot number. */
  readonly #views = new Map<number, SlotView>();
  /** As the kernel's address table: the longest match counts. */
  #rows = new PrefixTrie<AddressRow>();

  constructor(input: EngineInput, settings: EngineSettings) {
    this.#compiler = compilerOf(input, settings);
    this.#addresses = addressRowsOf(input, settings);
    this.#commit();
  }

  /**
   * Compiles a change. Slots that it does not touch keep their numbers: of two engines with the same input, those with
   * the same number say the same.
   */
  change(change: EngineChange): void {
    for (const group of change.cidrGroups ?? []) this.#compiler.setCidrGroup(group);
    for (const name of change.removedCidrGroups ?? []) this.#compiler.deleteCidrGroup(name);
    for (const policy of change.policies ?? []) this.#compiler.setPolicy(policy);
    for (const ref of change.removedPolicies ?? []) this.#compiler.deletePolicy(ref);
    this.#commit();
  }

  /** Whose the address is, and the cidr set it is of: as the kernel's address table has it. */
  whoHas(address: Address): { readonly identity: number; readonly cidrSet: number } {
    const covering = [...this.#rows.covering(Prefix.host(address))];
    return covering.at(-1) ?? { identity: ReservedIdentity.world, cidrSet: 0 };
  }

  explain(question: ExplainQuestion): Explanation {
    return this.#compiler.explain(question);
  }

  /** What a subject is held to; undefined: no policy is about it in this direction. */
  slotOf(subject: number, direction: Direction): SlotView | undefined {
    const slot = this.#compiler.slotsOf(subject)?.[direction];
    return slot === undefined || isFree(slot) ? undefined : this.#viewOf(slot);
  }

  ruleName(number: number): RuleName | undefined {
    return this.#compiler.ruleName(number);
  }

  /** Every row of the address table. */
  addresses(): Iterable<AddressRow> {
    return this.#addresses.rows();
  }

  #commit(): void {
    this.#compiler.commit();
    this.#addresses.setPrefixes(this.#compiler.prefixes());
    for (const { id, prefixes } of this.#addresses.commit().addedSets)
      this.#compiler.setCidrSet(id, prefixes);
    this.#compiler.commit();
    this.#views.clear();
    this.#rows = new PrefixTrie();
    for (const row of this.#addresses.rows()) this.#rows.set(row.prefix, row);
  }

  #viewOf(slot: CompiledSlot): SlotView {
    let view = this.#views.get(slot.slot);
    const ruleSetOf = (port: number) => this.#compiler.ruleSet(port);
    if (!view) this.#views.set(slot.slot, (view = new SlotView(slot, ruleSetOf)));
    return view;
  }
}

/** Slot 1 allows everything. */
function isFree({ slot }: CompiledSlot): boolean {
  return slot === 1;
}

function compilerOf(input: EngineInput, settings: EngineSettings): PolicyCompiler {
  const compiler = new PolicyCompiler(settings);
  for (const group of input.cidrGroups) compiler.setCidrGroup(group);
  for (const service of input.services) compiler.setService(service);
  for (const identity of input.identities) compiler.setIdentity(identity);
  for (const policy of input.policies) compiler.setPolicy(policy);
  for (const subject of input.subjects) compiler.setSubject(subject);
  return compiler;
}

function addressRowsOf({ addresses }: EngineInput, { families }: EngineSettings): AddressRows {
  const isDual = families.length > 1;
  const world = { 4: worldIdentity(4, isDual), 6: worldIdentity(6, isDual) };
  const rows = new AddressRows({ world, tunnel: false });
  for (const { prefix, identity } of addresses)
    rows.setWinner({ prefix, identity, hostIp: undefined, owner: `${prefix}` });
  return rows;
}
