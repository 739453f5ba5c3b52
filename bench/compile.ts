// Bench programs are compiled when a bench needs them: they are not shipped.
import { join } from "node:path";
import { parseObject, type CollectionSpec } from "@tsilium/ebpf";
import { compileBpf } from "@tsilium/testkit/clang.ts";

/** Compiles bench/bpf/NAME.bpf.c, once; answers a fresh specification each time. */
export function compile(name: string): CollectionSpec {
  return parseObject(compileBpf(join(import.meta.dirname, "bpf", `${name}.bpf.c`)));
}
