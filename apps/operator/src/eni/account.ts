// What the cloud has, as of the last read, and what we did to it since: a read may be older than what we know.
import type {
  Cloud,
  Holdings,
  Instance,
  InstanceLimits,
  NetworkInterface,
  SecurityGroup,
  Subnet,
  Tags,
  Vpc,
} from "@tsilium/cloud";
import type { Address, Prefix } from "@tsilium/net";

/** How long after a change of ours a read that says otherwise is not believed, milliseconds. */
const believeOursMs = 15_000;

export type AccountOptions = {
  readonly cloud: Cloud;
  readonly instanceTags: Tags;
  readonly subnetIds: readonly string[];
  readonly subnetTags: Tags;
  readonly now?: () => number;
};

type Ours = {
  readonly atMs: number;
  /** As it is by our doing; undefined: deleted. */
  readonly eni: NetworkInterface | undefined;
  /** Addresses and prefixes that we took away, as text. */
  readonly gone: ReadonlySet<string>;
};

export class Account {
  instances: ReadonlyMap<string, Instance> = new Map();
  vpcs: readonly Vpc[] = [];
  securityGroups: readonly SecurityGroup[] = [];
  readonly #options: AccountOptions;
  readonly #limits = new Map<string, InstanceLimits>();
  readonly #ours = new Map<string, Ours>();
  #subnets: readonly Subnet[] = [];
  #interfaces: ReadonlyMap<string, NetworkInterface> = new Map();
  /** Addresses that we took (or, negative, gave back) since subnets were read. */
  readonly #taken = new Map<string, number>();
  #readAtMs: number | undefined;
  #reading: Promise<void> | undefined;

  constructor(options: AccountOptions) {
    this.#options = options;
  }

  /** When everything was last read, milliseconds since the epoch; undefined: never yet. */
  get readAtMs(): number | undefined {
    return this.#readAtMs;
  }

  /** Subnets with what is free by our own count. */
  get subnets(): readonly Subnet[] {
    return this.#subnets.map((subnet) => {
      const available = Math.max(0, subnet.available - (this.#taken.get(subnet.id) ?? 0));
      return { ...subnet, available };
    });
  }

  interfacesOf(instanceId: string): NetworkInterface[] {
    return [...this.#interfaces.values()].filter(
      ({ attachment }) => attachment?.instanceId === instanceId,
    );
  }

  limitsOf(type: string): InstanceLimits | undefined {
    return this.#limits.get(type);
  }

  /** Reads everything unless that was done less than `maxAgeMs` ago, or is being done. @throws as `read` */
  async refresh(maxAgeMs: number, signal: AbortSignal): Promise<void> {
    const { now = Date.now } = this.#options;
    if (this.#readAtMs !== undefined && now() - this.#readAtMs < maxAgeMs) return;
    this.#reading ??= this.read([], signal).finally(() => (this.#reading = undefined));
    await this.#reading;
  }

  /** Reads everything. @throws CloudError, the signal's reason; what was known stays */
  async read(types: readonly string[], signal: AbortSignal): Promise<void> {
    const { cloud, instanceTags, subnetIds, subnetTags, now = Date.now } = this.#options;
    const startedAtMs = now();
    const wanted = new Set(types);
    const [instances, subnets, vpcs, securityGroups, interfaces] = await Promise.all([
      cloud.instances({ tags: instanceTags, signal }),
      cloud.subnets({ tags: subnetTags, ids: subnetIds, signal }),
      cloud.vpcs(signal),
      cloud.securityGroups(signal),
      cloud.interfaces({ signal }),
    ]);
    for (const { type } of instances) wanted.add(type);
    const unknown = [...wanted].filter((type) => type !== "" && !this.#limits.has(type));
    if (unknown.length > 0)
      for (const limits of await cloud.limits(unknown, signal))
        this.#limits.set(limits.type, limits);
    this.instances = new Map(instances.map((instance) => [instance.id, instance]));
    this.vpcs = vpcs;
    this.securityGroups = securityGroups;
    this.#subnets = subnets;
    this.#taken.clear();
    this.#interfaces = this.#believed(interfaces, startedAtMs);
    this.#readAtMs = now();
  }

  /** An interface as it is by our own doing. */
  put(eni: NetworkInterface): void {
    this.#note(eni.id, eni, []);
  }

  /** An interface that we deleted. */
  remove(id: string): void {
    this.#note(id, undefined, []);
  }

  /** What an interface got from us. */
  granted(id: string, { secondary, prefixes }: Holdings): void {
    const eni = this.#interfaces.get(id);
    if (!eni) return;
    this.put({
      ...eni,
      secondary: union(eni.secondary, secondary),
      prefixes: union(eni.prefixes, prefixes),
    });
    this.took(eni.subnetId, { secondary, prefixes });
  }

  /** What we took from an interface. */
  revoked(id: string, { secondary, prefixes }: Holdings): void {
    const eni = this.#interfaces.get(id);
    if (!eni) return;
    const gone = [...secondary, ...prefixes].map(String);
    const stays = (each: Address | Prefix) => !gone.includes(each.toString());
    const left = {
      ...eni,
      secondary: eni.secondary.filter(stays),
      prefixes: eni.prefixes.filter(stays),
    };
    this.#note(id, left, gone);
  }

  /** Addresses of a subnet that are not free any more. Those given back count when subnets are read again. */
  took(subnetId: string, { secondary, prefixes }: Holdings, more = 0): void {
    const count =
      secondary.length + prefixes.reduce((sum, { size }) => sum + Number(size), 0) + more;
    this.#taken.set(subnetId, (this.#taken.get(subnetId) ?? 0) + count);
  }

  #note(id: string, eni: NetworkInterface | undefined, gone: readonly string[]): void {
    const { now = Date.now } = this.#options;
    const has = new Set([...(eni?.secondary ?? []), ...(eni?.prefixes ?? [])].map(String));
    const before = [...(this.#ours.get(id)?.gone ?? [])].filter((text) => !has.has(text));
    this.#ours.set(id, { atMs: now(), eni, gone: new Set([...before, ...gone]) });
    const interfaces = new Map(this.#interfaces);
    if (eni) interfaces.set(id, eni);
    else interfaces.delete(id);
    this.#interfaces = interfaces;
  }

  #believed(
    read: readonly NetworkInterface[],
    startedAtMs: number,
  ): ReadonlyMap<string, NetworkInterface> {
    const believed = new Map(read.map((eni) => [eni.id, eni]));
    for (const [id, ours] of this.#ours) {
      if (startedAtMs - ours.atMs >= believeOursMs) this.#ours.delete(id);
      else if (ours.eni) believed.set(id, merged(believed.get(id), ours.eni, ours.gone));
      else believed.delete(id);
    }
    return believed;
  }
}

/**
 * What was read, with what we did lately: a read that lags lacks what we gave and has what we took away. What we did not
 * do ourselves is believed as it is read: an answer of ours may have been lost.
 */
function merged(
  read: NetworkInterface | undefined,
  ours: NetworkInterface,
  gone: ReadonlySet<string>,
): NetworkInterface {
  if (!read) return ours;
  const stays = (each: Address | Prefix) => !gone.has(each.toString());
  const own = ours.attachment;
  const attachment =
    read.attachment && own?.id === read.attachment.id
      ? {
          ...read.attachment,
          deleteOnTermination: read.attachment.deleteOnTermination || own.deleteOnTermination,
        }
      : (read.attachment ?? own);
  return {
    ...read,
    state: attachment ? "in-use" : read.state,
    attachment,
    secondary: union(read.secondary, ours.secondary).filter(stays),
    prefixes: union(read.prefixes, ours.prefixes).filter(stays),
  };
}

function union<T extends Address | Prefix>(a: readonly T[], b: readonly T[]): T[] {
  return [...new Map([...a, ...b].map((each) => [each.toString(), each])).values()];
}
