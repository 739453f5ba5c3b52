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
  // The same size, since a larger struct could exceed the verifier's stack, but every field elsewhere.
  moveDeadline(join(sources, "maps/conntrack.h"), {
    struct: "conntrack_entry",
    before: "__u16 flags;",
  });
  moveDeadline(join(sources, "maps/nat.h"), { struct: "nat_entry4", before: "}" });
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

/** Puts the entry's first field, its deadline, in front of another one. */
function moveDeadline(path: string, { struct, before }: { struct: string; before: string }): void {
  const deadline = "\t__u64 expires_ns;\n";
  const text = readFileSync(path, "utf8");
  const start = text.indexOf(`struct ${struct} {`);
  const from = text.indexOf(deadline, start);
  const rest = text.slice(from + deadline.length);
  const line = new RegExp(`^\\t?${before.replace(/[{}]/g, "\\$&")}`, "m").exec(rest);
  if (start < 0 || from < 0 || !line)
    throw new Error(`${path} no longer has struct ${struct} as it was`);
  const moved = rest.slice(0, line.index) + deadline + rest.slice(line.index);
  writeFileSync(path, text.slice(0, from) + moved);
}
