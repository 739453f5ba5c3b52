// Writes packages/datapath/src/gen/abi.ts, the TypeScript side of the datapath's structs, from the BTF of the
// built objects. With --check it writes nothing and fails when the committed file is stale.
//   node tools/gen-codecs.ts [--check]
import { execFileSync } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { generateCodecs, parseObject } from "@tsilium/ebpf";

const root = join(import.meta.dirname, "..");
const target = "packages/datapath/src/gen/abi.ts";

const objects = globSync("dist/bpf/*.o", { cwd: root }).toSorted();
if (objects.length === 0) {
  console.error("no objects under dist/bpf: run `npm run build` first");
  process.exit(1);
}
const specs = objects.map((path) => [basename(path), parseObject(readFileSync(join(root, path)))]);
const generated = format(generateCodecs(Object.fromEntries(specs)));
const path = join(root, target);
const current = existsSync(path) ? readFileSync(path, "utf8") : "";
if (generated === current) process.exit(0);
if (process.argv.includes("--check")) {
  console.error(`${target} is stale: run \`node tools/gen-codecs.ts\` and commit it`);
  process.exit(1);
}
mkdirSync(dirname(path), { recursive: true });
writeFileSync(path, generated);
console.error(`wrote ${target}`);

/** As oxfmt lays it out, so that the format check and this one agree. */
function format(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-gen-"));
  try {
    const file = join(folder, "abi.ts");
    writeFileSync(file, source);
    execFileSync(join(root, "node_modules/.bin/oxfmt"), [file], {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
    });
    return readFileSync(file, "utf8");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
