// Writes `gen`, the TypeScript side of `proto`, of the folders below, and beside it a digest of what it was made of and what
// came out. With --check it writes nothing and fails when the digest is another: the generators need seconds, and the
// digest says whether they would do anything. Needs no network: buf and the plugin come from npm, google/protobuf/*.proto
// is built into buf and its TypeScript is part of @bufbuild/protobuf.
//   node tools/gen-proto.ts [--check]
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");
const folders = ["packages/hubble/src", "packages/proxy/src/envoy", "tests/peers/cri"];
const bin = join(root, "node_modules/.bin");
const digestFile = "digest.txt";

if (process.argv.includes("--check")) for (const folder of folders) check(folder);
else for (const folder of folders) write(folder);

function check(folder: string): void {
  const path = join(root, folder, "gen", digestFile);
  if (readFileSync(path, "utf8").trim() === digestOf(folder)) return;
  console.error(`${folder}/gen is stale: run \`node tools/gen-proto.ts\` and commit it`);
  process.exitCode = 1;
}

function write(folder: string): void {
  const scratch = mkdtempSync(join(tmpdir(), "tsilium-proto-"));
  try {
    update(join(folder, "gen"), generate(join(folder, "proto"), scratch));
  } finally {
    rmSync(scratch, { recursive: true });
  }
  writeFileSync(join(root, folder, "gen", digestFile), `${digestOf(folder)}\n`);
}

/** Of all that decides what is generated, and of what was. */
function digestOf(folder: string): string {
  const hash = createHash("sha256");
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    devDependencies: Readonly<Record<string, string>>;
  };
  for (const name of ["@bufbuild/buf", "@bufbuild/protoc-gen-es", "oxfmt"])
    hash.update(`${name} ${devDependencies[name]}\n`);
  hash.update(readFileSync(import.meta.filename));
  for (const name of globSync(["proto/**/*.proto", "gen/**/*.ts"], {
    cwd: join(root, folder),
  }).toSorted())
    hash.update(`${name}\n`).update(readFileSync(join(root, folder, name)));
  return hash.digest("hex");
}

function update(target: string, generated: Map<string, string>): void {
  const committed = read(join(root, target));
  const names = [...new Set([...generated.keys(), ...committed.keys()])];
  const stale = names.filter((name) => generated.get(name) !== committed.get(name)).toSorted();
  for (const name of stale) replace(join(root, target, name), generated.get(name));
  if (stale.length > 0) console.error(`wrote ${stale.join(", ")}`);
}

/** File name -> text, as oxfmt lays it out, so that the format check and this one agree. */
function generate(source: string, scratch: string): Map<string, string> {
  const plan = {
    version: "v2",
    plugins: [
      {
        local: join(bin, "protoc-gen-es"),
        out: scratch,
        opt: ["target=ts", "import_extension=ts", "erasable_syntax=true"],
      },
    ],
  };
  execute(source, ["buf", "lint", "--config", lintRules()]);
  execute(source, ["buf", "generate", "--template", JSON.stringify(plan)]);
  for (const [name, text] of read(scratch)) {
    const from = join(source, name.replace(/_pb\.ts$/, ".proto"));
    const mark = `// Generated from ${from} by tools/gen-proto.ts; do not edit.\n\n`;
    writeFileSync(join(scratch, name), mark + text);
  }
  execute(".", ["oxfmt", scratch]);
  return read(scratch);
}

/** What a slip of ours would break; not the style of names, which is Cilium's and gRPC's. */
function lintRules(): string {
  const use = ["IMPORT_USED", "PACKAGE_DIRECTORY_MATCH", "SYNTAX_SPECIFIED"];
  return JSON.stringify({ version: "v2", lint: { use } });
}

function execute(folder: string, [command, ...args]: [string, ...string[]]): void {
  execFileSync(join(bin, command), args, {
    cwd: join(root, folder),
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function read(folder: string): Map<string, string> {
  return new Map(
    globSync("**/*.ts", { cwd: folder }).map((name) => [
      name,
      readFileSync(join(folder, name), "utf8"),
    ]),
  );
}

function replace(path: string, text: string | undefined): void {
  if (text === undefined) return rmSync(path);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
