// What an account has: subnets, instances, interfaces, and EC2's rules for them. Reads see it as it was a while ago.
import { randomBytes } from "node:crypto";
import { Prefix } from "@tsilium/net";
import type { Tags } from "../model.ts";
import { Ec2Fault } from "./fault.ts";

export type SimSubnet = {
  readonly id: string;
  readonly vpcId: string;
  readonly cidr: string;
  readonly zone: string;
  readonly tags: Tags;
};
export type SimVpc = { readonly id: string; readonly cidrs: readonly string[] };
export type SimGroup = { readonly id: string; readonly vpcId: string; readonly tags: Tags };
export type SimType = {
  readonly name: string;
  readonly interfaces: number;
  readonly ipv4: number;
  readonly ipv6: number;
  readonly hypervisor: "nitro" | "xen";
};
export type SimInstance = {
  readonly id: string;
  readonly type: string;
  readonly subnetId: string;
  readonly tags: Tags;
};
export type SimInterface = {
  readonly id: string;
  readonly mac: string;
  readonly subnetId: string;
  readonly description: string;
  readonly primary: string;
  readonly secondary: readonly string[];
  readonly prefixes: readonly string[];
  readonly groups: readonly string[];
  readonly tags: Tags;
  readonly clientToken: string;
  readonly attachment:
    | {
        readonly id: string;
        readonly instanceId: string;
        readonly index: number;
        readonly deleteOnTermination: boolean;
      }
    | undefined;
};

export type WorldSetup = {
  readonly vpcs: readonly SimVpc[];
  readonly subnets: readonly SimSubnet[];
  readonly groups: readonly SimGroup[];
  readonly types: readonly SimType[];
  /** How long a write is unseen by reads, milliseconds. Writes see writes at once but for `attachLagMs`. */
  readonly readLagMs?: number;
  /** How long after an interface was made it cannot be attached yet (InvalidNetworkInterfaceID.NotFound), milliseconds. */
  readonly attachLagMs?: number;
};

/** An interface came to an instance, changed, or left it. */
export type WorldChange = {
  readonly instanceId: string;
  readonly before: SimInterface | undefined;
  readonly after: SimInterface | undefined;
};

type Snapshot = { readonly atMs: number; readonly interfaces: ReadonlyMap<string, SimInterface> };

/** The first four addresses of a subnet and its last one are AWS's. */
const reservedFirst = 4n;

export class World {
  readonly setup: WorldSetup;
  readonly instances = new Map<string, SimInstance>();
  /** Of interfaces attached to instances; for wires. */
  onChange: (change: WorldChange) => void = () => undefined;
  #interfaces: ReadonlyMap<string, SimInterface> = new Map();
  readonly #madeAtMs = new Map<string, number>();
  /** Newest last. */
  #history: Snapshot[] = [{ atMs: -Infinity, interfaces: this.#interfaces }];
  readonly #now: () => number;

  constructor(setup: WorldSetup, now: () => number = Date.now) {
    this.setup = setup;
    this.#now = now;
  }

  /** As they are. */
  get interfaces(): ReadonlyMap<string, SimInterface> {
    return this.#interfaces;
  }

  /** As reads see them. */
  get visibleInterfaces(): ReadonlyMap<string, SimInterface> {
    const seenUpTo = this.#now() - (this.setup.readLagMs ?? 0);
    const at = this.#history.findLastIndex(({ atMs }) => atMs <= seenUpTo);
    if (at > 0) this.#history = this.#history.slice(at);
    return (this.#history[Math.max(0, Math.min(at, this.#history.length - 1))] ?? this.#history[0])
      ?.interfaces as ReadonlyMap<string, SimInterface>;
  }

  /** An instance with its first interface. */
  runInstance(options: {
    readonly id?: string;
    readonly type: string;
    readonly subnetId: string;
    readonly groups: readonly string[];
    readonly address?: string;
    readonly mac?: string;
    readonly tags?: Tags;
  }): SimInstance {
    const { id = newId("i"), type, subnetId, groups, address, mac, tags = {} } = options;
    const instance = { id, type, subnetId, tags };
    this.instances.set(id, instance);
    const made = this.create(
      { subnetId, groups, description: "", tags: {}, clientToken: "" },
      address,
    );
    const first = {
      ...made,
      ...(mac ? { mac } : {}),
      attachment: {
        id: newId("eni-attach"),
        instanceId: id,
        index: 0,
        deleteOnTermination: true,
      },
    };
    this.#put(first);
    return instance;
  }

  /** What happens to interfaces when an instance goes: some with it, the others are nobody's. */
  terminate(id: string): void {
    this.instances.delete(id);
    for (const eni of this.#interfaces.values()) {
      if (eni.attachment?.instanceId !== id) continue;
      if (eni.attachment.deleteOnTermination) this.#remove(eni);
      else this.#put({ ...eni, attachment: undefined });
    }
  }

  create(
    request: Pick<SimInterface, "subnetId" | "groups" | "description" | "tags" | "clientToken">,
    address?: string,
  ): SimInterface {
    const twin = [...this.#interfaces.values()].find(
      ({ clientToken }) => clientToken !== "" && clientToken === request.clientToken,
    );
    if (twin) return twin;
    const subnet = this.subnet(request.subnetId);
    for (const group of request.groups)
      if (!this.setup.groups.some(({ id, vpcId }) => id === group && vpcId === subnet.vpcId))
        throw new Ec2Fault(
          400,
          "InvalidGroup.NotFound",
          `The security group '${group}' does not exist`,
        );
    const id = newId("eni");
    const eni: SimInterface = {
      ...request,
      id,
      mac: newMac(),
      primary: address ?? (this.#freeAddresses(subnet, 1)[0] as string),
      secondary: [],
      prefixes: [],
      attachment: undefined,
    };
    this.#madeAtMs.set(id, this.#now());
    this.#put(eni);
    return eni;
  }

  attach(interfaceId: string, instanceId: string, index: number): string {
    const eni = this.interface(interfaceId);
    const madeAtMs = this.#madeAtMs.get(interfaceId) ?? 0;
    if (this.#now() - madeAtMs < (this.setup.attachLagMs ?? 0)) throw noInterface(interfaceId);
    const instance = this.instances.get(instanceId);
    if (!instance)
      throw new Ec2Fault(
        400,
        "InvalidInstanceID.NotFound",
        `The instance ID '${instanceId}' does not exist`,
      );
    if (eni.attachment)
      throw new Ec2Fault(
        400,
        "InvalidNetworkInterface.InUse",
        `Interface: [${interfaceId}] in use.`,
      );
    if (this.subnet(eni.subnetId).zone !== this.subnet(instance.subnetId).zone)
      throw new Ec2Fault(
        400,
        "InvalidParameterCombination",
        "You may not attach a network interface to an instance of another availability zone",
      );
    const attached = this.interfacesOf(instanceId);
    const type = this.type(instance.type);
    if (attached.length >= type.interfaces)
      throw new Ec2Fault(
        400,
        "AttachmentLimitExceeded",
        `Interface count ${attached.length + 1} exceeds the limit for ${type.name}`,
      );
    if (attached.some(({ attachment }) => attachment?.index === index))
      throw new Ec2Fault(
        400,
        "InvalidParameterValue",
        `Instance '${instanceId}' already has an interface attached at device index '${index}'.`,
      );
    if (1 + eni.secondary.length + eni.prefixes.length > type.ipv4) throw this.#tooMany(eni.id);
    const id = newId("eni-attach");
    this.#put({ ...eni, attachment: { id, instanceId, index, deleteOnTermination: false } });
    return id;
  }

  setDeleteOnTermination(interfaceId: string, attachmentId: string, on: boolean): void {
    const eni = this.interface(interfaceId);
    if (eni.attachment?.id !== attachmentId)
      throw new Ec2Fault(
        400,
        "InvalidAttachmentID.NotFound",
        `The attachment ID '${attachmentId}' does not exist`,
      );
    this.#put({ ...eni, attachment: { ...eni.attachment, deleteOnTermination: on } });
  }

  delete(interfaceId: string): void {
    const eni = this.interface(interfaceId);
    if (eni.attachment)
      throw new Ec2Fault(
        400,
        "InvalidParameterValue",
        `Network interface '${interfaceId}' is currently in use.`,
      );
    this.#remove(eni);
  }

  assignAddresses(interfaceId: string, count: number): string[] {
    const eni = this.interface(interfaceId);
    this.#checkPlaces(eni, count);
    const found = this.#freeAddresses(this.subnet(eni.subnetId), count);
    this.#put({ ...eni, secondary: [...eni.secondary, ...found] });
    return found;
  }

  assignPrefixes(interfaceId: string, count: number): string[] {
    const eni = this.interface(interfaceId);
    const { instanceId } = eni.attachment ?? {};
    const instance = instanceId === undefined ? undefined : this.instances.get(instanceId);
    if (instance && this.type(instance.type).hypervisor !== "nitro")
      throw new Ec2Fault(
        400,
        "InvalidParameterCombination",
        "Prefixes are supported by Nitro-based instances only",
      );
    this.#checkPlaces(eni, count);
    const subnet = this.subnet(eni.subnetId);
    const taken = new Set(this.#taken(subnet));
    const blocks = Iterator.from(Prefix.parse(subnet.cidr).subnets(28))
      .filter((block) => block.first.toString() !== Prefix.parse(subnet.cidr).first.toString())
      .filter((block) => addresses(block).every((address) => !taken.has(address)))
      .take(count)
      .map(String)
      .toArray();
    if (blocks.length < count)
      throw new Ec2Fault(
        400,
        "InsufficientCidrBlocks",
        "The specified subnet does not have enough free cidr blocks to satisfy the request.",
      );
    this.#put({ ...eni, prefixes: [...eni.prefixes, ...blocks] });
    return blocks;
  }

  unassign(
    interfaceId: string,
    gone: { readonly addresses: readonly string[]; readonly prefixes: readonly string[] },
  ): void {
    const eni = this.interface(interfaceId);
    const foreign = [
      ...gone.addresses.filter((address) => !eni.secondary.includes(address)),
      ...gone.prefixes.filter((prefix) => !eni.prefixes.includes(prefix)),
    ];
    if (foreign.length > 0)
      throw new Ec2Fault(
        400,
        "InvalidParameterValue",
        `Some of [${foreign}] are not assigned to interface ${interfaceId}`,
      );
    this.#put({
      ...eni,
      secondary: eni.secondary.filter((address) => !gone.addresses.includes(address)),
      prefixes: eni.prefixes.filter((prefix) => !gone.prefixes.includes(prefix)),
    });
  }

  interface(id: string): SimInterface {
    const found = this.#interfaces.get(id);
    if (!found) throw noInterface(id);
    return found;
  }

  interfacesOf(instanceId: string): SimInterface[] {
    return [...this.#interfaces.values()].filter(
      ({ attachment }) => attachment?.instanceId === instanceId,
    );
  }

  subnet(id: string): SimSubnet {
    const found = this.setup.subnets.find((subnet) => subnet.id === id);
    if (found) return found;
    throw new Ec2Fault(400, "InvalidSubnetID.NotFound", `The subnet ID '${id}' does not exist`);
  }

  type(name: string): SimType {
    return this.setup.types.find((type) => type.name === name) as SimType;
  }

  /** AvailableIpAddressCount. */
  available(subnet: SimSubnet): number {
    return Number(Prefix.parse(subnet.cidr).size - reservedFirst - 1n) - this.#taken(subnet).length;
  }

  #checkPlaces(eni: SimInterface, more: number): void {
    const { instanceId } = eni.attachment ?? {};
    const instance = instanceId === undefined ? undefined : this.instances.get(instanceId);
    if (!instance) return;
    const places = 1 + eni.secondary.length + eni.prefixes.length + more;
    if (places > this.type(instance.type).ipv4) throw this.#tooMany(eni.id);
  }

  #tooMany(id: string): Ec2Fault {
    return new Ec2Fault(
      400,
      "PrivateIpAddressLimitExceeded",
      `Number of private addresses will exceed limit for ${id}.`,
    );
  }

  #freeAddresses(subnet: SimSubnet, count: number): string[] {
    const taken = new Set(this.#taken(subnet));
    const { first, size } = Prefix.parse(subnet.cidr);
    const found: string[] = [];
    for (let at = reservedFirst; at < size - 1n && found.length < count; at++) {
      const address = first.add(at).toString();
      if (!taken.has(address)) found.push(address);
    }
    if (found.length < count)
      throw new Ec2Fault(
        400,
        "InsufficientFreeAddressesInSubnet",
        "The specified subnet does not have enough free addresses to satisfy the request.",
      );
    return found;
  }

  #taken({ id }: SimSubnet): string[] {
    return [...this.#interfaces.values()]
      .filter(({ subnetId }) => subnetId === id)
      .flatMap(({ primary, secondary, prefixes }) => [
        primary,
        ...secondary,
        ...prefixes.flatMap((prefix) => addresses(Prefix.parse(prefix))),
      ]);
  }

  #put(eni: SimInterface): void {
    const before = this.#interfaces.get(eni.id);
    this.#change(new Map(this.#interfaces).set(eni.id, eni));
    this.#tell(before, eni);
  }

  #remove(eni: SimInterface): void {
    const left = new Map(this.#interfaces);
    left.delete(eni.id);
    this.#change(left);
    this.#tell(eni, undefined);
  }

  #change(interfaces: ReadonlyMap<string, SimInterface>): void {
    this.#interfaces = interfaces;
    this.#history.push({ atMs: this.#now(), interfaces });
  }

  #tell(before: SimInterface | undefined, after: SimInterface | undefined): void {
    const instanceId = after?.attachment?.instanceId ?? before?.attachment?.instanceId;
    if (instanceId !== undefined) this.onChange({ instanceId, before, after });
  }
}

export function addresses(block: Prefix): string[] {
  return Array.from({ length: Number(block.size) }, (_, at) => block.nth(at).toString());
}

function noInterface(id: string): Ec2Fault {
  return new Ec2Fault(
    400,
    "InvalidNetworkInterfaceID.NotFound",
    `The networkInterface ID '${id}' does not exist`,
  );
}

function newId(kind: string): string {
  return `${kind}-0${randomBytes(8).toString("hex")}`;
}

/** As AWS makes them: locally administered. */
function newMac(): string {
  return `06:${randomBytes(5)
    .toString("hex")
    .replace(/..(?!$)/g, "$&:")}`;
}
