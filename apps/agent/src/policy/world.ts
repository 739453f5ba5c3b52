// Everything that policy is compiled from, kept up to date by inputs: policies are parsed, texts become values. What
// the compiler and the table of addresses make of it is the engine's to ask for.
import { AddressRows, type AddressRowsOptions, HostAddresses } from "@tsilium/ipcache";
import { ReservedIdentity } from "@tsilium/identity/model.ts";
import type { KubeObject } from "@tsilium/kube";
import { Labels, Prefix } from "@tsilium/net";
import {
  parseCidrGroup,
  parsePolicy,
  PolicyCompiler,
  type Problem,
  type RuleSetPorts,
} from "@tsilium/policy";
import type { Policy, PolicyRef } from "@tsilium/policy/model.ts";
import type { AddressInput, IdentityInput, PolicyInput, ServiceInput } from "./inputs/model.ts";
import type { ObjectRef, PolicyWorkerSettings, WantedSubject } from "./model.ts";
import { ObjectBook, type ObjectVersion } from "./object-book.ts";

export type WorldStart = {
  readonly firstRule: number;
  readonly firstSet: number;
  readonly ports: RuleSetPorts;
};

export class PolicyWorld {
  readonly compiler: PolicyCompiler;
  readonly addresses: AddressRows;
  readonly policies: ObjectBook = new ObjectBook();
  readonly cidrGroups: ObjectBook = new ObjectBook();
  readonly #settings: PolicyWorkerSettings;
  readonly #identities = new Map<number, Labels>();
  readonly #hostAddresses = new HostAddresses();
  #synced = false;

  constructor(settings: PolicyWorkerSettings, { firstRule, firstSet, ports }: WorldStart) {
    const { tunnel, dualStack } = settings;
    this.#settings = settings;
    this.compiler = new PolicyCompiler(settings, { firstRule, ports });
    this.addresses = new AddressRows({ world: worldIdentities(dualStack), tunnel, firstSet });
  }

  /** Everything that exists has been said once. */
  get isSynced(): boolean {
    return this.#synced;
  }

  get identityCount(): number {
    return this.#identities.size;
  }

  identityLabels(id: number): Labels | undefined {
    return this.#identities.get(id);
  }

  setSubject(id: number, { identity, labels, namedPorts, audit }: WantedSubject): void {
    this.compiler.setSubject({ id, identity, labels: Labels.parse(labels), namedPorts, audit });
  }

  deleteSubject(id: number): void {
    this.compiler.deleteSubject(id);
  }

  /** Takes one input in. @throws AddressError on texts that inputs never hold */
  apply(input: PolicyInput): void {
    switch (input.kind) {
      case "policy":
        return this.#setPolicy(input.ref, input.object);
      case "policy-gone":
        this.policies.remove(input.ref);
        return this.compiler.deletePolicy(input.ref);
      case "cidr-group":
        return this.#setCidrGroup(input.name, input.object);
      case "cidr-group-gone":
        this.cidrGroups.remove(groupRef(input.name));
        return this.compiler.deleteCidrGroup(input.name);
      case "service":
        return this.#setService(input);
      case "service-gone":
        return this.compiler.deleteService(input.namespace, input.name);
      case "identity":
        return this.#setIdentity(input);
      case "identity-gone":
        this.#identities.delete(input.id);
        return this.compiler.deleteIdentity(input.id);
      case "address":
        return this.#setAddress(input);
      case "address-gone":
        return this.addresses.deleteWinner(Prefix.parse(input.prefix));
      case "synced":
        this.#synced = true;
    }
  }

  #setPolicy(ref: PolicyRef, object: KubeObject): void {
    const { clusterName, kubernetesIpBlock, nodeSelectorLabels } = this.#settings;
    const version = versionOf(ref, object);
    // Another object of the same name: what the one before said is over, whatever this one says.
    if (this.policies.isOther(version)) {
      this.policies.remove(ref);
      this.compiler.deletePolicy(ref);
    }
    const result = understood(() =>
      parsePolicy(object, { clusterName, kubernetesIpBlock, nodeSelectorLabels }),
    );
    this.policies.note(
      version,
      result.ok ? { ...result, rules: ruleCount(result.policy) } : result,
    );
    if (result.ok) this.compiler.setPolicy(result.policy);
  }

  #setCidrGroup(name: string, object: KubeObject): void {
    const result = understood(() => parseCidrGroup(object));
    this.cidrGroups.note(versionOf(groupRef(name), object), result);
    if (result.ok) this.compiler.setCidrGroup(result.group);
  }

  #setService({ namespace, name, labels, selector, backends }: ServiceInput): void {
    this.compiler.setService({
      namespace,
      name,
      labels: Labels.parse(labels),
      selector,
      backends: backends.map((text) => Prefix.parse(text)),
    });
  }

  #setIdentity({ id, labels: texts, namedPorts }: IdentityInput): void {
    const labels = Labels.parse(texts);
    this.#identities.set(id, labels);
    this.compiler.setIdentity({ id, labels, namedPorts });
  }

  #setAddress({ prefix, identity, hostIp, owner }: AddressInput): void {
    this.addresses.setWinner({
      prefix: Prefix.parse(prefix),
      identity,
      hostIp: hostIp === undefined ? undefined : this.#hostAddresses.of(hostIp),
      owner,
    });
  }
}

function ruleCount({ specs }: Policy): number {
  return specs.reduce((sum, { rules }) => sum + rules.length, 0);
}

/** One object that parsing stumbles over must not keep all others from being enforced. */
function understood<Result>(parse: () => Result): Result | NotUnderstood {
  try {
    return parse();
  } catch (error) {
    const message = `cannot be read: ${(error as Error).message}`;
    return { ok: false, problems: [{ path: "", message }] };
  }
}
type NotUnderstood = { readonly ok: false; readonly problems: readonly Problem[] };

function groupRef(name: string): ObjectRef {
  return { kind: "CiliumCIDRGroup", namespace: "", name };
}

function versionOf(ref: ObjectRef, { metadata }: KubeObject): ObjectVersion {
  const { uid = "", generation = 0 } = metadata;
  return { ref, uid, generation };
}

/** With both families enabled the world has an identity per family, as in Cilium. */
function worldIdentities(dualStack: boolean): AddressRowsOptions["world"] {
  const { world, "world-ipv4": ipv4, "world-ipv6": ipv6 } = ReservedIdentity;
  return dualStack ? { 4: ipv4, 6: ipv6 } : { 4: world, 6: world };
}
