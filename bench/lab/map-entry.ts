// An entry of a node's pinned map, for a watch.
import { Pins } from "../../packages/datapath/src/pinned/pins.ts";
import type { Entry } from "./map-poll.ts";

/** @throws Error when no such map is pinned under `bpffs` */
export function pinnedEntry(bpffs: string, map: string, key: Uint8Array): Entry {
  const pin = new Pins(bpffs).listMaps().find((each) => each.map === map);
  if (!pin) throw new Error(`no map ${map} is pinned under ${bpffs}`);
  return { path: pin.path, key };
}
