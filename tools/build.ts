// Builds everything under dist/: eBPF objects, the small native programs, and one bundle per app.
// Incremental by content: an output is made again when its command or any of its inputs changed.
//   node tools/build.ts [--quiet]
import { execFile } from "node:child_process";
import * as http from "node:http";
import { createHash } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Plugin } from "rolldown";
import { buildPage, pageInputs } from "../apps/ui/build.ts";

const root = join(import.meta.dirname, "..");
const stampsFile = join(root, "dist/.stamps.json");
const quiet = process.argv.includes("--quiet");

const bpfFlags = [
  "-target",
  "bpf",
  "-mcpu=v3",
  "-O2",
  "-g",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Ibpf",
];
// The multiarch folder holds asm/types.h, which clang's bpf target does not look for by itself.
const bpfIncludes = [`-I/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`];
const nativeFlags = ["-O2", "-static", "-Wall", "-Wextra", "-Werror"];

/** App bundles: name in dist/ -> entry. */
const bundles: Record<string, string> = {
  agent: "apps/agent/src/main.ts",
  "policy-worker": "apps/agent/src/policy/worker.ts",
  "hubble-worker": "apps/agent/src/hubble/worker.ts",
  operator: "apps/operator/src/main.ts",
  apiserver: "apps/apiserver/src/main.ts",
  cli: "apps/cli/src/main.ts",
  "lab-daemon": "apps/lab/src/daemon.ts",
  dns: "apps/lab/src/dns/main.ts",
  relay: "apps/relay/src/main.ts",
  hubble: "apps/hubble/src/main.ts",
  ui: "apps/ui/src/main.ts",
  "dns-proxy": "apps/dns-proxy/src/main.ts",
  "kafka-proxy": "apps/kafka-proxy/src/main.ts",
};

type Step = { output: string; inputs: string[]; command: string; run: () => Promise<void> };

const run = promisify(execFile);

function bpfSteps(): Step[] {
  const headers = globSync("bpf/**/*.h", { cwd: root });
  return globSync("bpf/*.bpf.c", { cwd: root }).map((source) => {
    const output = `dist/bpf/${basename(source, ".bpf.c")}.o`;
    return clangStep(output, source, headers, [...bpfFlags, ...bpfIncludes, "-c"]);
  });
}

function nativeSteps(): Step[] {
  return globSync(["apps/*/native/*.c", "bench/native/*.c", "tests/native/*.c"], { cwd: root }).map(
    (source) => {
      const headers = globSync(join(dirname(source), "*.h"), { cwd: root });
      return clangStep(`dist/bin/${basename(source, ".c")}`, source, headers, nativeFlags);
    },
  );
}

function clangStep(output: string, source: string, headers: string[], flags: string[]): Step {
  const args = [...flags, source, "-o"];
  return {
    output,
    inputs: [source, ...headers],
    command: `clang-19 ${args.join(" ")}`,
    // Written beside and renamed: a running lab keeps the file it has open, and two builds at once
    // never rename each other's half-written one.
    run: async () => {
      const written = `${output}.${process.pid}`;
      await run("clang-19", [...args, written], { cwd: root });
      renameSync(join(root, written), join(root, output));
    },
  };
}

function bundleSteps(): Step[] {
  const sources = globSync(
    ["packages/*/src/**/*.{ts,json}", "apps/*/src/**/*.{ts,json}", "package-lock.json"],
    {
      cwd: root,
    },
  ).filter((path) => !path.endsWith(".test.ts"));
  const entries = Object.fromEntries(
    Object.entries(bundles).filter(([, entry]) => existsSync(join(root, entry))),
  );
  return [
    {
      output: "dist/js",
      inputs: sources,
      command: `rolldown, lazy http, ES modules: ${JSON.stringify(entries)}`,
      run: () => bundle(entries),
    },
  ];
}

/** The page of apps/ui. */
function pageStep(): Step {
  return {
    output: "dist/ui",
    inputs: [...globSync([...pageInputs], { cwd: root }), "package-lock.json"].filter(
      (path) => !path.endsWith(".test.ts"),
    ),
    command: "buildPage",
    run: () => buildPage(join(root, "dist/ui")),
  };
}

const httpId = "\0node:http";

/** A static import of node:http reads all its exports, of which WebSocket and its events load undici: 40 ms at every start. */
const lazyHttp: Plugin = {
  name: "lazy http",
  resolveId: (id) => (id === "node:http" || id === "http" ? httpId : undefined),
  load(id) {
    if (id !== httpId) return undefined;
    const left = new Set(["default", "WebSocket", "CloseEvent", "MessageEvent"]);
    const names = Object.keys(http).filter((name) => !left.has(name));
    return `const http = process.getBuiltinModule("node:http"); export default http; export const { ${names.join(", ")} } = http;`;
  },
};

async function bundle(entries: Record<string, string>): Promise<void> {
  const { rolldown } = await import("rolldown");
  const build = await rolldown({
    input: entries,
    cwd: root,
    platform: "node",
    // Native: koffi ships a prebuilt addon that must stay a file of its own.
    external: ["koffi"],
    // What is imported of AWS's client, not all of it: only its ES modules can be told apart. 2.5 MB become 0.4.
    resolve: { mainFields: ["module", "main"] },
    plugins: [lazyHttp],
    onLog: (level, log, defaultHandler) => {
      if (log.code !== "CIRCULAR_DEPENDENCY") defaultHandler(level, log);
    },
  });
  const { output } = await build.write({
    dir: join(root, "dist/js"),
    format: "esm",
    sourcemap: true,
    entryFileNames: "[name].mjs",
    chunkFileNames: "chunks/[name]-[hash].mjs",
  });
  await build.close();
  pruneChunks(new Set(output.map(({ fileName }) => basename(fileName))));
}

/** A running lab may still load a chunk of the build it started from: old ones go only after a day. */
function pruneChunks(current: ReadonlySet<string>): void {
  const dayAgoMs = Date.now() - 86_400_000;
  for (const path of globSync("dist/js/chunks/*", { cwd: root })) {
    const old = !current.has(basename(path)) && statSync(join(root, path)).mtimeMs < dayAgoMs;
    if (old) rmSync(join(root, path));
  }
}

function hashOf(step: Step): string {
  const hash = createHash("sha256").update(step.command);
  for (const input of step.inputs.toSorted())
    hash.update(input).update(readFileSync(join(root, input)));
  return hash.digest("hex");
}

function readStamps(): Record<string, string> {
  return existsSync(stampsFile) ? JSON.parse(readFileSync(stampsFile, "utf8")) : {};
}

async function buildStep(step: Step, stamps: Record<string, string>): Promise<void> {
  const hash = hashOf(step);
  if (stamps[step.output] === hash && existsSync(join(root, step.output))) return;
  if (!quiet) console.error(`  building ${step.output}`);
  mkdirSync(dirname(join(root, step.output)), { recursive: true });
  await step.run();
  stamps[step.output] = hash;
}

async function main(): Promise<void> {
  const stamps = readStamps();
  const steps = [...bpfSteps(), ...nativeSteps(), ...bundleSteps(), pageStep()];
  const failures: unknown[] = [];
  const workers = Array.from({ length: 2 }, async () => {
    for (let step = steps.shift(); step; step = steps.shift()) {
      await buildStep(step, stamps).catch((error: unknown) => failures.push(error));
    }
  });
  await Promise.all(workers);
  mkdirSync(dirname(stampsFile), { recursive: true });
  writeFileSync(stampsFile, JSON.stringify(stamps, null, 1));
  for (const failure of failures) {
    console.error((failure as { stderr?: string }).stderr || failure);
  }
  process.exitCode = failures.length > 0 ? 1 : 0;
}

await main();
