// Compiles C for the bpf target while tests run, as tools/build.ts compiles the datapath. Needs no root.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";

const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
const flags = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror"];
const includes = [`-I/usr/include/${architecture}-linux-gnu`];

const compiled = new Map<string, Uint8Array>();

/** The object made from `testdata/<name>.bpf.c`, compiled once per process. */
export function testObject(name: string): Uint8Array {
  const known = compiled.get(name);
  if (known) return known;
  const source = join(projectRoot(), "packages/ebpf/testdata", `${name}.bpf.c`);
  const object = inFolder((folder) => clang(source, folder));
  compiled.set(name, object);
  return object;
}

/** The object made from a few lines of C; headers of bpf programs are included already. */
export function compileSource(source: string): Uint8Array {
  const head = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n";
  return inFolder((folder) => {
    // A file and not stdin: the verifier's log quotes source lines, which clang reads from there.
    const path = join(folder, "source.bpf.c");
    writeFileSync(path, `${head}${source}\n`);
    return clang(path, folder);
  });
}

function clang(source: string, folder: string): Uint8Array {
  const output = join(folder, "object.o");
  execFileSync("clang-19", [...flags, ...includes, "-c", source, "-o", output]);
  return readFileSync(output);
}

function inFolder<T>(action: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-clang-"));
  try {
    return action(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
