// The policy maps of a node without a datapath, of any size, and what packets would meet in them: maps are read back
// and asked in the order that bpf/lib/policy.h asks them.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KernelSlot, openMaps } from "@tsilium/datapath";
import { BpfMap, type MapOptions, TypedMap } from "@tsilium/ebpf";
import { Address } from "@tsilium/net";
import { lookup } from "@tsilium/policy";
import type { CompiledSlot, EntryVerdict } from "@tsilium/policy/model.ts";
import { mount, umount2 } from "@tsilium/syscall";
import {
  type ConntrackEntry,
  conntrackFlags,
  type ConntrackKey4,
  type Endpoint,
  mapCodecs,
} from "../../../../../packages/datapath/src/gen/abi.ts";
import { openPolicyKernel, type PolicyKernel } from "../kernel.ts";

/** Entries of each map; the rest have room enough. */
export type MapSizes = Partial<Record<"classes" | "rules" | "identities" | "addresses", number>>;

export type PacketQuestion = {
  readonly subject: number;
  readonly direction: "ingress" | "egress";
  readonly identity: number;
  readonly address: string;
  readonly port: number;
};

type ProxiedEnd = { readonly identity: number; readonly address: string; readonly port: number };

export type ProxiedRow = {
  /** The opening side. */
  readonly client: ProxiedEnd;
  readonly server: ProxiedEnd;
  /** Listener that accepted it. */
  readonly proxyPort: number;
  /** enum conntrack_part. */
  readonly part?: number;
  /** Both sides have closed it. */
  readonly isOver?: boolean;
};

/** Bytes of key and value. Whoever opens them refuses maps of other sizes than the programs have. */
const sizes = {
  tsi_policy_subject: [4, 8],
  tsi_policy: [4, 16],
  tsi_policy_class: [8, 4],
  tsi_policy_rule: [12, 8],
  tsi_identities: [4, 4],
  tsi_ipcache: [20, 32],
  tsi_runtime: [4, 16],
  tsi_ep_if: [4, 56],
  tsi_ct4: [16, 40],
  tsi_ct4_new: [16, 40],
  tsi_ct6: [40, 40],
  tsi_ct6_new: [40, 40],
} as const;
const noPrealloc = 1;
const mmapable = 1 << 10;

export class PolicyNode implements Disposable {
  readonly bpffs: string;
  readonly runDir: string;
  readonly #cleanUp = new DisposableStack();

  constructor(entries: MapSizes = {}) {
    this.runDir = mkdtempSync(join(tmpdir(), "tsit-policy-run-"));
    this.#cleanUp.defer(() => rmSync(this.runDir, { recursive: true, force: true }));
    this.bpffs = mkdtempSync(join(tmpdir(), "tsit-policy-"));
    this.#cleanUp.defer(() => rmSync(this.bpffs, { recursive: true, force: true }));
    mount({ source: "bpf", target: this.bpffs, type: "bpf" });
    this.#cleanUp.defer(() => void umount2(this.bpffs, 2));
    mkdirSync(join(this.bpffs, "maps"));
    const { classes = 4096, rules = 4096, identities = 4096, addresses = 4096 } = entries;
    this.#pin("tsi_policy_subject", { type: "array", maxEntries: 1024 });
    this.#pin("tsi_policy", { type: "array", maxEntries: 65_536 });
    this.#pin("tsi_policy_class", { type: "hash", maxEntries: classes, flags: noPrealloc });
    this.#pin("tsi_policy_rule", { type: "hash", maxEntries: rules, flags: noPrealloc });
    this.#pin("tsi_identities", { type: "hash", maxEntries: identities, flags: noPrealloc });
    this.#pin("tsi_ipcache", { type: "lpm_trie", maxEntries: addresses, flags: noPrealloc });
    this.#pin("tsi_runtime", { type: "array", maxEntries: 1, flags: mmapable });
    this.#pin("tsi_ep_if", { type: "hash", maxEntries: 16 });
    for (const name of ["tsi_ct4", "tsi_ct4_new", "tsi_ct6", "tsi_ct6_new"] as const)
      this.#pin(name, { type: "lru_hash", maxEntries: 256 });
  }

  /** Opens the maps as the worker does; they are closed with the node. */
  open(): PolicyKernel {
    return this.#cleanUp.use(openPolicyKernel(this.bpffs));
  }

  [Symbol.dispose](): void {
    this.#cleanUp[Symbol.dispose]();
  }

  /** The pod of the node; its row says whose policy holds for it. */
  setEndpoint(subject: number, address: string): void {
    using map = this.#map("tsi_ep_if");
    const row: Endpoint = {
      ifindex: 7,
      identity: 300,
      id: 7,
      flags: 0,
      mac: new Uint8Array(6),
      nodeMac: new Uint8Array(6),
      ipv4: ipv4Number(address),
      subject,
      ipv6: new Uint8Array(16),
      netnsCookie: 0n,
    };
    new TypedMap(map, mapCodecs.tsi_ep_if).update(row.ifindex, row);
  }

  /** A connection that a proxy has accepted, as the kernel notes it. */
  setProxied(connection: ProxiedRow): void {
    using map = this.#map("tsi_ct4");
    const { client, server, proxyPort, part = 0, isOver = false } = connection;
    const { proxied, originHigh, originClosed, replyClosed } = conntrackFlags;
    const isHigh = ipv4Number(client.address) > ipv4Number(server.address);
    const [low, high] = isHigh ? [server, client] : [client, server];
    const key: ConntrackKey4 = {
      lowAddress: ipv4Number(low.address),
      highAddress: ipv4Number(high.address),
      lowPort: low.port,
      highPort: high.port,
      protocol: 6,
      part,
    };
    const entry: ConntrackEntry = {
      expiresNs: 2n ** 62n,
      epoch: 0,
      originIdentity: client.identity,
      replyIdentity: server.identity,
      originOwner: 0,
      replyOwner: 0,
      flags: proxied | (isHigh ? originHigh : 0) | (isOver ? originClosed | replyClosed : 0),
      proxyPort,
      frontend: 0,
      originTold: 0,
      replyTold: 0,
    };
    new TypedMap(map, mapCodecs.tsi_ct4).update(key, entry);
  }

  /**
   * What becomes of packets with what the maps hold now: "allow", "deny", "audit", "redirect 11008", "not ready" (203),
   * "unknown identity" (171).
   */
  decide(questions: readonly PacketQuestion[]): string[] {
    const { policy, ipcache } = openMaps({ bpffs: this.bpffs });
    const subjects = policy.subjects();
    const slots = policy.slots(
      new Set(subjects.flatMap(({ ingress, egress }) => [ingress, egress])),
    );
    const rows = ipcache.list().toSorted((a, b) => b.prefix.length - a.prefix.length);
    const known = new Set(this.#identities());
    return questions.map(({ subject, direction, identity, address, port }) => {
      const number = subjects.find((row) => row.subject === subject)?.[direction] ?? 0;
      if (number === 1) return "allow";
      const slot = slots.find((found) => found.slot === number);
      if (number === 0 || !slot) return "not ready";
      const row = rows.find(({ prefix }) => prefix.contains(Address.parse(address)));
      const answer = lookup(asCompiled(slot, direction), {
        identity,
        cidrSet: row?.cidrSet ?? 0,
        protocol: 6,
        port,
        isKnown: known.has(identity),
      });
      if (answer.kind !== "decided") return "unknown identity";
      const { verdict, proxyPort } = answer;
      return verdict === "redirect" ? `${verdict} ${proxyPort}` : verdict;
    });
  }

  /** Everything in the tables that grow, counted. */
  counts(): Record<"classes" | "rules" | "identities" | "addresses", number> {
    const count = (name: string) => {
      using map = this.#map(name);
      return map.keys().toArray().length;
    };
    return {
      classes: count("tsi_policy_class"),
      rules: count("tsi_policy_rule"),
      identities: count("tsi_identities"),
      addresses: count("tsi_ipcache"),
    };
  }

  get epoch(): number {
    using map = this.#map("tsi_runtime");
    return new DataView(map.lookup(new Uint8Array(4))?.buffer as ArrayBuffer).getUint32(0, true);
  }

  #identities(): number[] {
    using map = this.#map("tsi_identities");
    return Array.from(map.keys(), (key) => new DataView(key.slice().buffer).getUint32(0, true));
  }

  #map(name: string): BpfMap {
    return BpfMap.fromPinned(this.#path(name));
  }

  #path(name: string): string {
    return join(this.bpffs, "maps", `${name}_00000000`);
  }

  #pin(name: keyof typeof sizes, options: Pick<MapOptions, "type" | "maxEntries" | "flags">): void {
    const [keySize, valueSize] = sizes[name];
    using map = BpfMap.create({ name, keySize, valueSize, ...options });
    map.pin(this.#path(name));
  }
}

function asCompiled(slot: KernelSlot, direction: "ingress" | "egress"): CompiledSlot {
  const { verdict, rule, response } = slot.default;
  return {
    ...slot,
    direction,
    otherwise: { verdict: plainVerdict(verdict), rule },
    response,
    rules: slot.rules.map((entry) => ({ ...entry, verdict: plainVerdict(entry.verdict) })),
  };
}

function plainVerdict(word: string | undefined): EntryVerdict {
  return word === "allow" || word === "audit" || word === "redirect" ? word : "deny";
}

function ipv4Number(address: string): number {
  return new DataView(Address.parse(address).bytes.slice().buffer).getUint32(0);
}
