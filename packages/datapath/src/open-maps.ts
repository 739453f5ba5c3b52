// Reads the pinned maps while no agent runs: what the CLI shows then.
import { BpfMap, TypedMap } from "@tsilium/ebpf";
import type { MapCodecs } from "@tsilium/ebpf";
import type { Prefix } from "@tsilium/net";
import { Conntrack } from "./tables/conntrack.ts";
import { endpointEntry } from "./tables/endpoint-rows.ts";
import { DatapathError } from "./errors.ts";
import { mapCodecs } from "./gen/abi.ts";
import { listIpcache } from "./tables/ipcache.ts";
import { listExempt } from "./tables/ip-masq.ts";
import { Metrics } from "./tables/metrics.ts";
import type {
  ConntrackEntry,
  EndpointEntry,
  IpcacheEntry,
  MetricsEntry,
  NatEntry,
  NodeEntry,
  SubjectSlots,
} from "./model.ts";
import { Nat } from "./tables/nat.ts";
import { listNodes } from "./tables/nodes.ts";
import { Pins } from "./pinned/pins.ts";
import { pinnedServices, type PinnedServices } from "./services/pinned-services.ts";
import { listSlots, listSubjects, type KernelSlot } from "./policy/survey.ts";

/** Tables as pinned, with the same `list()` as the running datapath has. Holds no descriptors between calls. */
export type PinnedMaps = {
  readonly endpoints: { list(): EndpointEntry[] };
  readonly ipcache: { list(): IpcacheEntry[] };
  readonly nodes: { list(): NodeEntry[] };
  /** Destinations that are not masqueraded. */
  readonly masquerade: { list(): Prefix[] };
  readonly conntrack: { list(): ConntrackEntry[] };
  readonly nat: { list(): NatEntry[] };
  readonly metrics: { list(): MetricsEntry[] };
  readonly services: PinnedServices;
  readonly policy: {
    /** Subjects with their slots. */
    subjects(): SubjectSlots[];
    /** These slots, whole. */
    slots(wanted: ReadonlySet<number>): KernelSlot[];
  };
};

/**
 * A read-only view of the maps pinned under `bpffs`.
 * @throws DatapathError not_running when none are; its methods throw ObjectError map_invalid for maps of another
 * version's layout
 */
export function openMaps({ bpffs }: { readonly bpffs: string }): PinnedMaps {
  const pins = new Pins(bpffs);
  if (pins.listMaps().length === 0)
    throw new DatapathError(
      "not_running",
      `no datapath is pinned under ${bpffs}: has the agent run on this node?`,
    );
  return {
    endpoints: { list: () => listEndpoints(pins) },
    ipcache: { list: () => withTyped(pins, "tsi_ipcache", mapCodecs.tsi_ipcache, listIpcache) },
    nodes: { list: () => withTyped(pins, "tsi_nodes", mapCodecs.tsi_nodes, listNodes) },
    masquerade: { list: () => withTyped(pins, "tsi_ip_masq", mapCodecs.tsi_ip_masq, listExempt) },
    conntrack: {
      list: () =>
        [["tsi_ct4_new", "tsi_ct6_new"] as const, ["tsi_ct4", "tsi_ct6"] as const].flatMap((pair) =>
          withPair(pins, pair, ({ ipv4, ipv6 }) =>
            new Conntrack({ ipv4: [ipv4], ipv6: [ipv6] }).list(),
          ),
        ),
    },
    nat: { list: () => withPair(pins, ["tsi_nat4", "tsi_nat6"], (maps) => new Nat(maps).list()) },
    policy: {
      subjects: () =>
        withTyped(pins, "tsi_policy_subject", mapCodecs.tsi_policy_subject, listSubjects),
      slots: (wanted) => listKernelSlots(pins, wanted),
    },
    services: pinnedServices((name) => openPinned(pins, name)),
    metrics: { list: () => withMap(pins, "tsi_metrics", (map) => new Metrics(map).list()) },
  };
}

function listKernelSlots(pins: Pins, wanted: ReadonlySet<number>): KernelSlot[] {
  return withTyped(pins, "tsi_policy", mapCodecs.tsi_policy, (policies) =>
    withTyped(pins, "tsi_policy_class", mapCodecs.tsi_policy_class, (classes) =>
      withTyped(pins, "tsi_policy_rule", mapCodecs.tsi_policy_rule, (rules) =>
        listSlots({ policies, classes, rules }, wanted),
      ),
    ),
  );
}

function listEndpoints(pins: Pins): EndpointEntry[] {
  return withTyped(pins, "tsi_ep_if", mapCodecs.tsi_ep_if, (map) =>
    Array.from(map.entries(), ([, row]) => endpointEntry(row)).sort((a, b) => a.id - b.id),
  );
}

function withTyped<K, V, R>(
  pins: Pins,
  name: string,
  codecs: MapCodecs<K, V>,
  read: (map: TypedMap<K, V>) => R,
): R {
  return withMap(pins, name, (map) => read(new TypedMap(map, codecs)));
}

function withPair<R>(
  pins: Pins,
  [ipv4, ipv6]: readonly [string, string],
  read: (maps: { ipv4: BpfMap; ipv6: BpfMap }) => R,
): R {
  return withMap(pins, ipv4, (first) =>
    withMap(pins, ipv6, (second) => read({ ipv4: first, ipv6: second })),
  );
}

function withMap<R>(pins: Pins, name: string, read: (map: BpfMap) => R): R {
  using map = openPinned(pins, name);
  return read(map);
}

/** The newest pin counts: an older layout's may still be there during an upgrade. */
function openPinned(pins: Pins, name: string): BpfMap {
  const pin = pins.listMaps().find(({ map }) => map === name);
  if (pin === undefined)
    throw new DatapathError("not_running", `no map ${name} is pinned under ${pins.root}`);
  return BpfMap.fromPinned(pin.path);
}
