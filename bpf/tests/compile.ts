// Test objects are compiled when a test needs them: they are not shipped.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CollectionSpec, parseObject } from "@tsilium/ebpf";
import { projectRoot } from "@tsilium/syscall";

const multiarch = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";

/** Compiles bpf/tests/NAME.bpf.c as tools/build.ts does the shipped objects. */
export function compileTestObject(name: string): CollectionSpec {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-bpf-"));
  const output = join(folder, `${name}.o`);
  try {
    execFileSync(
      "clang-19",
      [
        ..."-target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Ibpf".split(" "),
        `-I/usr/include/${multiarch}`,
        "-c",
        `bpf/tests/${name}.bpf.c`,
        "-o",
        output,
      ],
      { cwd: projectRoot(), stdio: "inherit" },
    );
    return parseObject(readFileSync(output));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
