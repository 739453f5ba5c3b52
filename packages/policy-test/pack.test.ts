// The package as a user installs it: JavaScript that runs and declarations that hold, with nothing of the workspace.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { packInto } from "./pack.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const project = mkdtempSync(join(tmpdir(), "tsilium-pack-"));
const installed = join(project, "node_modules/@tsilium/policy-test");

before(async () => {
  mkdirSync(join(project, "node_modules/@types"), { recursive: true });
  await packInto(installed);
  for (const name of ["ajv", "js-yaml", "@types/node"])
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
});
after(() => rmSync(project, { recursive: true }));

const consumer = `
import { expect, pod, testCluster, type Cluster } from "@tsilium/policy-test";
const cluster: Cluster = await testCluster({ manifests: [pod("a/x", { labels: { app: "x" } })] });
await expect(cluster.world()).toReach(cluster.pod("a/x"), 80);
console.log("reached");
`;

test("the package runs by itself", async () => {
  const file = join(project, "consumer.mjs");
  writeFileSync(file, consumer.replace(", type Cluster", "").replace(": Cluster", ""));
  const { stdout } = await run(process.execPath, [file], { cwd: project });
  assert.equal(stdout, "reached\n");
  const text = readFileSync(join(installed, "index.mjs"), "utf8");
  assert.doesNotMatch(text, /from "@tsilium/);
});

test("its declarations hold, and refuse what is wrong", async () => {
  const compilerOptions = {
    module: "nodenext",
    target: "esnext",
    strict: true,
    noEmit: true,
    types: ["node"],
  };
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({ compilerOptions, include: ["*.mts"] }),
  );
  writeFileSync(join(project, "consumer.mts"), consumer);
  const tsc = join(root, "node_modules/.bin/tsc");
  await run(tsc, ["-p", project]);
  writeFileSync(join(project, "wrong.mts"), consumer.replace('"a/x"), 80', '"a/x"), [80]'));
  const error: unknown = await run(tsc, ["-p", project]).catch((failure: unknown) => failure);
  assert.match(
    (error as { stdout: string }).stdout,
    /wrong\.mts.*not assignable to parameter of type/,
  );
});
