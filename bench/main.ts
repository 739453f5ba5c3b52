// npm run bench: every number the project claims, measured here and now against a floor of the same run.
//   node bench/main.ts [--only path,programs,pods] [--rounds N] [--ms N] [--pods N] [--json]
import { spawnSync } from "node:child_process";
import { loadavg, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { benchPath } from "./path/path.ts";
import { benchPods } from "./pods/pods.ts";
import { benchPrograms } from "./programs/programs.ts";
import { formatSection, type Section } from "./report.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "path,programs,pods" },
    rounds: { type: "string", default: "7" },
    ms: { type: "string", default: "300" },
    pods: { type: "string", default: "200" },
    json: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);

const benches = new Map<string, () => Section[] | Promise<Section[]>>([
  ["path", () => benchPath({ rounds, durationMs: Number(values.ms) })],
  ["programs", () => benchPrograms({ rounds })],
  ["pods", () => benchPods({ pods: Number(values.pods) })],
]);

async function main(): Promise<void> {
  const chosen = values.only.split(",");
  const unknown = chosen.find((name) => !benches.has(name));
  if (unknown !== undefined)
    throw new Error(`no bench ${unknown}: ${[...benches.keys()].join(", ")}`);
  if (process.getuid?.() !== 0)
    throw new Error("benches make network namespaces: run them as root");
  const build = join(import.meta.dirname, "../tools/build.ts");
  if (spawnSync(process.execPath, [build, "--quiet"], { stdio: ["ignore", 2, 2] }).status !== 0)
    throw new Error("the build failed");

  const load = loadavg()[0] as number;
  if (!values.json) console.log(`Linux ${release()}, load ${load.toFixed(1)} at the start`);
  const sections: Section[] = [];
  for (const name of chosen) {
    const found = (await benches.get(name)?.()) ?? [];
    if (!values.json) for (const section of found) console.log(formatSection(section));
    sections.push(...found);
  }
  if (values.json) console.log(JSON.stringify({ kernel: release(), load, sections }, null, 1));
}

// An exit, unlike a signal, lets topologies take themselves down.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
await main();
