// What this kernel can do, found out by trying and not by its version, since distributions add and remove
// things. Each feature names the first kernel.org release that has it and what is used without it.
import { isSyscallError } from "@tsilium/syscall";
import { existsSync } from "node:fs";
import { BpfError, UnsupportedError } from "../errors.ts";
import { Attributes, command } from "../kernel/attributes.ts";
import { attachTypes, hasTcx } from "../kernel/link.ts";
import { BpfMap, type MapOptions } from "../kernel/map.ts";
import { hasHelper, loadSnippet, SCHED_CLS } from "./snippet.ts";

export type Feature = {
  readonly name: FeatureName;
  readonly available: boolean;
  /** First kernel.org release with it, "6.6". */
  readonly sinceKernel: string;
  /** What it is for, and what happens without it. */
  readonly detail: string;
};

type Probe = {
  readonly sinceKernel: string;
  readonly detail: string;
  /** @throws BpfError counts as absent, unless it is about rights. */
  readonly test: () => boolean;
};

/** Helper numbers: enum bpf_func_id. */
const helpers = { redirectNeigh: 152, redirectPeer: 155, ktimeBoot: 125, skAssign: 124, loop: 181 };

const probes = {
  "kernel BTF": {
    sinceKernel: "5.2",
    detail: "types of the running kernel, for tools that print maps and programs",
    test: () => existsSync("/sys/kernel/btf/vmlinux"),
  },
  "bounded loops": {
    sinceKernel: "5.17",
    detail: "bpf_loop, for walks whose length the verifier cannot unroll",
    test: () => hasHelper(SCHED_CLS, helpers.loop),
  },
  "boot-time clock": {
    sinceKernel: "5.8",
    detail: "bpf_ktime_get_boot_ns, time stamps that survive suspension",
    test: () => hasHelper(SCHED_CLS, helpers.ktimeBoot),
  },
  "redirect to peer": {
    sinceKernel: "5.10",
    detail: "bpf_redirect_peer, delivery into a pod without its host's stack",
    test: () => hasHelper(SCHED_CLS, helpers.redirectPeer),
  },
  "redirect to neighbour": {
    sinceKernel: "5.10",
    detail: "bpf_redirect_neigh, delivery to a next hop without its host's stack",
    test: () => hasHelper(SCHED_CLS, helpers.redirectNeigh),
  },
  "socket assignment": {
    sinceKernel: "5.7",
    detail: "bpf_sk_assign at tc ingress, for transparent proxies",
    test: () => hasHelper(SCHED_CLS, helpers.skAssign),
  },
  "ring buffer": {
    sinceKernel: "5.8",
    detail: "ordered events from programs to user space",
    test: () => canCreate({ type: "ringbuf", keySize: 0, valueSize: 0, maxEntries: 4096 }),
  },
  "map batches": {
    sinceKernel: "5.6",
    detail: "many entries per system call; without it, one by one",
    test: () => hasBatches("hash"),
  },
  "trie batches": {
    sinceKernel: "5.13",
    detail: "many entries per system call for longest-prefix maps; without it, one by one",
    test: () => hasBatches("lpm_trie"),
  },
  "socket lookup programs": {
    sinceKernel: "5.9",
    detail: "sk_lookup, a listener for addresses nobody is bound to",
    test: () => canLoad({ type: 30, attachType: 36 }),
  },
  "socket release programs": {
    sinceKernel: "5.9",
    detail: "cgroup/sock_release, clearing state when a socket closes",
    test: () => canLoad({ type: 9, attachType: 34 }),
  },
  "socket address programs": {
    sinceKernel: "5.8",
    detail: "cgroup/connect, sendmsg, recvmsg and getpeername, which put another address in a call",
    test: () => canLoad({ type: 18, attachType: 29 }),
  },
  "multi-buffer XDP": {
    sinceKernel: "5.18",
    detail: "XDP on packets larger than a page",
    test: () => canLoad({ type: 6, attachType: attachTypes.xdp, flags: 1 << 5 }),
  },
  tcx: {
    sinceKernel: "6.6",
    detail: "links to interfaces that are replaced atomically; without it, clsact filters",
    test: hasTcx,
  },
  netkit: {
    sinceKernel: "6.7",
    detail: "pod devices made for eBPF; without it, veth pairs",
    test: hasNetkit,
  },
} as const satisfies Record<string, Probe>;

export type FeatureName = keyof typeof probes;

const known = new Map<FeatureName, boolean>();

/** Whether the kernel has a feature; tried once per process. @throws BpfError EPERM without the rights to try. */
export function hasFeature(name: FeatureName): boolean {
  const remembered = known.get(name);
  if (remembered !== undefined) return remembered;
  const available = attempt(probes[name]);
  known.set(name, available);
  return available;
}

/** Every feature this package can look for. @throws BpfError EPERM */
export function features(): Feature[] {
  return (Object.keys(probes) as FeatureName[]).map((name) => {
    const { sinceKernel, detail } = probes[name];
    return { name, available: hasFeature(name), sinceKernel, detail };
  });
}

/** @throws UnsupportedError naming the feature and the first kernel that has it. */
export function requireFeature(name: FeatureName): void {
  if (hasFeature(name)) return;
  const { sinceKernel, detail } = probes[name];
  throw new UnsupportedError(name, sinceKernel, detail);
}

function attempt(probe: Probe): boolean {
  try {
    return probe.test();
  } catch (error) {
    if (error instanceof BpfError && error.code !== "EPERM") return false;
    throw error;
  }
}

function canLoad(snippet: Parameters<typeof loadSnippet>[0]): boolean {
  loadSnippet(snippet);
  return true;
}

function canCreate(options: MapOptions): boolean {
  BpfMap.create(options).close();
  return true;
}

function hasBatches(type: "hash" | "lpm_trie"): boolean {
  const noPreallocation = 1;
  const flags = type === "lpm_trie" ? noPreallocation : 0;
  using map = BpfMap.create({ type, keySize: 8, valueSize: 4, maxEntries: 1, flags });
  return [...map.batchLookup(1)].length === 0;
}

/** Asks for the programs of the loopback device: not a netkit device, which only a kernel with netkit can tell. */
function hasNetkit(): boolean {
  const loopback = 1;
  const netkitPrimary = 54;
  try {
    new Attributes(64).u32(0, loopback).u32(4, netkitPrimary).call(command.programQuery);
    return true;
  } catch (error) {
    if (isSyscallError(error, "EINVAL")) return false;
    if (isSyscallError(error)) return true;
    throw error;
  }
}
