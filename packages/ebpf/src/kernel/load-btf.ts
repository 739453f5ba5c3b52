// BPF_BTF_LOAD: quietly first, once more with a log when the kernel dislikes the types.
import { SyscallError } from "@tsilium/syscall";
import { BpfError, tellingLines } from "../errors.ts";
import { Attributes, command } from "./attributes.ts";

/** Gives the kernel an object's types; the descriptor is the caller's. @throws BpfError with the reason. */
export function loadBtf(bytes: Uint8Array): number {
  const attributes = new Attributes(32).pointer(0, bytes).u32(16, bytes.length);
  try {
    return attributes.call(command.btfLoad);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const log = new Uint8Array(1 << 20);
    attributes.pointer(8, log).u32(20, log.length).u32(24, 1);
    try {
      return attributes.call(command.btfLoad);
    } catch {
      const text = new TextDecoder().decode(log.subarray(0, log.indexOf(0)));
      throw new BpfError("load of BTF", error, tellingLines(text, 3).join("; "));
    }
  }
}
