// The entries of a node's pinned maps by which it is seen that something is in force.
import { openMaps } from "@tsilium/datapath";
import { pinnedEntry } from "../../lab/map-entry.ts";
import type { Entry } from "../../lab/map-poll.ts";

/** What a change of the policy of the pod at `address` writes: its subject's slots, and after them the epoch. */
export function switchEntries(bpffs: string, address: string): Entry[] {
  const found = openMaps({ bpffs })
    .endpoints.list()
    .find(({ ipv4 }) => String(ipv4) === address);
  if (!found) throw new Error(`no endpoint has ${address} under ${bpffs}`);
  return [entry(bpffs, "tsi_policy_subject", found.subject), entry(bpffs, "tsi_runtime", 0)];
}

/** What is written last of a new identity. */
export function knownEntry(bpffs: string, identity: number): Entry {
  return entry(bpffs, "tsi_identities", identity);
}

function entry(bpffs: string, map: string, key: number): Entry {
  return pinnedEntry(bpffs, map, new Uint8Array(new Uint32Array([key]).buffer));
}
