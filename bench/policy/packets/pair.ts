// Two local pods of one node under any amount of rules: the shipped program, its maps with room for policy, and the
// policy engine that writes them.
import {
  loadCollection,
  TypedMap,
  type BpfMap,
  type Collection,
  type Program,
} from "@tsilium/ebpf";
import { MAP_SHARED, mmap, munmap, pageSize, PROT_READ, PROT_WRITE } from "@tsilium/syscall";
import { configuredObject } from "../../../bpf/tests/node.ts";
import { endpoints, standard, subjects } from "../../../bpf/tests/world.ts";
import { mapCodecs } from "../../../packages/datapath/src/gen/abi.ts";
import { PolicyMaps } from "../../../packages/datapath/src/policy/policy-maps.ts";
import { mappedBytes } from "../../../packages/datapath/src/tables/address-key.ts";
import { endpointRow } from "../../../packages/datapath/src/tables/endpoint-rows.ts";
import { Enforcer } from "../enforcer.ts";
import { type Amount, amounts, clusterInputs, subjectNumber, subjectUnder } from "./amounts.ts";

/** As in bpf/maps/policy.h; test nodes have less. */
const room: Readonly<Record<string, number>> = {
  tsi_policy_class: 1_048_576,
  tsi_policy_rule: 524_288,
  tsi_identities: 131_072,
  tsi_ipcache: 65_536,
};
const flowMaps = ["tsi_ct4", "tsi_ct6", "tsi_ct4_new", "tsi_ct6_new"];
const roles = ["client", "server"] as const;

export class Pair implements Disposable {
  readonly #collections: readonly Collection[];
  readonly #maps: Readonly<Record<string, BpfMap>>;
  /** With drops told to user space. */
  readonly #telling: Program;
  /** As while drops are more than the budget of events: they are counted only. */
  readonly #silent: Program;

  /** Compiles every amount of rules into the maps. */
  constructor() {
    const telling = load({ events_per_second: 1_000_000 });
    const silent = load({ events_per_second: 0 }, telling.maps);
    this.#collections = [silent, telling];
    this.#maps = telling.maps;
    this.#telling = telling.program("tsi_from_container");
    this.#silent = silent.program("tsi_from_container");
    // Not disposed of: its maps are the collection's.
    const maps = PolicyMaps.of(new Map(Object.entries(this.#maps)));
    const enforcer = new Enforcer({ maps, survey: () => nothing, endpoints: () => [] });
    enforcer.tell(clusterInputs());
    for (const amount of amounts)
      for (const role of roles)
        enforcer.hold(subjectNumber(role, amount), subjectUnder(role, amount));
  }

  program({ tellsDrops }: { readonly tellsDrops: boolean }): Program {
    return tellsDrops ? this.#telling : this.#silent;
  }

  /** Puts both pods under this many rules, and forgets what they said before. */
  reset(amount: Amount): void {
    const byInterface = new TypedMap(this.#map("tsi_ep_if"), mapCodecs.tsi_ep_if);
    const byAddress = new TypedMap(this.#map("tsi_ep_addr"), mapCodecs.tsi_ep_addr);
    for (const entry of endpoints) {
      const role = entry.subject === subjects.a ? "client" : "server";
      const row = endpointRow({ ...entry, subject: subjectNumber(role, amount) });
      byInterface.update(entry.ifindex, row);
      for (const address of [entry.ipv4, entry.ipv6])
        byAddress.update({ address: mappedBytes(address) }, row);
    }
    for (const name of flowMaps) {
      const map = this.#map(name);
      map.batchDelete([...map.entries()].map(([key]) => key));
    }
    drain(this.#map("tsi_events"));
  }

  [Symbol.dispose](): void {
    for (const collection of this.#collections) collection[Symbol.dispose]();
  }

  #map(name: string): BpfMap {
    return this.#maps[name] as BpfMap;
  }
}

/** What the engine finds in maps that are new. */
const nothing = { subjects: [], slots: [], largestRule: 0, identities: [], addresses: [] };

function load(
  constants: Readonly<Record<string, number>>,
  maps: Readonly<Record<string, BpfMap>> = {},
): Collection {
  const spec = configuredObject("from_container", standard, constants);
  for (const map of Object.values(spec.maps)) map.maxEntries = room[map.name] ?? map.maxEntries;
  const shared = Object.entries(maps).filter(([name]) => name.startsWith("tsi_"));
  return loadCollection(spec, { maps: Object.fromEntries(shared) });
}

/** Takes everything out of a ring buffer unread: the consumer has come as far as the producer. */
function drain(ring: BpfMap): void {
  const page = { fd: ring.fd, length: pageSize, flags: MAP_SHARED };
  const consumer = mmap({ ...page, offset: 0, protection: PROT_READ | PROT_WRITE });
  const producer = mmap({ ...page, offset: pageSize, protection: PROT_READ });
  const written = Atomics.load(new BigInt64Array(producer.buffer, 0, 1), 0);
  Atomics.store(new BigInt64Array(consumer.buffer, 0, 1), 0, written);
  munmap(consumer);
  munmap(producer);
}
