// Compiles C for the bpf target while tests run, with the flags that tools/build.ts gives the shipped objects.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";

const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
const flags = "-target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror".split(" ");

const compiled = new Map<string, Uint8Array>();

/**
 * The object made from a C file, which may include what lies in bpf/; compiled once per process. Where
 * TSILIUM_TEST_OBJECTS names a folder, objects are kept there under their sources' hash: clang takes seconds in
 * an emulated machine.
 */
export function compileBpf(source: string): Uint8Array {
  const hash = hashOf(source);
  const known = compiled.get(hash);
  if (known) return known;
  const kept = process.env["TSILIUM_TEST_OBJECTS"];
  const object = kept ? fromFolder(kept, hash, source) : inTemporaryFolder(source);
  compiled.set(hash, object);
  return object;
}

function hashOf(source: string): string {
  const cwd = projectRoot();
  const hash = createHash("sha256").update(readFileSync(source));
  for (const header of globSync("bpf/**/*.h", { cwd }).toSorted())
    hash.update(header).update(readFileSync(join(cwd, header)));
  return hash.digest("hex");
}

function fromFolder(folder: string, hash: string, source: string): Uint8Array {
  const path = join(folder, `${hash}.o`);
  try {
    return readFileSync(path);
  } catch {
    mkdirSync(folder, { recursive: true });
    const partial = `${path}.${process.pid}`;
    clang(source, partial);
    renameSync(partial, path);
    return readFileSync(path);
  }
}

function inTemporaryFolder(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-clang-"));
  try {
    const output = join(folder, "object.o");
    clang(source, output);
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function clang(source: string, output: string): void {
  const includes = [`-I${join(projectRoot(), "bpf")}`, `-I/usr/include/${architecture}-linux-gnu`];
  execFileSync("clang-19", [...flags, ...includes, "-c", source, "-o", output], {
    stdio: "inherit",
  });
}
