// Mode crd: whoever writes the CiliumNode (a user, an operator of one's own) lists single addresses in spec.ipam.pool;
// the agent hands them out and says in status.ipam.used who has which.
import { join } from "node:path";
import { type Allocation, defaultPool, PoolIpam } from "@tsilium/ipam";
import type { CiliumNode } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import { unfitKind } from "./foreign.ts";
import { OwnCiliumNode } from "./own-cilium-node.ts";
import { RangesFile } from "./ranges-file.ts";
import { type IpamHooks, type IpamParts, type IpamSource, keptRouter } from "./source.ts";
import { Writer } from "./writer.ts";

/** Pods wait this long for addresses that somebody may be about to add. */
const patienceMs = 5_000;
const gatherMs = 100;

export function crdSource(parts: IpamParts): IpamSource {
  const { nodeName, families, discovery, stateDir } = parts;
  const own = new OwnCiliumNode(parts);
  const file = new RangesFile(join(stateDir, "ipam.json"), "crd");
  let following: Promise<void> | undefined;
  const follow = (signal: AbortSignal) => {
    following ??= own.start(signal);
    return following;
  };
  return {
    mode: "crd",
    awaited: `this node's Node and addresses in spec.ipam.pool of CiliumNode ${nodeName}`,
    publishesPodCidrs: false,
    learn: async (signal) => {
      await follow(signal);
      const pool = await own.until((node) => {
        const addresses = poolOf(node).map(({ first }) => first);
        const has = (family: number) => addresses.some((each) => each.family === family);
        return families.every(has) ? addresses : undefined;
      }, signal);
      const router = (family: 4 | 6) =>
        families.includes(family)
          ? keptRouter(
              discovery.local?.[`routerIpv${family}`],
              pool.filter((address) => address.family === family),
              (address) => pool.some((each) => each.equals(address)),
            )
          : undefined;
      return { podCidrs: [], routerIpv4: router(4), routerIpv6: router(6) };
    },
    isComplete: ({ routerIpv4, routerIpv6 }) =>
      file.load().has(defaultPool) &&
      families.every((family) => (family === 4 ? routerIpv4 : routerIpv6)),
    open: (_, hooks) => {
      follow(hooks.stop).catch(() => undefined);
      return openCrd(parts, { own, file, hooks });
    },
  };
}

/** The addresses that a CiliumNode lists, each as a prefix of its own; what no pod can have is left out. */
export function poolOf(node: CiliumNode): Prefix[] {
  return listed(node)
    .flatMap(({ address }) => address ?? [])
    .toSorted((a, b) => a.compare(b))
    .map((address) => Prefix.host(address));
}

/** What a CiliumNode lists although no pod can have it, as it is written. */
export function unfitOf(node: CiliumNode): string[] {
  return listed(node).flatMap(({ text, address }) => (address ? [] : [text]));
}

function listed(node: CiliumNode): { text: string; address: Address | undefined }[] {
  const { addresses = [], ipam } = node.spec ?? {};
  const nodesOwn = addresses.flatMap(({ type, ip }) => (type === "InternalIP" ? [ip] : []));
  return Object.keys(ipam?.pool ?? {}).map((text) => {
    const address = Address.tryParse(text);
    const isFit =
      address && unfitKind(address) === undefined && !nodesOwn.includes(address.toString());
    return { text, address: isFit ? address : undefined };
  });
}

/** A merge patch that makes `used` say who has which address; undefined when it does. */
export function usedPatch(
  used: Readonly<Record<string, { readonly owner?: string }>>,
  allocations: readonly Allocation[],
): Record<string, { readonly owner: string } | null> | undefined {
  const wanted = new Map(allocations.map(({ address, owner }) => [address.toString(), owner]));
  const gone = Object.keys(used).filter((address) => !wanted.has(address));
  const changed = [...wanted].filter(([address, owner]) => used[address]?.owner !== owner);
  if (gone.length === 0 && changed.length === 0) return undefined;
  return Object.fromEntries([
    ...gone.map((address) => [address, null] as const),
    ...changed.map(([address, owner]) => [address, { owner }] as const),
  ]);
}

function openCrd(
  { families, nodeName, log }: IpamParts,
  { own, file, hooks }: { own: OwnCiliumNode; file: RangesFile; hooks: IpamHooks },
): PoolIpam {
  const { takenElsewhere, onExpired, onExhausted, stop } = hooks;
  const ipam = new PoolIpam({
    mode: "crd",
    families,
    patienceMs,
    takenElsewhere,
    onExpired,
    onExhausted,
    otherProblem: () => {
      const unfit = own.current ? unfitOf(own.current) : [];
      return unfit.length === 0
        ? undefined
        : { blocksAdd: false, message: unfitText(nodeName, unfit) };
    },
    advice: () => `add addresses to spec.ipam.pool of CiliumNode ${nodeName} (docs/ipam.md)`,
  });
  const use = (prefixes: readonly Prefix[]) => ipam.setRanges(defaultPool, prefixes);
  use(file.load().get(defaultPool) ?? []);
  const writer = new Writer({
    what: "status.ipam.used",
    gatherMs,
    log,
    stop,
    write: async (signal) => {
      const node = own.current;
      if (!node) return;
      const used = usedPatch(node.status?.ipam?.used ?? {}, ipam.dump());
      if (used) await own.patchStatus({ ipam: { used } }, signal);
    },
  });
  own.table.subscribe(
    ({ kind, row }) => {
      // An object that is deleted is written again by its publisher; its addresses are not lost with it.
      if (kind === "delete") return;
      const pool = poolOf(row);
      file.save(new Map([[defaultPool, pool]]));
      use(pool);
    },
    { replay: true },
  );
  ipam.onChange(() => writer.poke());
  return ipam;
}

function unfitText(nodeName: string, unfit: readonly string[]): string {
  const shown = unfit.slice(0, 3).map((text) => JSON.stringify(text.slice(0, 64)));
  const more = unfit.length > shown.length ? ` and ${unfit.length - shown.length} more` : "";
  return `spec.ipam.pool of CiliumNode ${nodeName} lists what no pod can have: ${shown.join(", ")}${more}`;
}
