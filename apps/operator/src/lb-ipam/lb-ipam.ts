// LB-IPAM: services of type LoadBalancer get addresses from pools.
//
//   pools, nodes, services --> AddressBook --settle--> rows --> statuses of services
//                                                  \-> statuses of pools
//
// The statuses of services are its only memory: they are all read before any address is given. Our condition on a service
// says that its addresses are ours. A service that somebody else gave addresses to is left alone.
import {
  type CiliumLoadBalancerIPPool,
  type CiliumNode,
  type KubeClient,
  type Node,
  objectKey,
  reflectTable,
  type Reflected,
  resources,
  type Service,
} from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import { type Logger, type PartHealth, reconcilerHealth } from "@tsilium/runtime";
import { type Change, Reconciler, type Table } from "@tsilium/tables";
import { WatchHealth } from "../watch-health.ts";
import { AddressBook } from "./book.ts";
import type { Pool, PoolState, ServiceRequest } from "./model.ts";
import { poolOperations } from "./pool-writer.ts";
import { readPool } from "./pool.ts";
import { prefixesOf } from "./range.ts";
import { addressesIn, isServed, readRequest, type RequestOptions } from "./request.ts";
import { type ServiceRow, ServiceWriter } from "./service-writer.ts";
import { entriesBeside, isClaimed } from "./status.ts";
import { trimService } from "./trim.ts";

export type LbIpamOptions = RequestOptions & {
  readonly client: KubeClient;
  readonly nodes: Table<Node>;
  readonly ciliumNodes: Table<CiliumNode>;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

export type LbIpamStats = {
  readonly services: number;
  readonly unsatisfied: number;
  readonly pools: readonly PoolState[];
};

/** A pool as it was read, and what it was read from. */
type KnownPool = { readonly text: string; readonly pool: Pool };

export class LbIpam {
  readonly #options: LbIpamOptions;
  readonly #book = new AddressBook();
  readonly #watch = {
    services: new WatchHealth("services"),
    pools: new WatchHealth("ciliumloadbalancerippools"),
  };
  readonly #services: Reflected<Service>;
  readonly #pools: Reflected<CiliumLoadBalancerIPPool>;
  readonly #writer: ServiceWriter;
  readonly #writing: Reconciler<ServiceRow>;
  readonly #telling: Reconciler<CiliumLoadBalancerIPPool>;
  readonly #subscriptions = new DisposableStack();
  readonly #knownPools = new Map<string, KnownPool>();
  /** What services asked for last, as text. */
  readonly #asked = new Map<string, string>();
  /** Addresses that we gave and that may still be in a service's status. */
  readonly #given = new Map<string, ReadonlySet<string>>();
  /** Load balancers that are not served for now: there is no pool, or somebody else gave them addresses. */
  readonly #left = new Set<string>();
  /** Services whose status is to be looked at after the next settling. */
  readonly #touched = new Set<string>();
  #states: ReadonlyMap<string, PoolState> = new Map();
  #settling: NodeJS.Immediate | undefined;
  #running: Promise<void> = Promise.resolve();

  private constructor(options: LbIpamOptions) {
    const { client, log, signal } = options;
    this.#options = options;
    this.#services = reflectTable(client, resources.services, {
      signal,
      trim: trimService,
      ...this.#watch.services,
    });
    this.#pools = reflectTable(client, resources.ciliumLoadBalancerIPPools, {
      signal,
      ...this.#watch.pools,
    });
    this.#writer = new ServiceWriter({ client, services: this.#services.table, log });
    this.#writing = new Reconciler({
      name: "load-balancer-addresses",
      table: this.#writer.rows,
      operations: this.#writer.operations,
      log,
    });
    this.#telling = new Reconciler({
      name: "address-pools",
      table: this.#pools.table,
      operations: poolOperations({ client, stateOf: (name) => this.#states.get(name), log }),
      log,
    });
  }

  /** Begins; its signal and then `stop` end it. Addresses are given once all services and pools are known. */
  static start(options: LbIpamOptions): LbIpam {
    const lbIpam = new LbIpam(options);
    lbIpam.#running = lbIpam.#run();
    return lbIpam;
  }

  /** Resolves when all pools are known; rejects with the signal's reason. */
  get poolsSynced(): Promise<void> {
    return this.#pools.synced;
  }

  /** Every pool's addresses. */
  prefixes(): Prefix[] {
    return [...this.#pools.table.values()].flatMap((pool) =>
      readPool(pool).ranges.flatMap(prefixesOf),
    );
  }

  stats(): LbIpamStats {
    return { ...this.#book.counts(), pools: [...this.#states.values()] };
  }

  health(): PartHealth[] {
    return [
      this.#watch.services.part(),
      this.#watch.pools.part(),
      reconcilerHealth("load-balancer addresses", this.#writing.status()),
      reconcilerHealth("address pools", this.#telling.status()),
    ];
  }

  async stop(): Promise<void> {
    await this.#running;
    this.#subscriptions[Symbol.dispose]();
    clearImmediate(this.#settling);
    await Promise.all([this.#writing.stop(), this.#telling.stop()]);
    await Promise.all([this.#services.done, this.#pools.done]);
  }

  async #run(): Promise<void> {
    const { nodes, ciliumNodes, signal } = this.#options;
    try {
      await Promise.all([this.#services.synced, this.#pools.synced]);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    const replay = { replay: true };
    const parts = [
      nodes.subscribe((change) => this.#onNode(change), replay),
      ciliumNodes.subscribe((change) => this.#onCiliumNode(change), replay),
      this.#pools.table.subscribe((change) => this.#onPool(change), replay),
      this.#services.table.subscribe((change) => this.#onService(change), replay),
    ];
    for (const part of parts) this.#subscriptions.use(part);
    this.#writing.start();
    this.#telling.start();
  }

  #onNode({ kind, row }: Change<Node>): void {
    const addresses = kind === "delete" ? [] : (row.status?.addresses ?? []);
    const podCidrs = kind === "delete" ? [] : (row.spec?.podCIDRs ?? []);
    const texts = addresses.map(({ address }) => address);
    this.#reserveNode(`node ${row.metadata.name}`, texts, podCidrs);
  }

  #onCiliumNode({ kind, row }: Change<CiliumNode>): void {
    const addresses = kind === "delete" ? [] : (row.spec?.addresses ?? []);
    const podCidrs = kind === "delete" ? [] : podRangesOf(row);
    const texts = addresses.map(({ ip }) => ip);
    this.#reserveNode(`CiliumNode ${row.metadata.name}`, texts, podCidrs);
  }

  #reserveNode(owner: string, addresses: readonly string[], podCidrs: readonly string[]): void {
    this.#book.reserve(
      `address of ${owner}`,
      addresses.flatMap((text) => Address.tryParse(text) ?? []),
    );
    this.#book.reservePrefixes(
      `pods of ${owner}`,
      podCidrs.flatMap((text) => Prefix.tryParse(text, { mask: true }) ?? []),
    );
    this.#settleSoon();
  }

  /** What we write into a pool's status changes nothing of it. */
  #onPool({ kind, row }: Change<CiliumLoadBalancerIPPool>): void {
    const name = row.metadata.name ?? "";
    const text = JSON.stringify([row.metadata.uid, row.spec]);
    if (kind === "upsert" && this.#knownPools.get(name)?.text === text) return;
    if (kind === "delete") this.#knownPools.delete(name);
    else this.#knownPools.set(name, { text, pool: readPool(row) });
    this.#book.setPools([...this.#knownPools.values()].map(({ pool }) => pool));
    const left = [...this.#left];
    for (const service of left.flatMap((each) => this.#services.table.get(each) ?? []))
      this.#place(service);
    this.#settleSoon();
  }

  #onService({ kind, row }: Change<Service>): void {
    const name = objectKey(row);
    if (kind === "upsert") {
      this.#place(row);
    } else {
      this.#book.removeService(name);
      this.#book.reserve(`service ${name}`, []);
      for (const known of [this.#asked, this.#given, this.#left]) known.delete(name);
      this.#writer.rows.delete(name);
    }
    this.#settleSoon();
  }

  #place(service: Service): void {
    const name = objectKey(service);
    const request = isServed(service, this.#options)
      ? readRequest(service, this.#options)
      : undefined;
    const serves = request !== undefined && this.#serves(service, request);
    const clusterIps = (service.spec.clusterIPs ?? []).flatMap((ip) => Address.tryParse(ip) ?? []);
    // Addresses that others gave to services are theirs.
    const others = serves ? [] : addressesIn(service);
    this.#book.reserve(`service ${name}`, [...clusterIps, ...others]);
    if (serves) this.#serve(service, request);
    else this.#leave(service, { waits: request !== undefined });
  }

  /** Whether a load balancer of a class of ours is for us to serve now. */
  #serves(service: Service, request: ServiceRequest): boolean {
    const { name } = request;
    const held = this.#book.outcomeOf(name)?.addresses ?? [];
    const ours = new Set([...held.map(String), ...this.#givenTo(service)]);
    const pooled = addressesIn(service).filter((address) =>
      this.#book.isPooled(request, address, { giving: true }),
    );
    const others = entriesBeside(service, new Set([...ours, ...pooled.map(String)]));
    if (held.length === 0 && others.length > 0) return false;
    return this.#knownPools.size > 0 || this.#book.has(name) || isClaimed(service);
  }

  /** When a service is seen first, the condition on it tells whose its addresses are. */
  #givenTo(service: Service): ReadonlySet<string> {
    const name = objectKey(service);
    const present = new Set(addressesIn(service).map(String));
    const held = (this.#book.outcomeOf(name)?.addresses ?? []).map(String);
    const known = this.#given.get(name) ?? (isClaimed(service) ? present : new Set());
    const given = new Set([...held, ...[...known].filter((text) => present.has(text))]);
    this.#given.set(name, given);
    return given;
  }

  #serve(service: Service, request: ServiceRequest): void {
    const { name } = request;
    const text = JSON.stringify(request);
    this.#left.delete(name);
    this.#touched.add(name);
    if (this.#book.has(name) && this.#asked.get(name) === text) return;
    this.#asked.set(name, text);
    this.#book.setService(request, {
      addresses: addressesIn(service),
      given: isClaimed(service),
    });
  }

  /** @param waits whether it may be served later */
  #leave(service: Service, { waits }: { readonly waits: boolean }): void {
    const name = objectKey(service);
    const given = this.#givenTo(service);
    this.#book.removeService(name);
    this.#asked.delete(name);
    if (waits) this.#left.add(name);
    else this.#left.delete(name);
    if (given.size > 0 || isClaimed(service))
      this.#writer.rows.upsert({ kind: "released", name, given });
    else this.#writer.rows.delete(name);
  }

  /** Once for all that happens in this turn of the event loop. */
  #settleSoon(): void {
    this.#settling ??= setImmediate(() => {
      this.#settling = undefined;
      this.#settle();
    });
  }

  #settle(): void {
    const names = new Set([...this.#book.settle(), ...this.#touched]);
    this.#touched.clear();
    for (const name of names) {
      const outcome = this.#book.outcomeOf(name);
      if (!outcome) continue;
      const given = new Set([...(this.#given.get(name) ?? []), ...outcome.addresses.map(String)]);
      this.#given.set(name, given);
      this.#writer.rows.upsert({ kind: "served", name, outcome, given });
    }
    this.#states = new Map(this.#book.poolStates().map((state) => [state.pool.name, state]));
    this.#telling.fullSync();
  }
}

/** Whatever a node's pods may have addresses of: blocks, CIDRs of pools, single addresses. */
function podRangesOf({ spec }: CiliumNode): string[] {
  const { podCIDRs = [], pools, pool = {} } = spec?.ipam ?? {};
  const allocated = (pools?.allocated ?? []).flatMap(({ cidrs = [] }) => cidrs);
  const single = Object.keys(pool).map(
    (address) => `${address}/${address.includes(":") ? 128 : 32}`,
  );
  return [...podCIDRs, ...allocated, ...single];
}
