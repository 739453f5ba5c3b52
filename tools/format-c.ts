// Formats the C sources with clang-format (.clang-format at the root); with --check only says what differs.
//   node tools/format-c.ts [--check]
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const files = globSync(
  [
    "bpf/**/*.{c,h}",
    "apps/*/native/*.{c,h}",
    "bench/native/*.{c,h}",
    "tests/native/**/*.{c,h}",
    "packages/*/testdata/*.c",
  ],
  { cwd: root },
);
const mode = process.argv.includes("--check") ? ["--dry-run", "--Werror"] : ["-i"];
const result = spawnSync("clang-format-19", [...mode, ...files], { cwd: root, stdio: "inherit" });
if (result.error) throw result.error;
process.exitCode = result.status ?? 1;
