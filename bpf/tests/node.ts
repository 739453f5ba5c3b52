// A node's five programs loaded from dist/bpf with shared maps, on which packets are tried by
// BPF_PROG_TEST_RUN: nothing is attached, nothing is sent.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BpfMap,
  type Collection,
  type CollectionSpec,
  loadCollection,
  parseObject,
  type TestRunResult,
  TypedMap,
} from "@tsilium/ebpf";
import { Address, describePacket, parsePacket } from "@tsilium/net";
import { ownNetnsCookie, projectRoot } from "@tsilium/syscall";
import { mappedBytes, prefixKey } from "../../packages/datapath/src/tables/address-key.ts";
import { loadTimeConstants } from "../../packages/datapath/src/programs/constants.ts";
import { endpointRow, hostRow } from "../../packages/datapath/src/tables/endpoint-rows.ts";
import { sizeMaglev } from "../../packages/datapath/src/services/maglev.ts";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import type { DatapathConfig } from "../../packages/datapath/src/model.ts";
import { Counters } from "./counters.ts";
import { runNetns } from "./run-netns.ts";
import { type SceneOptions, ServiceScene } from "./service-scene.ts";
import { TunnelEntry } from "./tunnel-entry.ts";
import { endpoints, ipcache, node, otherNode, router, standard, subjects } from "./world.ts";

export type Hook = "from_container" | "from_host" | "from_netdev" | "to_netdev" | "from_overlay";
export const hooks: readonly Hook[] = [
  "from_container",
  "from_host",
  "from_netdev",
  "to_netdev",
  "from_overlay",
];

/** How a packet reached tsi_vxlan: the outer source and the VNI. */
export type Tunnelled = { readonly outerSource: string; readonly vni: number };

export type Attempt = {
  readonly hook: Hook;
  readonly packet: Uint8Array;
  /** Of from_container: whose interface the packet comes by. Default: a's. */
  readonly pod?: "a" | "b";
  readonly tunnel?: Tunnelled;
  /** skb->mark, as the node's stack hands it over. */
  readonly mark?: number;
  /** Segment size of a packet that the sender left uncut, bytes. */
  readonly gsoSize?: number;
};

/** What became of a packet: see `verdictOf` for the words. */
export type Outcome = {
  readonly verdict: string;
  readonly packet: string;
  readonly bytes: Uint8Array;
  /** skb->mark afterwards. */
  readonly mark: number;
};

/** Objects of another build may be tried in place of the shipped ones. */
const objects = process.env["TSILIUM_BPF_OBJECTS"] ?? join(projectRoot(), "dist/bpf");

const flowMaps = [
  "tsi_ct4",
  "tsi_ct6",
  "tsi_ct4_new",
  "tsi_ct6_new",
  "tsi_nat4",
  "tsi_nat6",
  "tsi_frag4",
  "tsi_frag6",
  "tsi_lb_flow",
  "tsi_lb_affinity",
];

/** What the programs take for the node's own namespace: BPF_PROG_TEST_RUN's sockets are of the test's. */
const hostNetnsCookie = ownNetnsCookie();

const skBuffSize = 192;
const markOffset = 8;
/** BPF_F_NO_PREALLOC */
const noPreallocation = 1;
const ifindexOffset = 40;
const gsoSizeOffset = 176;

export class TestNode implements Disposable {
  readonly maps: Readonly<Record<string, BpfMap>>;
  readonly services: ServiceScene;
  readonly #collections: readonly Collection[];
  readonly #programs: Readonly<Record<string, Collection>>;
  readonly #counters: Counters;
  readonly #tunnel: TunnelEntry;

  /** Loads the programs with this configuration and fills the maps with the tests' world. */
  constructor(
    config: Partial<DatapathConfig> = {},
    constants: Record<string, number> = {},
    scene: SceneOptions = {},
  ) {
    const collections: Collection[] = [];
    const programs: Record<string, Collection> = {};
    let maps: Record<string, BpfMap> = {};
    for (const hook of hooks) {
      const loaded = loadHook(hook, { ...standard, ...config }, maps, constants);
      collections.push(loaded);
      programs[hook] = loaded;
      const shared = Object.entries(loaded.maps).filter(([name]) => name.startsWith("tsi_"));
      maps = { ...maps, ...Object.fromEntries(shared) };
    }
    this.#collections = collections;
    this.#programs = programs;
    this.maps = maps;
    this.#counters = new Counters(this.map("tsi_metrics"));
    this.#tunnel = new TunnelEntry(this.program("from_overlay"));
    const { maglevTableSize } = { ...standard, ...config }.services;
    this.services = new ServiceScene(this, { maglevTableSize, ...scene });
    this.#fill();
  }

  map(name: string): BpfMap {
    const map = this.maps[name];
    if (!map) throw new Error(`no map ${name}`);
    return map;
  }

  program(hook: Hook) {
    return (this.#programs[hook] as Collection).program(`tsi_${hook}`);
  }

  /** Forgets flows, not the world. */
  reset(): void {
    for (const name of flowMaps)
      this.map(name).batchDelete([...this.map(name).entries()].map(([key]) => key));
  }

  try(attempt: Attempt): Outcome {
    const before = this.#counters.read();
    const { retval, data, ctx } = this.run(attempt);
    const counted = this.#counters.since(before);
    const mark = new DataView(ctx.buffer, ctx.byteOffset).getUint32(markOffset, true);
    return { verdict: verdictOf(retval, counted), packet: describe(data), bytes: data, mark };
  }

  /** The bare answer of the program, and the packet afterwards: for those who try thousands. */
  run(attempt: Attempt): TestRunResult {
    const { hook, packet, tunnel } = attempt;
    const program = tunnel ? this.#tunnel.from(tunnel) : this.program(hook);
    return runNetns().run(() => program.testRun({ data: packet, ctx: contextOf(attempt) }));
  }

  [Symbol.dispose](): void {
    this.#tunnel[Symbol.dispose]();
    for (const collection of this.#collections) collection[Symbol.dispose]();
  }

  #fill(): void {
    const byInterface = new TypedMap(this.map("tsi_ep_if"), { key: u32, value: abi.endpoint });
    const byAddress = new TypedMap(this.map("tsi_ep_addr"), {
      key: abi.addressKey,
      value: abi.endpoint,
    });
    for (const entry of endpoints) {
      byInterface.update(entry.ifindex, endpointRow(entry));
      for (const address of [entry.ipv4, entry.ipv6])
        byAddress.update({ address: mappedBytes(address) }, endpointRow(entry));
    }
    for (const address of [node[4], node[6], router[4], router[6]])
      byAddress.update(addressKey(address), hostRow());
    const prefixes = new TypedMap(this.map("tsi_ipcache"), {
      key: abi.ipcacheKey,
      value: abi.ipcacheEntry,
    });
    for (const { prefix, identity, tunnelEndpoint, owner } of ipcache)
      prefixes.update(prefixKey(prefix), {
        identity,
        cidrSet: 0,
        tunnelEndpoint: mappedBytes(tunnelEndpoint),
        flags: 0,
        owner,
      });
    const nodes = new TypedMap(this.map("tsi_nodes"), { key: abi.addressKey, value: abi.node });
    for (const address of [otherNode[4], otherNode[6]])
      nodes.update(addressKey(address), { flags: 0 });
    nodes.update(addressKey(node[4]), { flags: abi.nodeFlags.local });
    this.allowAll();
  }

  /** Takes the pods' policy away. */
  allowAll(): void {
    const { allow } = abi.policySlot;
    const map = new TypedMap(this.map("tsi_policy_subject"), abi.mapCodecs.tsi_policy_subject);
    for (const subject of Object.values(subjects))
      map.update(subject, { ingress: allow, egress: allow });
  }
}

/** struct __sk_buff as far as a test run may set it. */
function contextOf({ pod = "a", gsoSize = 0, mark = 0 }: Attempt): Uint8Array {
  const ctx = new DataView(new ArrayBuffer(skBuffSize));
  const ifindex = endpoints[pod === "a" ? 0 : 1]?.ifindex ?? 0;
  ctx.setUint32(markOffset, mark, true);
  ctx.setUint32(ifindexOffset, ifindex, true);
  ctx.setUint32(gsoSizeOffset, gsoSize, true);
  return new Uint8Array(ctx.buffer);
}

const u32 = { size: 4, read: readU32, write: writeU32 };

function readU32(view: DataView, offset: number): number {
  return view.getUint32(offset, true);
}

function writeU32(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value, true);
}

function addressKey(text: string): abi.AddressKey {
  return { address: mappedBytes(Address.parse(text)) };
}

/** The shipped object with this configuration; `constants` are set on top, by their names in bpf/config.h. */
export function configuredObject(
  hook: Hook | "socket",
  config: DatapathConfig,
  constants: Record<string, number> = {},
): CollectionSpec {
  const spec = parseObject(readFileSync(join(objects, `${hook}.o`)));
  applyConfig(spec, config, constants);
  return spec;
}

/** Sets every constant, and gives tables room for a test's rows only: the sizes of a node take time to make. */
export function applyConfig(
  spec: CollectionSpec,
  config: DatapathConfig,
  constants: Record<string, number> = {},
): void {
  const values = {
    ...loadTimeConstants(config, { host: 3, vxlan: 4, netnsCookie: hostNetnsCookie }),
    ...constants,
  };
  for (const [name, value] of Object.entries(values)) spec.setConstant(name, value);
  for (const map of Object.values(spec.maps)) {
    const isAllocatedAtOnce = (map.flags & noPreallocation) === 0;
    const room = isAllocatedAtOnce ? 4096 : 65_536;
    if (map.type !== "ringbuf" && map.maxEntries > room) map.maxEntries = room;
    sizeMaglev(map, config.services.maglevTableSize);
  }
}

function loadHook(
  hook: Hook,
  config: DatapathConfig,
  maps: Record<string, BpfMap>,
  constants: Record<string, number>,
): Collection {
  return loadCollection(configuredObject(hook, config, constants), { maps });
}

export function describe(packet: Uint8Array): string {
  return describePacket(parsePacket(packet));
}

/**
 * redirect        forwarded by us
 * pass            left to the stack, counted
 * untouched       left to the stack, nothing of ours
 * answer N        left to the stack, which drops and answers it; counted under reason N
 * absorb          taken in, no answer
 * drop N          dropped for reason N
 * refuse N        dropped for reason N, and an answer sent back in its place
 */
function verdictOf(retval: number, counted: readonly number[]): string {
  const counts = counted.join("+");
  if (retval === 7 && counts === "0") return "redirect";
  if (retval === 0 && counts === "0") return "pass";
  if (retval === 0 && counts === "") return "untouched";
  if (retval === 0 && counted.length === 1) return `answer ${counts}`;
  if (retval === 2 && counts === "100") return "absorb";
  if (retval === 2 && counted.length === 1) return `drop ${counts}`;
  const drops = counted.filter((reason) => reason !== 0);
  if (retval === 7 && drops.length === 1) return `refuse ${drops.join()}`;
  return `return ${retval}, counted ${counts || "nothing"}`;
}
