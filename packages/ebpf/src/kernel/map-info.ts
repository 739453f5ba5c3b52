// What the kernel tells of a map (struct bpf_map_info, linux/bpf.h).
import { ObjectError } from "../errors.ts";
import { mapTypeName, type MapType } from "../map-types.ts";
import { objectInfo, readFixedName } from "./attributes.ts";

export type MapInfo = {
  readonly id: number;
  readonly type: MapType;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Kernel-wide number of its types (`readBtf`), 0 when it has none, and which of them key and value are. */
  readonly btfId: number;
  readonly keyTypeId: number;
  readonly valueTypeId: number;
};

/** Bytes of struct bpf_map_info that are read. */
const infoSize = 104;

/** @throws BpfError, ObjectError map_invalid for a kind of map that we do not know. */
export function readMapInfo(fd: number): MapInfo {
  const { bytes, view } = objectInfo(fd, infoSize);
  const u32 = (offset: number) => view.getUint32(offset, true);
  const type = mapTypeName(u32(0));
  if (!type) throw new ObjectError("map_invalid", `map of unknown type ${u32(0)}`);
  return {
    type,
    id: u32(4),
    keySize: u32(8),
    valueSize: u32(12),
    maxEntries: u32(16),
    flags: u32(20),
    name: readFixedName(bytes, 24),
    btfId: u32(64),
    keyTypeId: u32(68),
    valueTypeId: u32(72),
  };
}
