// Mode eni: the operator gives the instance interfaces and addresses of the cloud; the agent makes the interfaces carry
// packets and hands the addresses out.
//
//   metadata service --> spec.eni, instance-id --> operator --> spec.ipam.pool, status.eni --> interfaces, rules, pool
//                                                 release-ips <--> answers
import { join } from "node:path";
import { defaultPool, PoolIpam } from "@tsilium/ipam";
import type { CiliumNode } from "@tsilium/kube";
import { type Address, Prefix } from "@tsilium/net";
import { type Link, monitor, Rtnl, type RtnlEvent } from "@tsilium/netlink";
import { RetryTimer } from "../../retry-timer.ts";
import { usedPatch } from "../crd.ts";
import { OwnCiliumNode } from "../own-cilium-node.ts";
import {
  type DatapathOfPool,
  type IpamHooks,
  type IpamParts,
  type IpamSource,
  keptRouter,
  type NodeRanges,
} from "../source.ts";
import { Writer } from "../writer.ts";
import { type InstanceMetadata, readInstanceMetadata } from "./instance-metadata.ts";
import { addressesOf, type EniInterface } from "./interfaces.ts";
import { EniFile, type KnownEni, knownOf } from "./known.ts";
import { specPatch } from "./node-spec.ts";
import { answerReleases } from "./release.ts";
import { RuleKeeper } from "./rule-keeper.ts";
import { deviceOf, eniProtocol, prepareInterface, raiseInterface, rulesOf } from "./wires.ts";

/** Pods wait this long for addresses that the operator may be getting. */
const patienceMs = 10_000;
const gatherMs = 100;
/** How often all that is in the kernel is looked at again, whatever was or was not announced. */
const lookAgainMs = 5_000;

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
  /** Interfaces for pods whose device is there. */
  #present: readonly PresentEni[] = [];
  /** Ids of those that carry packets; of all that are there, until the datapath runs. */
  #carrying: ReadonlySet<string> = new Set();
  /** Those that are as they should be, as text; one that is down never is. */
  readonly #right = new Set<string>();
  #datapath: DatapathOfPool | undefined;
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
    return this.#present.map(({ link }) => link.name);
  }

  /** Where the VPC drops what comes by an interface with another's address, which is what masquerading makes of it. */
  podRanges(): readonly Prefix[] {
    return (this.#known.interfaces[0]?.vpcCidrs ?? []).filter(({ family }) => family === 4);
  }

  onDatapath(datapath: DatapathOfPool): void {
    this.#datapath = datapath;
    this.#right.clear();
    this.#look();
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
    const timer = setInterval(() => this.#lookAgain(), lookAgainMs).unref();
    stop.addEventListener(
      "abort",
      () => {
        clearInterval(timer);
        this.#retry[Symbol.dispose]();
      },
      { once: true },
    );
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
      for await (const events of monitor({ signal, kinds: ["link", "route"] }))
        this.#hearKernel(events);
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

  /** Pods' interfaces and routes come and go all the time: they are not looked at. */
  #hearKernel(events: readonly RtnlEvent[]): void {
    const concerns = (event: RtnlEvent): boolean => {
      if (event.kind === "lost") return true;
      if (event.kind === "route")
        return event.event === "delete" && event.row.protocol === eniProtocol;
      return (
        event.kind === "link" &&
        this.#known.interfaces.some(({ mac }) => event.row.mac?.equals(mac))
      );
    };
    if (events.some(concerns)) this.#lookAgain();
  }

  /** Somebody may have changed what was right. */
  #lookAgain(): void {
    this.#right.clear();
    this.#rules?.forget();
    this.#look();
  }

  /** Makes interfaces carry packets, their addresses available, and rules true. Again later when the kernel will not yet. */
  #look(): void {
    const areCarrying = this.#attempt("an interface cannot be configured yet", () => this.#carry());
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

  /** An interface is at rest until the datapath is at it: what it let in before would be policed by nobody. */
  #carry(): void {
    const rtnl = (this.#rtnl ??= Rtnl.open());
    const links = rtnl.links.list();
    this.#present = this.#find(links);
    const pods = new Set(this.#known.addresses.map(({ address }) => address.toString()));
    const first = this.#known.interfaces.find(({ number }) => number === 0);
    const mtu = first && deviceOf(links, first)?.mtu;
    const wrong = this.#present.filter((each) => !this.#right.has(textOf(each)));
    for (const { eni, link } of wrong)
      prepareInterface(rtnl, eni, { link, mtu, hasOwn: !pods.has(eni.primary.toString()) });
    if (this.#datapath) {
      this.#datapath.useDevices(this.#present.map(({ link }) => link.name));
      this.#datapath.usePodRanges(this.podRanges());
      for (const { eni, link } of wrong) raiseInterface(rtnl, eni, link);
    }
    for (const each of wrong) if (each.link.up) this.#right.add(textOf(each));
    this.#carrying = new Set(this.#present.map(({ eni }) => eni.id));
  }

  #find(links: readonly Link[]): PresentEni[] {
    const forPods = new Set(this.#known.addresses.map(({ interfaceId }) => interfaceId));
    return this.#known.interfaces.flatMap((eni) => {
      const link = forPods.has(eni.id) ? deviceOf(links, eni) : undefined;
      return link ? [{ eni, link }] : [];
    });
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

type PresentEni = { readonly eni: EniInterface; readonly link: Link };

function textOf({ eni, link }: PresentEni): string {
  return `${eni.id} ${link.index} ${link.name} ${link.up}`;
}
