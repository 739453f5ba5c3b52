// Mode multi-pool: the agent asks in its CiliumNode for so many addresses of each pool (spec.ipam.pools.requested), the
// operator answers with CIDRs (allocated), and the agent takes those out again that it can do without.
//
//   pods --> PoolIpam --demand--> requested --> operator
//                ^---- ranges ----- allocated <----'
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { PoolIpam } from "@tsilium/ipam";
import type { CiliumNode, CiliumNodePoolAllocation } from "@tsilium/kube";
import type { Prefix } from "@tsilium/net";
import { OwnCiliumNode } from "../own-cilium-node.ts";
import { RangesFile } from "../ranges-file.ts";
import {
  type IpamHooks,
  type IpamParts,
  type IpamSource,
  keptRouter,
  type NodeRanges,
} from "../source.ts";
import { Writer } from "../writer.ts";
import { choosePools } from "./choice.ts";
import { allocatedRanges, excess, preAllocations, requests } from "./demand.ts";

/** Pods wait this long for the operator's answer. */
const patienceMs = 10_000;
const gatherMs = 20;

export class MultiPoolSource implements IpamSource {
  readonly mode = "multi-pool";
  readonly awaited: string;
  readonly publishesPodCidrs = false;
  readonly #parts: IpamParts;
  readonly #own: OwnCiliumNode;
  readonly #file: RangesFile;
  readonly #defaultPool: string;
  readonly #ipam: PoolIpam;
  /** What is handed out of. */
  #ranges: ReadonlyMap<string, readonly Prefix[]> = new Map();
  /** Given back by us, and maybe still in the object: nobody gets an address of these. */
  #leaving = new Map<string, Prefix>();
  #hooks: IpamHooks | undefined;
  #following: Promise<void> | undefined;
  /** Until all endpoints are restored, what looks unused may not be. */
  #mayGiveBack = false;

  constructor(parts: IpamParts) {
    const { config, stateDir } = parts;
    this.#parts = parts;
    this.#own = new OwnCiliumNode(parts);
    this.#file = new RangesFile(join(stateDir, "ipam.json"), this.mode);
    this.#defaultPool = config["ipam-default-ip-pool"];
    this.awaited = `this node's Node and, from the operator, addresses of pool ${this.#defaultPool}`;
    this.#ipam = new PoolIpam({
      mode: this.mode,
      families: parts.families,
      defaultPool: this.#defaultPool,
      patienceMs,
      takenElsewhere: (address) => this.#hooks?.takenElsewhere(address),
      onRestored: () => (this.#mayGiveBack = true),
      onExpired: () => this.#hooks?.onExpired(),
      onExhausted: (exhausted, error) => this.#hooks?.onExhausted(exhausted, error),
      otherProblem: () => {
        const message = this.#operatorError();
        return message === undefined ? undefined : { blocksAdd: false, message };
      },
      advice: ({ pool }) =>
        this.#operatorError() ?? `is there a CiliumPodIPPool ${pool}, and does the operator run?`,
    });
  }

  async learn(signal: AbortSignal): Promise<NodeRanges> {
    const { families, discovery } = this.#parts;
    await this.#follow(signal);
    const first = await this.#own.until((node) => this.#firstOf(node), signal);
    const router = (family: 4 | 6) =>
      families.includes(family)
        ? keptRouter(
            discovery.local?.[`routerIpv${family}`],
            first.filter((prefix) => prefix.family === family).map((prefix) => prefix.nth(1)),
            (address) => first.some((prefix) => prefix.contains(address)),
          )
        : undefined;
    return { podCidrs: [], routerIpv4: router(4), routerIpv6: router(6) };
  }

  isComplete({ routerIpv4, routerIpv6 }: NodeRanges): boolean {
    const ranges = this.#file.load().get(this.#defaultPool) ?? [];
    return this.#parts.families.every((family) => {
      const router = family === 4 ? routerIpv4 : routerIpv6;
      return router && ranges.some((prefix) => prefix.contains(router));
    });
  }

  open(_: NodeRanges, hooks: IpamHooks): PoolIpam {
    this.#hooks = hooks;
    if (!this.#own.current) {
      this.#ranges = this.#file.load();
      for (const [pool, prefixes] of this.#ranges) this.#ipam.setRanges(pool, prefixes);
    }
    this.#follow(hooks.stop).catch(() => undefined);
    return this.#ipam;
  }

  poolOf: NonNullable<IpamSource["poolOf"]> = (pod, namespace) =>
    choosePools(pod, namespace, this.#defaultPool);

  #follow(signal: AbortSignal): Promise<void> {
    this.#following ??= this.#start(signal);
    return this.#following;
  }

  #start(stop: AbortSignal): Promise<void> {
    const writer = new Writer({
      what: "spec.ipam.pools",
      gatherMs,
      log: this.#parts.log,
      stop,
      write: (signal) => this.#write(signal),
    });
    this.#own.table.subscribe(({ kind, row }) => {
      // An object that is deleted is written again by its publisher; CIDRs are not lost with it.
      if (kind === "upsert") this.#use(row);
      writer.poke();
    });
    this.#ipam.onChange(() => writer.poke());
    return this.#own.start(stop);
  }

  /** CIDRs of the default pool once there is one of every family. */
  #firstOf(node: CiliumNode): Prefix[] | undefined {
    const ranges = this.#rangesOf(node).get(this.#defaultPool) ?? [];
    const has = (family: number) => ranges.some((prefix) => prefix.family === family);
    return this.#parts.families.every(has) ? ranges : undefined;
  }

  /** Hands out of what the object says from now on, but for what is on its way back. */
  #use(node: CiliumNode): void {
    const ranges = this.#rangesOf(node);
    const present = new Set([...ranges.values()].flat().map(String));
    for (const text of this.#leaving.keys()) if (!present.has(text)) this.#leaving.delete(text);
    const ours = new Map(
      [...ranges].map(([pool, prefixes]) => [
        pool,
        prefixes.filter((prefix) => !this.#leaving.has(prefix.toString())),
      ]),
    );
    this.#ranges = ours;
    this.#file.save(ours);
    for (const pool of new Set([...ours.keys(), ...this.#ipam.pools()]))
      this.#ipam.setRanges(pool, ours.get(pool) ?? []);
  }

  async #write(signal: AbortSignal): Promise<void> {
    const { config, families } = this.#parts;
    const node = this.#own.current;
    if (!node) return;
    const keep = preAllocations(config["ipam-multi-pool-pre-allocation"], this.#defaultPool);
    const requested = requests(this.#ipam.demand(), keep, families);
    const ranges = this.#rangesOf(node);
    const back = this.#mayGiveBack
      ? excess(ranges, requested, (prefix) => this.#ipam.usedIn(prefix))
      : [];
    const before = new Set(this.#leaving.keys());
    this.#leaving = new Map(back.map((prefix) => [prefix.toString(), prefix]));
    // Out of reach first: between the look and the write a pod may come.
    if (!isDeepStrictEqual(before, new Set(this.#leaving.keys()))) this.#use(node);
    const pools = node.spec?.ipam?.pools ?? {};
    const allocated = listed(this.#ranges);
    const said = listed(allocatedRanges(pools.allocated ?? []));
    const isSame = isDeepStrictEqual(said, allocated);
    if (isSame && isDeepStrictEqual(pools.requested ?? [], requested)) return;
    const changes = isSame ? { requested } : { requested, allocated };
    await this.#own.patchSpec({ ipam: { pools: changes } }, node, signal);
  }

  /**
   * What the object allocates, and what it lost although pods have addresses of it: an object that somebody deleted is
   * made anew without, and the operator would give those CIDRs to the next node.
   */
  #rangesOf(node: CiliumNode): Map<string, Prefix[]> {
    const ranges = allocatedRanges(node.spec?.ipam?.pools?.allocated ?? []);
    const present = new Set([...ranges.values()].flat().map(String));
    for (const [pool, prefixes] of this.#ranges) {
      const lost = prefixes.filter(
        (prefix) => !present.has(prefix.toString()) && this.#ipam.usedIn(prefix) > 0,
      );
      if (lost.length > 0) ranges.set(pool, [...(ranges.get(pool) ?? []), ...lost]);
    }
    return ranges;
  }

  #operatorError(): string | undefined {
    return this.#own.current?.status?.ipam?.["operator-status"]?.error || undefined;
  }
}

/** As the object lists it; pools of which there is nothing are left out. */
function listed(ranges: ReadonlyMap<string, readonly Prefix[]>): CiliumNodePoolAllocation[] {
  return [...ranges].flatMap(([pool, prefixes]) =>
    prefixes.length === 0 ? [] : [{ pool, cidrs: prefixes.map(String) }],
  );
}
