// Compiles C for the bpf target while tests run, as tools/build.ts compiles the datapath. Needs no root.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
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
  const object = clang([source]);
  compiled.set(name, object);
  return object;
}

/** The object made from a few lines of C; headers of bpf programs are included already. */
export function compileSource(source: string): Uint8Array {
  const head = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n";
  return clang(["-x", "c", "-"], `${head}${source}\n`);
}

function clang(input: readonly string[], stdin = ""): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-clang-"));
  try {
    const output = join(folder, "object.o");
    execFileSync("clang-19", [...flags, ...includes, "-c", ...input, "-o", output], {
      input: stdin,
    });
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
