// Test objects are compiled when a test needs them: they are not shipped.
import { join } from "node:path";
import { type CollectionSpec, parseObject } from "@tsilium/ebpf";
import { projectRoot } from "@tsilium/syscall";
import { compileBpf } from "@tsilium/testkit/clang.ts";

/** The specification of bpf/tests/NAME.bpf.c. */
export function compileTestObject(name: string): CollectionSpec {
  return parseObject(compileBpf(join(projectRoot(), `bpf/tests/${name}.bpf.c`)));
}
