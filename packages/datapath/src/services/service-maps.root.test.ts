import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { codecs, decode, encode, TypedMap } from "@tsilium/ebpf";
import type { BpfMap, MapCodecs } from "@tsilium/ebpf";
import { Address, Prefix } from "@tsilium/net";
import {
  affinity,
  affinityKey,
  affinityKind,
  backendAlgorithm,
  frontendFlags,
  mapCodecs,
  serviceFlow,
  serviceFlowKey,
  socketFlow,
  socketFlowKey,
} from "../gen/abi.ts";
import type { ServiceChanges, ServiceSurvey } from "../model.ts";
import { mappedBytes } from "../tables/address-key.ts";
import { freshServiceMaps } from "../testing/service-tables.ts";
import {
  backend,
  backendSet,
  frontend,
  noChanges,
  putAll,
  removeAll,
  services,
  table,
} from "../testing/services.ts";
import { readMaglev } from "./maglev.ts";
import { memberKeyBit } from "./rows.ts";
import { ServiceMaps } from "./service-maps.ts";
import { flowTables, serviceTables } from "./tables.ts";
import type { MapSource, ServiceTables } from "./tables.ts";

const maglevSize = 251;
const second = 1_000_000_000n;

/** A table that tells of each write once it is done, and how many entries it had. */
class WatchedMap<K, V> extends TypedMap<K, V> {
  readonly #written: (map: string, entries: number) => void;

  constructor(
    map: BpfMap,
    { key, value }: MapCodecs<K, V>,
    written: (map: string, entries: number) => void,
  ) {
    super(map, { key, value });
    this.#written = written;
  }

  override updateMany(entries: Iterable<readonly [K, V]>): number {
    const count = super.updateMany(entries);
    this.#written(`put ${this.map.name}`, count);
    return count;
  }

  override deleteMany(keys: Iterable<K>): number {
    const count = super.deleteMany(keys);
    this.#written(`remove ${this.map.name}`, count);
    return count;
  }
}

function watchedTables(maps: MapSource, written: (what: string, n: number) => void): ServiceTables {
  const watched = <K, V>(name: string, codec: MapCodecs<K, V>) =>
    new WatchedMap(maps.get(name), codec, written);
  return {
    frontend: watched("tsi_lb_frontend", mapCodecs.tsi_lb_frontend),
    address: watched("tsi_lb_address", mapCodecs.tsi_lb_address),
    set: watched("tsi_lb_set", mapCodecs.tsi_lb_set),
    slot: watched("tsi_lb_slot", mapCodecs.tsi_lb_slot),
    backend: watched("tsi_lb_backend", mapCodecs.tsi_lb_backend),
    maglev: maps.get("tsi_lb_maglev"),
    source: watched("tsi_lb_source", mapCodecs.tsi_lb_source),
    skip: watched("tsi_lb_skip", mapCodecs.tsi_lb_skip),
  };
}

function fresh(of: Readonly<Record<string, number>> = {}) {
  const maps = freshServiceMaps({ entries: 256, maglev: maglevSize, of });
  const written: string[] = [];
  const watched = watchedTables(maps, (what, entries) => {
    if (entries > 0) written.push(`${what} ${entries}`);
    assert.deepEqual(gaps(serviceTables(maps)), [], `after ${written.at(-1)}`);
  });
  const make = () => new ServiceMaps(watched, flowTables(maps));
  return { maps, written, make, [Symbol.dispose]: () => maps[Symbol.dispose]() };
}

/** What a packet could run into: whatever is referred to and is not there. */
function gaps(tables: ServiceTables): string[] {
  const found: string[] = [];
  for (const [key, { id, externalSet, internalSet, flags }] of tables.frontend.entries()) {
    const hasAnswers = key.address.some(Boolean) && (flags & frontendFlags.addressOnly) === 0;
    if (hasAnswers && !tables.address.lookup(id)) found.push(`frontend ${id} has no address`);
    for (const set of new Set([externalSet, internalSet])) found.push(...gapsOfSet(tables, set));
  }
  return found;
}

function gapsOfSet(tables: ServiceTables, set: number): string[] {
  const row = tables.set.lookup(set);
  if (row === undefined) return [`no set ${set}`];
  const slots = Array.from({ length: row.count }, (_, slot) => tables.slot.lookup({ set, slot }));
  const found = slots.flatMap((id, slot) => {
    if (id === undefined) return [`set ${set} has no slot ${slot}`];
    return tables.backend.lookup(id) ? [] : [`slot ${slot} of set ${set}: no backend ${id}`];
  });
  const usesMaglev = row.algorithm === backendAlgorithm.maglev;
  if (usesMaglev && !tables.maglev.lookup(encode(codecs.u32, set)))
    found.push(`set ${set} has no table`);
  return found;
}

/** Every entry of every map, of arrays those that are not zero. */
function dump(maps: MapSource & { readonly names: readonly string[] }): string[] {
  return maps.names.flatMap((name) =>
    Array.from(maps.get(name).entries(), ([key, value]) => ({ key, value }))
      .filter(({ value }) => name !== "tsi_lb_set" || value.some((byte) => byte !== 0))
      .map(({ key, value }) => {
        const shown = name === "tsi_lb_maglev" ? "a table" : Buffer.from(value).toString("hex");
        return `${name} ${Buffer.from(key).toString("hex")} ${shown}`;
      })
      .toSorted(),
  );
}

const sorted = (survey: ServiceSurvey): ServiceSurvey => ({
  backends: survey.backends.toSorted((a, b) => a.id - b.id),
  sets: survey.sets.toSorted((a, b) => a.id - b.id),
  frontends: survey.frontends.toSorted((a, b) => a.id - b.id),
  sourceRanges: survey.sourceRanges.toSorted((a, b) => `${a.prefix}`.localeCompare(`${b.prefix}`)),
  exceptions: survey.exceptions.toSorted((a, b) => Number(a.netnsCookie - b.netnsCookie)),
});

const everything: ServiceSurvey = {
  backends: [
    backend(1),
    backend(2, { address: Address.parse("fd00::2"), port: 53, protocol: 17 }),
    backend(3, { state: "terminating" }),
    backend(4, { protocol: 132 }),
  ],
  sets: [
    backendSet(1, [1, 4, 1]),
    backendSet(2, [], { silent: true }),
    backendSet(3, [2], { affinityTimeoutS: 10_800 }),
    backendSet(4, [1], { maglev: new Uint32Array(0) }),
  ],
  frontends: [
    frontend(1, { internalSet: 2, kind: "node-port", dsr: true }),
    frontend(2, { address: Address.parse("fd00:96::2"), kind: "external", hasSourceRanges: true }),
    frontend(3, { kind: "address-only", port: 0, protocol: 0, externalSet: 1, internalSet: 1 }),
    frontend(4, { kind: "host-port", address: undefined, localRedirect: true }),
    frontend(5, { externalSet: 3, internalSet: 3, hasExceptions: true }),
  ],
  sourceRanges: [
    { frontend: 2, prefix: Prefix.parse("2001:db8::/32") },
    { frontend: 2, prefix: Prefix.parse("203.0.113.0/24") },
  ],
  exceptions: [
    { netnsCookie: 4096n, address: Address.parse("10.96.0.5"), port: 80, protocol: 6 },
    { netnsCookie: 4097n, address: Address.parse("fd00::1"), port: 53, protocol: 17 },
  ],
};
const withTable: ServiceChanges = putAll({
  ...everything,
  sets: everything.sets.map((set) =>
    set.maglev === undefined ? set : { ...set, maglev: table(maglevSize, set.backends) },
  ),
});

describe("services in the kernel", () => {
  test("read back as they were written, by an agent that starts later too", () => {
    using services = fresh();
    services.make().apply(withTable);
    assert.deepEqual(sorted(services.make().survey()), everything);
  });

  test("are written as written before, which writes no slot and no set again", () => {
    using services = fresh();
    services.make().apply(withTable);
    const before = dump(services.maps);
    services.written.length = 0;
    services.make().apply(withTable);
    assert.deepEqual(dump(services.maps), before);
    assert.deepEqual(
      services.written.filter((line) => /_(slot|set) /.test(line)),
      [],
    );
  });

  test("leave nothing behind in any map once removed", () => {
    using services = fresh();
    const maps = services.make();
    maps.apply(withTable);
    maps.apply(removeAll(everything));
    assert.deepEqual(dump(services.maps), []);
    assert.ok(
      maps.usage().every(({ entries }) => entries === 0),
      JSON.stringify(maps.usage()),
    );
  });

  test("are put in order and removed the other way round", () => {
    using services = fresh();
    const maps = services.make();
    maps.apply(withTable);
    maps.apply(removeAll(everything));
    assert.deepEqual(services.written, [
      "put tsi_lb_backend 4",
      "put tsi_lb_slot 6",
      "put tsi_lb_set 4",
      "put tsi_lb_source 2",
      "put tsi_lb_skip 2",
      "put tsi_lb_address 3",
      "put tsi_lb_frontend 5",
      "remove tsi_lb_frontend 5",
      "remove tsi_lb_address 3",
      "remove tsi_lb_skip 2",
      "remove tsi_lb_source 2",
      "put tsi_lb_set 4",
      "remove tsi_lb_slot 6",
      "remove tsi_lb_backend 4",
    ]);
  });

  test("of a thousand backends in a set, one that goes costs two slots", () => {
    using services = fresh({ tsi_lb_slot: 2000, tsi_lb_backend: 2000 });
    const maps = services.make();
    const ids = Array.from({ length: 1000 }, (_, index) => index + 1);
    maps.apply(
      putAll({
        backends: ids.map((id) => backend(id)),
        sets: [backendSet(1, ids)],
        frontends: [frontend(1)],
      }),
    );
    services.written.length = 0;
    // The last one takes the place of the one that goes.
    const left = ids.slice(0, -1).with(499, 1000);
    maps.apply({
      ...noChanges,
      sets: { put: [backendSet(1, left)], remove: [] },
      backends: { put: [], remove: [backend(500)] },
    });
    assert.deepEqual(services.written, [
      "put tsi_lb_slot 1",
      "put tsi_lb_set 1",
      "remove tsi_lb_slot 1",
      "remove tsi_lb_backend 1",
    ]);
  });

  test("a frontend that gets another number keeps no address under the old one", () => {
    using services = fresh();
    const maps = services.make();
    maps.apply(putAll({ ...everything, sets: [backendSet(1, [1])], frontends: [frontend(1)] }));
    const renumbered = {
      ...frontend(9),
      address: frontend(1).address,
      externalSet: 1,
      internalSet: 1,
    };
    maps.apply(putAll({ frontends: [renumbered] }));
    const addresses = new TypedMap(services.maps.get("tsi_lb_address"), mapCodecs.tsi_lb_address);
    assert.deepEqual([...addresses.keys()], [9]);
  });

  test("what is both put and removed is put: a number that went to somebody else in one step", () => {
    using services = fresh();
    const maps = services.make();
    maps.apply(
      putAll({ backends: [backend(1)], sets: [backendSet(1, [1])], frontends: [frontend(1)] }),
    );
    const other = frontend(1, { address: Address.parse("10.96.9.9") });
    maps.apply({
      ...noChanges,
      backends: { put: [backend(1, { port: 99 })], remove: [backend(1)] },
      frontends: { put: [other], remove: [frontend(1)] },
    });
    assert.deepEqual(maps.survey().frontends, [other]);
    assert.deepEqual(maps.survey().backends, [backend(1, { port: 99 })]);
    const addresses = new TypedMap(services.maps.get("tsi_lb_address"), mapCodecs.tsi_lb_address);
    assert.deepEqual(addresses.lookup(1)?.address, mappedBytes(other.address));
  });

  test("remains of a writer that ended half way are removed with the next change", () => {
    using services = fresh();
    services
      .make()
      .apply(
        putAll({ backends: [backend(1)], sets: [backendSet(1, [1])], frontends: [frontend(1)] }),
      );
    const expected = dump(services.maps);
    const tables = serviceTables(services.maps);
    // A slot past the count, a member of a set without affinity, an address without a frontend.
    tables.slot.update({ set: 1, slot: 1 }, 1);
    tables.slot.update({ set: 1, slot: (1 | memberKeyBit) >>> 0 }, 1);
    tables.address.update(77, { address: mappedBytes(Address.parse("10.96.0.77")), port: 80 });
    services.make().apply(putAll({ sets: [backendSet(1, [1])] }));
    assert.deepEqual(dump(services.maps), expected);
  });

  for (const [map, room] of [
    ["tsi_lb_backend", 2],
    ["tsi_lb_slot", 4],
    ["tsi_lb_set", 3],
    ["tsi_lb_maglev", 1],
    ["tsi_lb_source", 1],
    ["tsi_lb_skip", 1],
    ["tsi_lb_address", 2],
    ["tsi_lb_frontend", 3],
  ] as const) {
    test(`${map} without room is told of by name, leaves no gap, and what fits can still be done`, () => {
      using services = fresh({ [map]: room });
      const maps = services.make();
      const tooMuch = {
        ...withTable,
        sets: {
          ...withTable.sets,
          put: withTable.sets.put.with(1, backendSet(2, [3], { maglev: table(maglevSize, [3]) })),
        },
      };
      assert.throws(() => maps.apply(tooMuch), {
        code: "map_full",
        message: new RegExp(`^${map} has no room \\(${room} entries\\): raise bpf-lb-map-max`),
      });
      assert.deepEqual(gaps(serviceTables(services.maps)), []);
      maps.apply(removeAll(everything));
      assert.deepEqual(dump(services.maps), []);
    });
  }

  test("random changes never leave a gap on the way, and end as if written at once", (context) => {
    const seed = Date.now() & 0xffff;
    context.diagnostic(`seed ${seed}`);
    const next = random(seed);
    using services = fresh();
    const maps = services.make();
    let present: ServiceSurvey = putState(next, 0);
    maps.apply(putAll(present));
    for (let round = 0; round < 40; round++) {
      const wanted = putState(next, 8);
      maps.apply(difference(present, wanted));
      present = wanted;
    }
    using again = fresh();
    again.make().apply(putAll(present));
    assert.deepEqual(dump(services.maps), dump(again.maps));
    maps.apply(removeAll(present));
    assert.deepEqual(dump(services.maps), []);
  });

  test("ten thousand are applied, and one more at fifty thousand, in the time printed", (context) => {
    using maps = freshServiceMaps({
      entries: 131_072,
      maglev: maglevSize,
      of: { tsi_lb_slot: 262_144, tsi_lb_backend: 262_144 },
    });
    const writer = new ServiceMaps(serviceTables(maps), flowTables(maps));
    const timed = (what: string, action: () => void): void => {
      const startMs = performance.now();
      action();
      context.diagnostic(`${what}: ${(performance.now() - startMs).toFixed(2)} ms`);
    };
    const many = putAll(services(1, 10_000));
    timed("10,000 services", () => writer.apply(many));
    writer.apply(putAll(services(10_001, 40_000)));
    for (let number = 50_001; number < 50_004; number++) {
      const one = putAll(services(number, 1));
      timed("one more at 50,000", () => writer.apply(one));
    }
    timed("survey of 50,000", () => writer.survey());
    assert.equal(writer.usage().find(({ map }) => map === "tsi_lb_frontend")?.entries, 50_003);
  });
});

describe("Maglev tables", () => {
  const set = (backends: readonly number[], maglev: Uint32Array | undefined) =>
    putAll({
      backends: backends.map((id) => backend(id)),
      sets: [backendSet(1, backends, { maglev })],
      frontends: [frontend(1)],
    });

  test("are made once and rewritten in place; a set that is random again has none", () => {
    using services = fresh();
    const maps = services.make();
    const outer = services.maps.get("tsi_lb_maglev");
    const arrayId = (): number | undefined => {
      const id = outer.lookup(encode(codecs.u32, 1));
      return id && decode(codecs.u32, id);
    };
    maps.apply(set([1, 2], table(maglevSize, [1, 2])));
    const first = arrayId();
    maps.apply(set([1, 2, 3], table(maglevSize, [1, 2, 3])));
    assert.equal(arrayId(), first);
    assert.deepEqual(readMaglev(outer, 1), table(maglevSize, [1, 2, 3]));
    maps.apply(set([1, 2, 3], undefined));
    assert.equal(arrayId(), undefined);
  });

  test("of a size that the tables were not made for are refused", () => {
    using services = fresh();
    assert.throws(() => services.make().apply(set([1], table(509, [1]))), {
      code: "bad_config",
      message: /table of 509 .* bpf-lb-maglev-table-size/,
    });
  });

  test("that are gone are told of, so that they are written again", () => {
    using services = fresh();
    services.make().apply(set([1], table(maglevSize, [1])));
    services.maps.get("tsi_lb_maglev").delete(encode(codecs.u32, 1));
    const maps = new ServiceMaps(serviceTables(services.maps), flowTables(services.maps));
    assert.equal(maps.survey().sets[0]?.maglev, undefined);
    maps.apply(set([1], table(maglevSize, [1])));
    assert.deepEqual(readMaglev(services.maps.get("tsi_lb_maglev"), 1), table(maglevSize, [1]));
  });
});

describe("what programs remember", () => {
  const nowNs = 1000n * second;
  const client = mappedBytes(Address.parse("203.0.113.10"));

  test("flows go when their time is over or their backend is gone", async () => {
    using services = fresh();
    const maps = services.make();
    maps.apply(putAll({ backends: [backend(1)] }));
    const flows = services.maps.get("tsi_lb_flow");
    const add = (clientPort: number, expiresNs: bigint, id: number): void => {
      const key = { client, frontend: client, clientPort, frontendPort: 80, protocol: 6 };
      flows.update(
        encode(serviceFlowKey, key),
        encode(serviceFlow, { expiresNs, backend: id, flags: 0 }),
      );
    };
    add(1001, nowNs + 1n, 1);
    add(1002, nowNs, 1);
    add(1003, nowNs + 1n, 2);
    assert.deepEqual(await maps.flows.sweep(nowNs), { deleted: 2, alive: 1 });
    assert.deepEqual(
      maps.flows
        .list()
        .map(({ client: from, clientPort, backend: id }) => [`${from}`, clientPort, id]),
      [["203.0.113.10", 1001, 1]],
    );
  });

  test("clients are let go after their set's timeout, and when set or backend do not hold them", async () => {
    using services = fresh();
    const maps = services.make();
    maps.apply(
      putAll({
        backends: [backend(1)],
        sets: [backendSet(1, [1], { affinityTimeoutS: 100 }), backendSet(2, [1])],
      }),
    );
    const affinities = services.maps.get("tsi_lb_affinity");
    const add = (key: { client: Uint8Array; set: number; kind: number }, usedNs: bigint, id = 1) =>
      affinities.update(encode(affinityKey, key), encode(affinity, { usedNs, backend: id }));
    const cookie = new Uint8Array(16);
    new DataView(cookie.buffer).setBigUint64(0, 4711n, true);
    add({ client, set: 1, kind: affinityKind.address }, nowNs - 99n * second);
    add({ client: cookie, set: 1, kind: affinityKind.netns }, nowNs - 99n * second);
    add({ client: mappedBytes(Address.parse("fd00::1")), set: 1, kind: 0 }, nowNs - 100n * second);
    add({ client, set: 2, kind: affinityKind.address }, nowNs);
    add({ client: mappedBytes(Address.parse("fd00::2")), set: 1, kind: 0 }, nowNs, 9);
    assert.deepEqual(await maps.affinities.sweep(nowNs), { deleted: 3, alive: 2 });
    const left = maps.affinities.list().map((found) => `${found.client ?? found.netnsCookie}`);
    assert.deepEqual(left.toSorted(), ["203.0.113.10", "4711"]);
  });

  test("sockets' far ends go with their backend", async () => {
    using services = fresh();
    const maps = services.make();
    maps.apply(putAll({ backends: [backend(1)] }));
    const sockets = services.maps.get("tsi_lb_socket");
    for (const [cookie, id] of [
      [1n, 1],
      [2n, 2],
    ] as const)
      sockets.update(
        encode(socketFlowKey, { cookie, address: client, port: 80, kind: 0 }),
        encode(socketFlow, { address: client, port: 80, backend: id }),
      );
    assert.deepEqual(await maps.sockets.sweep(), { deleted: 1, alive: 1 });
  });
});

/** Small, reproducible random numbers (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Up to `most` services of all kinds, with numbers and backends that states have in common. */
function putState(next: (below: number) => number, most: number): ServiceSurvey {
  const ids = Array.from({ length: most }, (_, index) => index + 1).filter(() => next(3) > 0);
  const sets = ids.map((id) => {
    const backends = Array.from({ length: next(6) }, () => 1 + next(12));
    const maglev = next(3) === 0 && backends.length > 0 ? table(maglevSize, backends) : undefined;
    return backendSet(id, backends, {
      affinityTimeoutS: next(2) * 60,
      silent: next(2) > 0,
      maglev,
    });
  });
  const frontends = ids.map((id) => {
    const [externalSet = id, internalSet = id] = [ids[next(ids.length)], ids[next(ids.length)]];
    return frontend(id, {
      externalSet,
      internalSet,
      hasSourceRanges: id % 2 > 0,
      hasExceptions: id % 3 > 0,
    });
  });
  const used = new Set(sets.flatMap(({ backends }) => backends));
  return {
    backends: [...used].map((id) => backend(id, { state: next(2) > 0 ? "active" : "terminating" })),
    sets,
    frontends,
    sourceRanges: frontends
      .filter(({ hasSourceRanges }) => hasSourceRanges)
      .map(({ id }) => ({ frontend: id, prefix: Prefix.parse(`10.${next(4)}.0.0/16`) })),
    exceptions: frontends
      .filter(({ hasExceptions }) => hasExceptions)
      .map(({ address, port, protocol }) => ({
        netnsCookie: BigInt(1 + next(4)),
        address,
        port,
        protocol,
      })),
  };
}

/** The changes from one state to the next, by key, with everything that stays put again. */
function difference(from: ServiceSurvey, to: ServiceSurvey): ServiceChanges {
  const byKey = <T>(present: readonly T[], put: readonly T[], keyOf: (item: T) => unknown) => {
    const kept = new Set(put.map(keyOf));
    return { put, remove: present.filter((item) => !kept.has(keyOf(item))) };
  };
  return {
    backends: byKey(from.backends, to.backends, ({ id }) => id),
    sets: byKey(from.sets, to.sets, ({ id }) => id),
    frontends: byKey(from.frontends, to.frontends, ({ id }) => id),
    sourceRanges: byKey(
      from.sourceRanges,
      to.sourceRanges,
      (range) => `${range.frontend} ${range.prefix}`,
    ),
    exceptions: byKey(
      from.exceptions,
      to.exceptions,
      (item) => `${item.netnsCookie} ${item.address}`,
    ),
  };
}
