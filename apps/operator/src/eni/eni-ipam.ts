// `ipam: eni`: gives every node interfaces and addresses of AWS, and says in its CiliumNode what it has.
//
//   CiliumNode (instance, wishes, used, release-ips) --> request --> tend: EC2 calls --> account
//                  ^                                                                       |
//                  '---- spec.ipam.pool, status.eni, release-ips, operator-status ---------'
import { setTimeout as sleep } from "node:timers/promises";
import { type Cloud, CloudError, type Tags } from "@tsilium/cloud";
import { type CiliumNode, type KubeClient, KubeError, resources } from "@tsilium/kube";
import type { Logger, PartHealth } from "@tsilium/runtime";
import type { Table } from "@tsilium/tables";
import { Account } from "./account.ts";
import { InterfaceCollector } from "./collector.ts";
import { handshake } from "./handshake.ts";
import { NodeQueue } from "./node-queue.ts";
import { levelOf, requestOf, type RequestDefaults } from "./request.ts";
import { freshMs, NodeTender, type Tended } from "./tend.ts";
import { enisOf, poolOf, specPatch, statusPatch } from "./views.ts";

export type EniIpamOptions = {
  readonly client: KubeClient;
  /** Complete before `start`. */
  readonly ciliumNodes: Table<CiliumNode>;
  readonly cloud: Cloud;
  readonly defaults: RequestDefaults;
  /** Tags of interfaces that are made. */
  readonly tags: Tags;
  readonly instanceTags: Tags;
  readonly subnetIds: readonly string[];
  readonly subnetTags: Tags;
  readonly releaseExcess: boolean;
  readonly releaseDelayMs: number;
  readonly resyncMs: number;
  /** `intervalMs` 0: never. */
  readonly collect: { readonly tags: Tags; readonly intervalMs: number };
  readonly workers: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

/** For metrics. Addresses of all nodes together. */
export type EniStats = {
  readonly nodes: number;
  readonly nodesInError: number;
  readonly available: number;
  readonly used: number;
  readonly interfaces: number;
  readonly collected: number;
};

const retry = { minMs: 500, maxMs: 60_000 } as const;

export class EniIpam {
  readonly #options: EniIpamOptions;
  readonly #account: Account;
  readonly #tender: NodeTender;
  readonly #queue: NodeQueue;
  readonly #collector: InterfaceCollector;
  /** Since when addresses of a node are too many, by node and address. */
  readonly #since = new Map<string, ReadonlyMap<string, number>>();
  readonly #errors = new Map<string, string>();
  #readError: string | undefined;
  #collected = 0;
  #subscription: Disposable | undefined;
  #loops: Promise<unknown> = Promise.resolve();

  constructor(options: EniIpamOptions) {
    const { cloud, tags, releaseExcess, log, signal } = options;
    this.#options = options;
    this.#account = new Account(options);
    this.#tender = new NodeTender({
      cloud,
      account: this.#account,
      tags,
      releaseExcess,
      log,
      signal,
    });
    this.#collector = new InterfaceCollector({ cloud, tags: options.collect.tags, log });
    this.#queue = new NodeQueue({
      atOnce: options.workers,
      work: (name) => this.#work(name),
      onError: (name, error, retryMs) => this.#failed(name, error, retryMs),
      retry,
    });
  }

  /** Begins; returns at once. Until the cloud was read, no node is touched. */
  start(): void {
    this.#loops = Promise.all([this.#resync(), this.#collect()]);
  }

  /** To be called after the signal fired. */
  async stop(): Promise<void> {
    this.#subscription?.[Symbol.dispose]();
    await Promise.allSettled([this.#loops, this.#queue.stop()]);
  }

  health(): PartHealth {
    const name = "ENI IPAM";
    if (this.#account.readAtMs === undefined)
      return { name, state: "degraded", message: this.#readError ?? "reading the cloud" };
    if (this.#readError !== undefined) return { name, state: "degraded", message: this.#readError };
    const [first] = this.#errors;
    if (first)
      return {
        name,
        state: "degraded",
        message: `${this.#errors.size} nodes lack addresses: ${first[0]}: ${first[1]}`,
      };
    return { name, state: "ok", message: `${this.#options.ciliumNodes.size} nodes` };
  }

  stats(): EniStats {
    const sum = { available: 0, used: 0, interfaces: 0 };
    for (const node of this.#options.ciliumNodes.values()) {
      const request = requestOf(node, this.#options.defaults);
      if (!request) continue;
      const interfaces = this.#account.interfacesOf(request.instanceId);
      const level = levelOf(Object.keys(poolOf(interfaces, request)), request);
      sum.available += level.available;
      sum.used += level.used;
      sum.interfaces += interfaces.length;
    }
    return {
      ...sum,
      nodes: this.#options.ciliumNodes.size,
      nodesInError: this.#errors.size,
      collected: this.#collected,
    };
  }

  async #resync(): Promise<void> {
    const { signal, resyncMs, ciliumNodes, log } = this.#options;
    while (!signal.aborted) {
      let waitMs = resyncMs;
      try {
        const types = [...ciliumNodes.values()].map(
          (node) => node.spec?.eni?.["instance-type"] ?? "",
        );
        await this.#account.read(types, signal);
        this.#readError = undefined;
        this.#follow();
        for (const node of ciliumNodes.values()) this.#queue.add(node.metadata.name ?? "");
      } catch (error) {
        if (signal.aborted) return;
        this.#readError = error instanceof Error ? error.message : String(error);
        log.warn({ error }, "the cloud cannot be read");
        waitMs = Math.min(resyncMs, 5_000);
      }
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #collect(): Promise<void> {
    const { signal, log, collect } = this.#options;
    while (collect.intervalMs > 0 && !signal.aborted) {
      try {
        this.#collected += await this.#collector.look(signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ error }, "a look for interfaces that are nobody's failed");
      }
      await sleep(collect.intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** From the first read on, nodes are looked at whenever they change. */
  #follow(): void {
    this.#subscription ??= this.#options.ciliumNodes.subscribe(({ kind, row }) => {
      const name = row.metadata.name ?? "";
      if (kind !== "delete") return this.#queue.add(name);
      this.#queue.forget(name);
      this.#since.delete(name);
      this.#errors.delete(name);
    });
  }

  async #work(name: string): Promise<void> {
    const { ciliumNodes, defaults } = this.#options;
    const node = ciliumNodes.get(name);
    const request = node && requestOf(node, defaults);
    if (!request) return;
    await this.#learn(request.instanceId);
    let tended: Tended;
    try {
      tended = await this.#tender.tend(request);
    } catch (cause) {
      if (!(cause instanceof CloudError)) throw cause;
      // Said before it is tried again; what was reached so far is said too.
      await this.#say(name, { error: cause.message, refused: true, spare: [] });
      throw cause;
    }
    await this.#say(name, tended);
    const { error, refused } = tended;
    if (error === undefined) this.#errors.delete(name);
    else if (refused) throw new NodeLacks(error);
    else this.#stuck(name, error);
  }

  /** Nothing to be asked of the cloud: looked at again at the node's next change, or when the cloud was read. */
  #stuck(name: string, error: string): void {
    if (this.#errors.get(name) !== error)
      this.#options.log.warn({ node: name, error }, "a node lacks addresses");
    this.#errors.set(name, error);
  }

  /** An instance that is newer than the last read. */
  async #learn(instanceId: string): Promise<void> {
    const isKnown = this.#account.instances.has(instanceId);
    if (isKnown && this.#account.interfacesOf(instanceId).length > 0) return;
    await this.#account.refresh(freshMs, this.#options.signal);
  }

  async #say(name: string, tended: Tended): Promise<void> {
    const { ciliumNodes, client, defaults, signal, releaseDelayMs } = this.#options;
    const node = ciliumNodes.get(name);
    const request = node && requestOf(node, defaults);
    if (!request) return;
    const interfaces = this.#account.interfacesOf(request.instanceId);
    const pool = poolOf(interfaces, request);
    const agreed = handshake({
      statuses: request.releaseIps,
      candidates: tended.spare.filter((address) => !request.used.has(address)),
      since: this.#since.get(name) ?? new Map(),
      pool: new Set(Object.keys(pool)),
      nowMs: Date.now(),
      delayMs: releaseDelayMs,
    });
    this.#since.set(name, agreed.since);
    if (agreed.againInMs !== undefined) this.#queue.addIn(name, agreed.againInMs);
    const { subnets, vpcs } = this.#account;
    const status = statusPatch(node, {
      enis: enisOf(interfaces, { subnets, vpcs }),
      error: tended.error,
      releaseIps: agreed.statuses,
    });
    // Interfaces first: an address is of no use to an agent that does not know its interface.
    try {
      if (status) await client.patchStatus(resources.ciliumNodes, name, { status, signal });
      const patch = specPatch(node, pool);
      if (patch) await client.patch(resources.ciliumNodes, name, { type: "merge", patch, signal });
    } catch (error) {
      if (!KubeError.isNotFound(error)) throw error;
    }
  }

  #failed(name: string, error: unknown, retryMs: number): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#errors.set(name, message);
    if (this.#options.signal.aborted) return;
    this.#options.log.warn({ node: name, error: message, retryMs }, "a node lacks addresses");
  }
}

/** A node waits for room; it is said in its status, and tried again. */
class NodeLacks extends Error {
  override readonly name = "NodeLacks";
}
