// Objects for this package's tests: from testdata/, or from a few lines in the test itself. Needs no root.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";
import { compileBpf } from "@tsilium/testkit/clang.ts";

/** The object made from `testdata/<name>.bpf.c`. */
export function testObject(name: string): Uint8Array {
  return compileBpf(join(projectRoot(), "packages/ebpf/testdata", `${name}.bpf.c`));
}

/** The object made from a few lines of C; headers of bpf programs are included already. */
export function compileSource(source: string): Uint8Array {
  const head = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n";
  const folder = mkdtempSync(join(tmpdir(), "tsilium-source-"));
  try {
    // A file and not stdin: the verifier's log quotes source lines, which clang reads from there.
    const path = join(folder, "source.bpf.c");
    writeFileSync(path, `${head}${source}\n`);
    return compileBpf(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
