// Plays the agent of one node for a PolicyCompiler: tells it what a scenario has, tells it what changed when the next one
// comes, numbers the cidr-sets of addresses, and keeps the maps that its answers amount to.
import type { Prefix } from "@tsilium/net";
import {
  countedPorts,
  PolicyCompiler,
  type CidrGroup,
  type PeerIdentity,
  type Policy,
  type PolicyDelta,
  type PolicyService,
  type Subject,
} from "../../index.ts";
import type { Scenario } from "../generate/index.ts";
import { KernelPolicy } from "./kernel-policy.ts";
import { Numbering, Numbers, type NodeView, viewOf } from "./node-view.ts";
import { groupsOf, policiesOf, servicesOf } from "./parsed.ts";
import { Tracked } from "./tracked.ts";

/** A row of tsi_ipcache, as far as policy is concerned. */
export type AddressRow = {
  readonly prefix: Prefix;
  readonly identity: number;
  readonly cidrSet: number;
};

export type Listener = (delta: PolicyDelta, before: KernelPolicy) => void;

export class Player {
  readonly compiler: PolicyCompiler;
  readonly kernel: KernelPolicy = new KernelPolicy();
  readonly node: string;
  readonly #tell: Listener;
  readonly #numbering = new Numbering();
  readonly #setNumbers = new Numbers(1);
  readonly #told;
  #view: NodeView | undefined;
  #rows: readonly AddressRow[] = [];

  /** `listener` hears of every delta, with the maps as they were before it. */
  constructor(scenario: Scenario, node: string, listener: Listener = () => {}) {
    const { settings, world } = scenario;
    const compiler = new PolicyCompiler(
      { ...settings, denyResponse: "drop", clusterName: world.clusterName },
      // As in the kernel: no small number is a listener's.
      { ports: countedPorts(10_000) },
    );
    this.compiler = compiler;
    this.node = node;
    this.#tell = listener;
    this.#told = {
      identities: new Tracked<number, PeerIdentity>({
        set: (_, identity) => compiler.setIdentity(identity),
        delete: (id) => compiler.deleteIdentity(id),
      }),
      subjects: new Tracked<number, Subject>({
        set: (_, subject) => compiler.setSubject(subject),
        delete: (id) => compiler.deleteSubject(id),
      }),
      groups: new Tracked<string, CidrGroup>({
        set: (_, group) => compiler.setCidrGroup(group),
        delete: (name) => compiler.deleteCidrGroup(name),
      }),
      services: new Tracked<string, PolicyService>({
        set: (_, service) => compiler.setService(service),
        delete: (key) => {
          const [namespace = "", name = ""] = key.split("/");
          compiler.deleteService(namespace, name);
        },
      }),
      policies: new Tracked<string, Policy>({
        set: (_, policy) => compiler.setPolicy(policy),
        delete: (key) => {
          const [kind = "", namespace = "", name = ""] = key.split("/");
          compiler.deletePolicy({ kind: kind as Policy["ref"]["kind"], namespace, name });
        },
      }),
      cidrSets: new Tracked<number, readonly Prefix[]>({
        set: (id, prefixes) => compiler.setCidrSet(id, prefixes),
        delete: (id) => compiler.deleteCidrSet(id),
      }),
    };
    this.sync(scenario);
  }

  /** Makes the compiler's world this one, by what is different from the last. */
  sync(scenario: Scenario): void {
    const view = viewOf(scenario, this.node, this.#numbering);
    this.#view = view;
    this.#told.identities.become(view.identities);
    this.#told.groups.become(groupsOf(scenario));
    this.#told.services.become(servicesOf(scenario));
    this.#told.policies.become(policiesOf(scenario));
    this.#told.subjects.become(view.subjects);
    this.#commit();
    this.#rows = this.#addressRows(view);
    const sets = new Map(
      this.#rows
        .filter(({ cidrSet }) => cidrSet > 0)
        .map((row) => [row.cidrSet, this.#around(row.prefix)]),
    );
    this.#told.cidrSets.become(sets);
    this.#commit();
  }

  /** Who an address belongs to and which prefixes of policies it lies in: the longest row around it. */
  lookup(prefix: Prefix): AddressRow {
    const around = this.#rows.filter((row) => row.prefix.contains(prefix));
    const [longest] = around.sort((a, b) => b.prefix.length - a.prefix.length);
    if (!longest) throw new Error(`nobody has ${prefix}`);
    return longest;
  }

  get rows(): readonly AddressRow[] {
    return this.#rows;
  }

  get view(): NodeView {
    return this.#view as NodeView;
  }

  #commit(): void {
    const delta = this.compiler.commit();
    this.#tell(delta, this.kernel);
    this.kernel.apply(delta);
  }

  /** A row for whoever has addresses and for every prefix of a policy; the latter's owner is who the next longer row says. */
  #addressRows({ owned }: NodeView): AddressRow[] {
    const known = new Set(owned.map(({ prefix }) => prefix.toString()));
    const ofPolicies = [...this.compiler.prefixes().values()]
      .filter((prefix) => !known.has(prefix.toString()))
      .map((prefix) => {
        const around = owned.filter((row) => row.prefix.contains(prefix));
        const [longest] = around.sort((a, b) => b.prefix.length - a.prefix.length);
        if (!longest) throw new Error(`nobody has ${prefix}`);
        return { prefix, identity: longest.identity };
      });
    return [...owned, ...ofPolicies].map(({ prefix, identity }) => ({
      prefix,
      identity,
      cidrSet: this.#setNumber(prefix),
    }));
  }

  /** Sets of the same prefixes have the same number; 0 is the empty one. */
  #setNumber(prefix: Prefix): number {
    const around = this.#around(prefix);
    return around.length === 0 ? 0 : this.#setNumbers.of(around.join(" "));
  }

  #around(prefix: Prefix): Prefix[] {
    return [...this.compiler.prefixes().values()]
      .filter((other) => other.contains(prefix))
      .sort((a, b) => a.compare(b));
  }
}
