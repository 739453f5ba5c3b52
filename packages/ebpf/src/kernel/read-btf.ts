// The types that the kernel keeps for an object loaded earlier, perhaps by another version of the program.
import { close } from "@tsilium/syscall";
import { during } from "../errors.ts";
import { Btf } from "../object/btf.ts";
import { Attributes, command, objectInfo } from "./attributes.ts";

/** struct bpf_btf_info: address and size of the buffer for the raw types come first. */
const infoSize = 40;

/** BTF by its kernel-wide number (`MapInfo.btfId`). @throws BpfError ENOENT when it is gone */
export function readBtf(id: number): Btf {
  const fd = during(`open of BTF ${id}`, () =>
    new Attributes(16).u32(0, id).call(command.btfFdById),
  );
  try {
    const size = objectInfo(fd, infoSize).view.getUint32(8, true);
    const raw = new Uint8Array(size);
    const info = new Attributes(infoSize).pointer(0, raw).u32(8, size);
    during(`read of BTF ${id}`, () =>
      new Attributes(16)
        .u32(0, fd)
        .u32(4, infoSize)
        .pointer(8, info.bytes)
        .call(command.objectInfo),
    );
    return new Btf(raw);
  } finally {
    close(fd);
  }
}
