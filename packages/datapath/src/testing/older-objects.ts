// Objects as an older version of the programs might have been: the same sources with another layout of the structs
// that connections live in, compiled into a directory of their own.
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { projectRoot } from "@tsilium/syscall";

const multiarch = process.arch === "arm64" ? "aarch64" : "x86_64";

/** Compiles the variant under `directory` and answers where the objects are. */
export function buildOlderObjects(directory: string): string {
  const sources = join(directory, "bpf");
  const objects = join(directory, "objects");
  cpSync(join(projectRoot(), "bpf"), sources, { recursive: true });
  mkdirSync(objects);
  // A field that has since gone moves all that follow it.
  edit(
    join(sources, "maps/conntrack.h"),
    "\t__u64 expires_ns;",
    "\t__u64 expires_ns;\n\t__u64 gone_since;",
  );
  edit(
    join(sources, "maps/nat.h"),
    "\t__u64 expires_ns;\n\t__be32 address;",
    "\t__u64 gone_since;\n\t__u64 expires_ns;\n\t__be32 address;",
  );
  for (const source of globSync(join(sources, "*.bpf.c"))) {
    const output = join(objects, `${basename(source, ".bpf.c")}.o`);
    const includes = [`-I${sources}`, `-I/usr/include/${multiarch}-linux-gnu`];
    execFileSync("clang-19", [
      "-target",
      "bpf",
      "-mcpu=v3",
      "-O2",
      "-g",
      ...includes,
      "-c",
      source,
      "-o",
      output,
    ]);
  }
  return objects;
}

function edit(path: string, from: string, to: string): void {
  const text = readFileSync(path, "utf8");
  if (!text.includes(from)) throw new Error(`${path} no longer holds: ${from}`);
  writeFileSync(path, text.replaceAll(from, to));
}
