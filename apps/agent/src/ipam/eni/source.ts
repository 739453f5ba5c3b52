// Mode eni: the operator gives the instance interfaces and addresses of the cloud; the agent makes the interfaces carry
// packets and hands the addresses out.
//
//   metadata service --> spec.eni, instance-id --> operator --> spec.ipam.pool, status.eni --> interfaces, rules, pool
//                                                 release-ips <--> answers
import { join } from "node:path";
import { defaultPool, PoolIpam } from "@tsilium/ipam";
import type { CiliumNode } from "@tsilium/kube";
import { type Address, Prefix } from "@tsilium/net";
import { monitor, Rtnl } from "@tsilium/netlink";
import { RetryTimer } from "../../retry-timer.ts";
import { usedPatch } from "../crd.ts";
import { OwnCiliumNode } from "../own-cilium-node.ts";
import {
  type IpamHooks,
  type IpamParts,
  type IpamSource,
  keptRouter,
  type NodeRanges,
} from "../source.ts";
import { Writer } from "../writer.ts";
import { type InstanceMetadata, readInstanceMetadata } from "./instance-metadata.ts";
import { addressesOf } from "./interfaces.ts";
import { EniFile, type KnownEni, knownOf } from "./known.ts";
import { specPatch } from "./node-spec.ts";
import { answerReleases } from "./release.ts";
import { RuleKeeper } from "./rule-keeper.ts";
import { deviceOf, ensureInterface, rulesOf } from "./wires.ts";

/** Pods wait this long for addresses that the operator may be getting. */
const patienceMs = 10_000;
const gatherMs = 100;

export class EniSource implements IpamSource {
  readonly mode = "eni";
  readonly awaited: string;
  readonly publishesPodCidrs = false;
  readonly #parts: IpamParts;
  readonly #own: OwnCiliumNode;
  readonly #file: EniFile;
  readonly #retry: RetryTimer;
  #known: KnownEni;
  #leaving: ReadonlySet<string> = new Set();
  /** Interfaces whose device carries packets, by id. */
  #carrying: ReadonlyMap<string, string> = new Map();
  /** Devices that the datapath was started with; undefined: it was not yet. */
  #attached: ReadonlySet<string> | undefined;
  #rtnl: Rtnl | undefined;
  #rules: RuleKeeper | undefined;
  #ipam: PoolIpam | undefined;
  #writer: Writer | undefined;
  #areRestored = false;
  /** Addresses that the pool has, as text. */
  #offered: string | undefined;
  #following: Promise<void> | undefined;
  #instance: InstanceMetadata | undefined;
  readonly #learners = new Set<() => void>();

  constructor(parts: IpamParts) {
    this.#parts = parts;
    this.#own = new OwnCiliumNode(parts);
    this.#file = new EniFile(join(parts.stateDir, "eni.json"));
    this.#known = this.#file.load();
    this.#retry = new RetryTimer(() => this.#look());
    this.awaited = `this node's Node and, from the operator, addresses in spec.ipam.pool of CiliumNode ${parts.nodeName}`;
  }

  async learn(signal: AbortSignal): Promise<NodeRanges> {
    await this.#follow(signal);
    const published = this.#parts.discovery.local?.routerIpv4;
    const { promise, resolve, reject } = Promise.withResolvers<NodeRanges>();
    const look = () => {
      const offered = this.#ready();
      const node = this.#own.current;
      if (offered.length === 0 || !node) return;
      // Whatever else is on its way back: the router has its address.
      const has = (router: Address) =>
        addressesOf(node).some(({ address }) => address.equals(router));
      const routerIpv4 = keptRouter(published, offered, has);
      resolve({ podCidrs: [], routerIpv4, routerIpv6: undefined });
    };
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    this.#learners.add(look);
    try {
      if (signal.aborted) abort();
      look();
      return await promise;
    } finally {
      this.#learners.delete(look);
      signal.removeEventListener("abort", abort);
    }
  }

  isComplete({ routerIpv4 }: NodeRanges): boolean {
    return routerIpv4 !== undefined && this.#known.addresses.length > 0;
  }

  /** Devices of the instance's interfaces that are for pods: the datapath must be at all of them. */
  devices(): readonly string[] {
    this.#look();
    this.#attached = new Set(this.#carrying.values());
    return [...this.#attached];
  }

  open(_: NodeRanges, hooks: IpamHooks): PoolIpam {
    const { families, log } = this.#parts;
    const { takenElsewhere, onExpired, onExhausted, stop } = hooks;
    const ipam = new PoolIpam({
      mode: "eni",
      families,
      patienceMs,
      takenElsewhere,
      onExpired,
      onExhausted,
      onRestored: () => {
        this.#areRestored = true;
        if (this.#own.current) this.#hear(this.#own.current);
        else this.#look();
      },
      advice: () => this.#advice(),
    });
    this.#ipam = ipam;
    this.#writer = new Writer({
      what: "status.ipam",
      gatherMs,
      log,
      stop,
      write: (signal) => this.#write(signal),
    });
    stop.addEventListener("abort", () => this.#retry[Symbol.dispose](), { once: true });
    this.#look();
    ipam.onChange(() => {
      this.#routePods();
      this.#writer?.poke();
    });
    this.#follow(stop).catch(() => undefined);
    return ipam;
  }

  /** Own CiliumNode, own links, and the publishing of what this instance is; until `signal` aborts. */
  #follow(signal: AbortSignal): Promise<void> {
    this.#following ??= (async () => {
      this.#own.table.subscribe(({ kind, row }) => {
        // An object that is deleted is written again by its publisher; its addresses are not lost with it.
        if (kind === "delete") return;
        this.#hear(row);
        void publisher.poke();
      });
      const publisher = new Writer({
        what: "spec.eni",
        gatherMs,
        log: this.#parts.log,
        stop: signal,
        write: (within) => this.#publish(within),
      });
      void this.#followLinks(signal);
      await this.#own.start(signal);
    })();
    return this.#following;
  }

  async #followLinks(signal: AbortSignal): Promise<void> {
    try {
      for await (const _ of monitor({ signal, kinds: ["link"] })) this.#look();
    } catch (error) {
      if (!signal.aborted) this.#parts.log.error({ error }, "links are not followed any more");
    }
  }

  async #publish(signal: AbortSignal): Promise<void> {
    const { config } = this.#parts;
    const node = this.#own.current;
    if (!node) return;
    this.#instance ??= await readInstanceMetadata(config["ec2-metadata-endpoint"], signal);
    const spec = specPatch(node, this.#instance, config);
    if (spec) await this.#own.patchSpec(spec, node, signal);
  }

  /** The CiliumNode says something. */
  #hear(node: CiliumNode): void {
    this.#leaving = this.#areRestored ? this.#answer(node).leaving : this.#leavingOf(node);
    this.#known = knownOf(node, this.#leaving);
    this.#file.save(node, this.#leaving);
    this.#look();
    this.#writer?.poke();
  }

  #answer(node: CiliumNode) {
    return answerReleases(node.status?.ipam?.["release-ips"] ?? {}, {
      isUsed: (address) => this.#usedTexts().has(address),
      pool: new Set(Object.keys(node.spec?.ipam?.pool ?? {})),
    });
  }

  /** Until it is known who lives here nothing is let go, and nothing that may go is handed out. */
  #leavingOf(node: CiliumNode): ReadonlySet<string> {
    return new Set(Object.keys(node.status?.ipam?.["release-ips"] ?? {}));
  }

  #usedTexts(): ReadonlySet<string> {
    return new Set(this.#ipam?.dump().map(({ address }) => address.toString()));
  }

  /** Makes interfaces carry packets, their addresses available, and rules true. Again later when the kernel will not yet. */
  #look(): void {
    const areCarrying = this.#attempt("an interface cannot be configured yet", () => this.#carry());
    this.#startAnewForNew();
    // In any case: what is on its way back must not be handed out.
    this.#offer();
    const areRouted = this.#routePods();
    if (areCarrying && areRouted) this.#retry.reset();
    for (const learner of this.#learners) learner();
  }

  #routePods(): boolean {
    return this.#attempt("rules of pods' addresses cannot be set yet", () => this.#setRules());
  }

  #attempt(complaint: string, action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      this.#parts.log.warn({ error }, complaint);
      this.#retry.start();
      return false;
    }
  }

  #offer(): void {
    const ready = this.#ready();
    const text = ready.join();
    // Whoever listens to the pool writes, and what is written comes back.
    if (!this.#ipam || text === this.#offered) return;
    this.#offered = text;
    this.#ipam.setRanges(
      defaultPool,
      ready.map((address) => Prefix.host(address)),
    );
  }

  #carry(): void {
    const rtnl = (this.#rtnl ??= Rtnl.open());
    const links = rtnl.links.list();
    const forPods = new Set(this.#known.addresses.map(({ interfaceId }) => interfaceId));
    const pods = new Set(this.#known.addresses.map(({ address }) => address.toString()));
    const first = this.#known.interfaces.find(({ number }) => number === 0);
    const mtu = first && deviceOf(links, first)?.mtu;
    const carrying = new Map<string, string>();
    for (const eni of this.#known.interfaces) {
      const link = deviceOf(links, eni);
      if (!link || !forPods.has(eni.id)) continue;
      if (this.#carrying.get(eni.id) !== link.name || !link.up)
        ensureInterface(rtnl, eni, { link, mtu, hasOwn: !pods.has(eni.primary.toString()) });
      carrying.set(eni.id, link.name);
    }
    this.#carrying = carrying;
  }

  /** The datapath is started with its devices, and learns of another one by a start of the agent: pods' packets go on. */
  #startAnewForNew(): void {
    const attached = this.#attached;
    if (!attached) return;
    const fresh = [...this.#carrying.values()].filter((device) => !attached.has(device));
    if (fresh.length === 0) return;
    this.#parts.log.warn({ devices: fresh }, "the node has a new interface: starting anew");
    process.exit(1);
  }

  /** Addresses that can be handed out: not on their way back, on an interface that carries packets. */
  #ready(): Address[] {
    return this.#known.addresses
      .filter(({ interfaceId }) => this.#carrying.has(interfaceId))
      .map(({ address }) => address);
  }

  #setRules(): void {
    // Before there are addresses in use an earlier agent's rules are pods' still.
    if (!this.#ipam || !this.#areRestored) return;
    const { config } = this.#parts;
    const interfaces = new Map(this.#known.interfaces.map((eni) => [eni.id, eni]));
    const holders = new Map(
      this.#known.addresses.map(({ address, interfaceId }) => [address.toString(), interfaceId]),
    );
    const rules = this.#ipam.dump().flatMap(({ address }) => {
      const eni = interfaces.get(holders.get(address.toString()) ?? "");
      return eni ? rulesOf(address, eni, config["enable-ipv4-masquerade"]) : [];
    });
    this.#rules ??= new RuleKeeper((this.#rtnl ??= Rtnl.open()));
    this.#rules.set(rules);
  }

  async #write(signal: AbortSignal): Promise<void> {
    const node = this.#own.current;
    const ipam = this.#ipam;
    if (!node || !ipam || !this.#areRestored) return;
    const used = usedPatch(node.status?.ipam?.used ?? {}, ipam.dump());
    // Decided and done without anybody between: what is said to be ready is not handed out any more.
    const { patch, leaving } = this.#answer(node);
    this.#leaving = leaving;
    this.#known = knownOf(node, leaving);
    this.#file.save(node, leaving);
    this.#look();
    if (!used && !patch) return;
    const status = { ...(used ? { used } : {}), ...(patch ? { "release-ips": patch } : {}) };
    await this.#own.patchStatus({ ipam: status }, signal);
  }

  #advice(): string {
    const error = this.#own.current?.status?.ipam?.["operator-status"]?.error;
    return error
      ? `the operator says: ${error}`
      : `the operator is asked for more: is it running? (docs/ipam-eni.md)`;
  }
}
