import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadCollection, TypedMap } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import { Address, Mac, Prefix } from "@tsilium/net";
import { projectRoot } from "@tsilium/syscall";
import { Endpoints } from "./endpoints.ts";
import { mapCodecs } from "../gen/abi.ts";
import { syncHostAddresses } from "./host-addresses.ts";
import { IpcacheMap } from "./ipcache.ts";
import { declareMaps, onlyMap } from "../pinned/map-specs.ts";
import type { DeclaredMap, MapSizes } from "../pinned/map-specs.ts";
import { copyEntries } from "../pinned/migrate.ts";
import type { EndpointEntry } from "../model.ts";
import { IpMasqMap } from "./ip-masq.ts";
import { NodesMap } from "./nodes.ts";
import { readObjects } from "../programs/objects.ts";

const objects = process.env["TSILIUM_BPF_OBJECTS"] ?? join(projectRoot(), "dist/bpf");
const sizes: MapSizes = {
  conntrackMax: 1024,
  youngMax: 1024,
  natMax: 1024,
  policyMax: 1024,
  serviceMax: 1024,
  serviceSlotMax: 2048,
  serviceFlowMax: 1024,
  affinityMax: 1024,
  socketMax: 1024,
  maglevTableSize: 251,
};

function declared(name: string): DeclaredMap {
  const found = declareMaps(Object.values(readObjects(objects)), sizes).find(
    (map) => map.name === name,
  );
  assert.ok(found, `${name} is declared`);
  return found;
}

/** A map of its own as the objects declare it, pinned nowhere. */
function freshMap(name: string): BpfMap {
  return loadCollection(onlyMap(declared(name))).map(name);
}

/** The same with room for this many entries. */
function smallMap(name: string, maxEntries: number): BpfMap {
  const spec = onlyMap(declared(name)).clone();
  for (const map of Object.values(spec.maps)) map.maxEntries = maxEntries;
  return loadCollection(spec).map(name);
}

/** Endpoints over fresh maps, a hook that only remembers, and how often the epoch moved. */
function endpointsOnFreshMaps() {
  const byInterface = new TypedMap(freshMap("tsi_ep_if"), mapCodecs.tsi_ep_if);
  const byAddress = new TypedMap(freshMap("tsi_ep_addr"), mapCodecs.tsi_ep_addr);
  const state = { epochs: 0, attached: new Set<number>() };
  const make = (): Endpoints =>
    new Endpoints({
      byInterface,
      byAddress,
      hook: {
        attach: ({ id }) => state.attached.add(id),
        detach: (id) => state.attached.delete(id),
      },
      bumpEpoch: () => state.epochs++,
    });
  const owners = (): string[] =>
    Array.from(
      byAddress.entries(),
      ([key, row]) => `${Buffer.from(key.address).toString("hex").slice(-8)} ${row.id}`,
    ).sort();
  return { make, state, owners, byAddress };
}

const web: EndpointEntry = {
  id: 7,
  ifindex: 20,
  identity: 1001,
  ipv4: Address.parse("10.244.0.7"),
  ipv6: Address.parse("fd00::7"),
  mac: Mac.parse("02:00:00:00:00:07"),
  nodeMac: Mac.parse("02:00:00:00:01:07"),
  subject: 3,
  netnsCookie: 4026531840n,
};

test("endpoints that an earlier agent wrote are adopted as they were", () => {
  const { make } = endpointsOnFreshMaps();
  const ipv4Only = {
    ...web,
    id: 8,
    ifindex: 21,
    ipv4: Address.parse("10.244.0.8"),
    ipv6: undefined,
  };
  const first = make();
  first.upsert(web);
  first.upsert(ipv4Only);
  assert.deepEqual(make().list().map(describe), [describe(web), describe(ipv4Only)]);
});

function describe(entry: EndpointEntry): string {
  const { id, ifindex, identity, ipv4, ipv6, mac, nodeMac, subject } = entry;
  return `${id} ${ifindex} ${identity} ${ipv4} ${ipv6} ${mac} ${nodeMac} ${subject}`;
}

test("a changed address or interface leaves nothing of the old one", () => {
  const { make, state, owners } = endpointsOnFreshMaps();
  const endpoints = make();
  endpoints.upsert(web);
  assert.equal(state.epochs, 1, "its addresses were somebody else's, if only the world's");
  endpoints.upsert(web);
  assert.equal(state.epochs, 1, "nothing changed");
  endpoints.upsert({ ...web, ifindex: 30, ipv4: Address.parse("10.244.0.9"), ipv6: undefined });
  assert.deepEqual(owners(), ["0af40009 7"]);
  assert.equal(make().list().length, 1);
  assert.equal(state.epochs, 2);
  endpoints.upsert({
    ...web,
    ifindex: 30,
    ipv4: Address.parse("10.244.0.9"),
    ipv6: undefined,
    subject: 4,
  });
  assert.equal(state.epochs, 3, "it is under another policy");
});

test("an address that moved to another endpoint stays with it when the old one goes", () => {
  const { make, state, owners } = endpointsOnFreshMaps();
  const endpoints = make();
  endpoints.upsert(web);
  endpoints.upsert({ ...web, id: 8, ifindex: 21, identity: 1002, ipv6: undefined });
  assert.equal(state.epochs, 2, "the address changed hands");
  endpoints.delete(web.id);
  assert.deepEqual(owners(), ["0af40007 8"]);
  assert.deepEqual([...state.attached], [8]);
});

test("the node's own addresses follow what it has and never disturb pods'", () => {
  const { make, owners, byAddress } = endpointsOnFreshMaps();
  make().upsert({ ...web, ipv6: undefined });
  syncHostAddresses(byAddress, [Address.parse("172.18.0.2"), Address.parse("10.244.0.1")]);
  syncHostAddresses(byAddress, [Address.parse("172.18.0.3"), Address.parse("10.244.0.1")]);
  assert.deepEqual(owners(), ["0af40001 0", "0af40007 7", "ac120003 0"]);
});

test("the epoch moves when addresses get another identity, owner or cidr-set, not for another tunnel", () => {
  let epochs = 0;
  const map = new TypedMap(freshMap("tsi_ipcache"), mapCodecs.tsi_ipcache);
  const ipcache = new IpcacheMap({ map, bumpEpoch: () => epochs++ });
  const prefix = Prefix.parse("10.244.1.0/24");
  const host = Prefix.parse("10.244.1.5/32");
  const owned = { tunnelEndpoint: undefined, owner: 5, cidrSet: 0 };
  const behind = { ...owned, tunnelEndpoint: Address.parse("172.18.0.3") };
  ipcache.upsert({ prefix, identity: 2, ...owned });
  ipcache.upsert({ prefix: host, identity: 1001, ...owned });
  assert.equal(epochs, 2, "both took addresses from whoever had them");
  ipcache.upsert({ prefix: host, identity: 1001, ...behind });
  assert.equal(epochs, 2);
  ipcache.upsert({ prefix: host, identity: 1002, ...behind });
  ipcache.upsert({ prefix: host, identity: 1002, ...behind, owner: 6 });
  ipcache.upsert({ prefix: host, identity: 1002, ...behind, owner: 6, cidrSet: 1 });
  assert.equal(epochs, 5);
  assert.deepEqual(
    ipcache.list().map((entry) => `${entry.prefix} ${entry.identity} ${entry.tunnelEndpoint}`),
    ["10.244.1.0/24 2 undefined", "10.244.1.5/32 1002 172.18.0.3"],
  );
  assert.equal(ipcache.delete(host), true);
  assert.equal(ipcache.delete(host), false);
  assert.equal(epochs, 6);
});

test("many entries move the epoch once", () => {
  let epochs = 0;
  const map = new TypedMap(freshMap("tsi_ipcache"), mapCodecs.tsi_ipcache);
  const ipcache = new IpcacheMap({ map, bumpEpoch: () => epochs++ });
  const entries = (identity: number) =>
    ["10.0.0.1/32", "fd00::1/128", "::/0"].map((text) => ({
      prefix: Prefix.parse(text),
      identity,
      tunnelEndpoint: undefined,
      owner: 5,
      cidrSet: 0,
    }));
  ipcache.upsertMany(entries(1));
  ipcache.upsertMany(entries(1));
  ipcache.upsertMany(entries(2));
  assert.equal(epochs, 2);
});

test("nodes of both families read back with what they are", () => {
  const nodes = new NodesMap(new TypedMap(freshMap("tsi_nodes"), mapCodecs.tsi_nodes));
  nodes.upsert({ address: Address.parse("fc00:18::3"), local: false });
  nodes.upsert({ address: Address.parse("172.18.0.2"), local: true });
  assert.deepEqual(
    nodes.list().map(({ address, local }) => `${address} ${local}`),
    ["172.18.0.2 true", "fc00:18::3 false"],
  );
  assert.equal(nodes.delete(Address.parse("172.18.0.2")), true);
  assert.equal(nodes.delete(Address.parse("172.18.0.2")), false);
});

test("exempt destinations are those of the last call", () => {
  const map = new IpMasqMap(new TypedMap(freshMap("tsi_ip_masq"), mapCodecs.tsi_ip_masq));
  const prefixes = (...texts: string[]) => texts.map((text) => Prefix.parse(text));
  map.setExempt(prefixes("10.0.0.0/8", "fd00::/8", "10.1.0.0/16"));
  assert.deepEqual(map.list().map(String), ["10.0.0.0/8", "10.1.0.0/16", "fd00::/8"]);
  map.setExempt(prefixes("10.1.0.0/16", "0.0.0.0/0"));
  assert.deepEqual(map.list().map(String), ["0.0.0.0/0", "10.1.0.0/16"]);
});

test("a copy into a fresh map takes all that fits and says how much did not", () => {
  const [from, to] = [freshMap("tsi_lb_backend"), smallMap("tsi_lb_backend", 3)] as const;
  const value = (n: number): Uint8Array => new Uint8Array(from.valueSize).fill(n);
  const key = (n: number): Uint8Array => Uint8Array.of(n, 0, 0, 0);
  from.batchUpdate([1, 2, 3, 4, 5].map((n) => [key(n), value(n)]));
  const { layout } = declared("tsi_lb_backend");
  assert.deepEqual(copyEntries(from, { to, layout, isFresh: true }), { copied: 3, lost: 2 });
  assert.ok([...to.entries()].every(([id, row]) => row.every((byte) => byte === id[0])));

  const sets = [freshMap("tsi_lb_set"), smallMap("tsi_lb_set", 8)] as const;
  const row = (n: number): Uint8Array => new Uint8Array(sets[0].valueSize).fill(n);
  sets[0].batchUpdate([3, 7, 9].map((n) => [key(n), row(n)]));
  const target = { to: sets[1], layout: declared("tsi_lb_set").layout, isFresh: true };
  assert.deepEqual(copyEntries(sets[0], target), { copied: 2, lost: 1 });
  assert.deepEqual(sets[1].lookup(key(7)), row(7));
});

test("a copy keeps what the new map has already and carries every CPU's counters", () => {
  const runtime = [freshMap("tsi_ct4"), freshMap("tsi_ct4")] as const;
  const key = (n: number): Uint8Array => new Uint8Array(runtime[0].keySize).fill(n);
  const value = (n: number): Uint8Array => new Uint8Array(runtime[0].valueSize).fill(n);
  runtime[0].update(key(1), value(1));
  runtime[0].update(key(2), value(2));
  runtime[1].update(key(2), value(9));
  assert.deepEqual(
    copyEntries(runtime[0], {
      to: runtime[1],
      layout: declared("tsi_ct4").layout,
      isFresh: false,
    }),
    {
      copied: 1,
      lost: 0,
    },
  );
  assert.deepEqual([runtime[1].lookup(key(1))?.[0], runtime[1].lookup(key(2))?.[0]], [1, 9]);

  const metrics = [freshMap("tsi_metrics"), freshMap("tsi_metrics")] as const;
  const slot = Uint8Array.of(132, 2, 0, 0);
  const perCpu = (metrics[0].lookupPerCpu(slot) ?? []).map((stored, cpu) =>
    stored.slice().fill(cpu + 1),
  );
  metrics[0].updatePerCpu(slot, perCpu);
  copyEntries(metrics[0], {
    to: metrics[1],
    layout: declared("tsi_metrics").layout,
    isFresh: false,
  });
  assert.deepEqual(metrics[1].lookupPerCpu(slot), perCpu);
});
