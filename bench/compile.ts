// Bench programs are compiled when a bench needs them: they are not shipped.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseObject, type CollectionSpec } from "@tsilium/ebpf";

const multiarch = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
const flags = "-target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror".split(" ");

const compiled = new Map<string, Uint8Array>();

/** Compiles bench/bpf/NAME.bpf.c, once; answers a fresh specification each time. */
export function compile(name: string): CollectionSpec {
  const object = compiled.get(name) ?? runClang(name);
  compiled.set(name, object);
  return parseObject(object);
}

function runClang(name: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-bench-"));
  const output = join(folder, "object.o");
  const source = join(import.meta.dirname, "bpf", `${name}.bpf.c`);
  try {
    const args = [...flags, `-I/usr/include/${multiarch}`, "-c", source, "-o", output];
    execFileSync("clang-19", args, { stdio: "inherit" });
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
