// Which maps the objects declare, each once, sized by the configuration, with the layout that names its pin.
import { CollectionSpec } from "@tsilium/ebpf";
import type { MapSpec } from "@tsilium/ebpf";
import { recordLayout } from "./btf-layout.ts";
import { DatapathError } from "../errors.ts";
import { layoutHash } from "./layout.ts";
import type { MapLayout, RecordLayout } from "./layout.ts";
import type { TableSizes } from "./sizing.ts";
import { sizeMaglev } from "../services/maglev.ts";
import { sizedServiceMaps } from "../services/tables.ts";

/** A map to open or create, and the object that declares it. */
export type DeclaredMap = {
  readonly name: string;
  readonly layout: MapLayout;
  readonly hash: string;
  readonly spec: CollectionSpec;
  /** Programs only read it: nothing comes in but what the agent writes. */
  readonly writtenByAgent: boolean;
};

/** What the configuration says of maps' sizes. */
export type MapSizes = TableSizes & { readonly maglevTableSize: number };

const writtenByAgent: ReadonlySet<string> = new Set(sizedServiceMaps);

/** Maps whose size is the configuration's; all others have the size their header says. */
const sizedMaps: Readonly<Record<string, keyof TableSizes>> = {
  tsi_ct4: "conntrackMax",
  tsi_ct6: "conntrackMax",
  tsi_ct4_new: "youngMax",
  tsi_ct6_new: "youngMax",
  tsi_nat4: "natMax",
  tsi_nat6: "natMax",
  tsi_policy_class: "policyMax",
  tsi_policy_rule: "policyMax",
  ...Object.fromEntries(sizedServiceMaps.map((name) => [name, "serviceMax"] as const)),
  tsi_lb_slot: "serviceSlotMax",
  tsi_lb_flow: "serviceFlowMax",
  tsi_lb_affinity: "affinityMax",
  tsi_lb_socket: "socketMax",
};

/**
 * Every map that the objects declare, data sections aside. Sizes are written into the specifications.
 * @throws DatapathError map_open when two objects disagree about a map.
 */
export function declareMaps(specs: readonly CollectionSpec[], sizes: MapSizes): DeclaredMap[] {
  const declared = new Map<string, DeclaredMap>();
  for (const spec of specs) {
    for (const map of Object.values(spec.maps)) {
      if (map.data !== undefined) continue;
      const sized = sizedMaps[map.name];
      map.maxEntries = (sized && sizes[sized]) ?? map.maxEntries;
      sizeMaglev(map, sizes.maglevTableSize);
      const layout = mapLayout(spec, map);
      const hash = layoutHash(layout);
      const known = declared.get(map.name);
      if (known !== undefined && known.hash !== hash)
        throw new DatapathError("map_open", `objects disagree about the layout of ${map.name}`);
      const byAgent = writtenByAgent.has(map.name);
      declared.set(map.name, { name: map.name, layout, hash, spec, writtenByAgent: byAgent });
    }
  }
  return [...declared.values()];
}

/** A specification of this one map, to create it alone with its types. */
export function onlyMap({ spec, name }: DeclaredMap): CollectionSpec {
  const map = spec.maps[name];
  return new CollectionSpec({
    ...spec,
    maps: map ? { [name]: map } : {},
    programs: {},
    variables: {},
  });
}

function mapLayout(spec: CollectionSpec, map: MapSpec): MapLayout {
  const { type, maxEntries, flags, keySize, valueSize } = map;
  return {
    type,
    maxEntries,
    flags,
    key: recordLayout(spec.btf, map.keyTypeId, keySize),
    value:
      map.type === "ringbuf"
        ? eventLayout(spec)
        : recordLayout(spec.btf, map.valueTypeId, valueSize),
    inner: map.inner,
  };
}

/** What rings hold: their definitions cannot name it. Readers and writers of either agree on both. */
const eventRecords = ["event", "socket_event"] as const;

function eventLayout({ btf }: CollectionSpec): RecordLayout {
  const layouts = eventRecords.flatMap((record) => {
    const [id] = btf.find((type) => type.kind === "struct" && type.name === record);
    return id === undefined ? [] : [{ record, ...recordLayout(btf, id, btf.sizeOf(id)) }];
  });
  return {
    size: Math.max(0, ...layouts.map(({ size }) => size)),
    leaves: layouts.flatMap(({ record, leaves }) =>
      leaves.map((leaf) => ({ ...leaf, path: `${record}.${leaf.path}` })),
    ),
  };
}
