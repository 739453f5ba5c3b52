// npm run bench: every number the project claims, measured here and now against a floor of the same run.
//   node bench/main.ts [NAME ...] [--rounds N] [--ms N] [--pods N] [--samples N] [--settle SECONDS] [--services N] [--flows N] [--json]
// NAME: path, programs, pods, runtime, policy/packets ...; "policy" is all of policy's. Default: all.
import { spawnSync } from "node:child_process";
import { loadavg, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { benchAgent } from "./agent/agent.ts";
import { benchApiServer } from "./apiserver/apiserver.ts";
import { benchVisibility } from "./hubble/cost.ts";
import { benchHistory } from "./hubble/history.ts";
import { benchRelay } from "./hubble/relay.ts";
import { benchFlowThroughput } from "./hubble/throughput.ts";
import { benchDns } from "./l7/dns.ts";
import { benchL7Enforced } from "./l7/enforced.ts";
import { benchHttp } from "./l7/http.ts";
import { benchPath } from "./path/path.ts";
import { benchPods } from "./pods/pods.ts";
import { benchCompiler } from "./policy/compiler/compiler.ts";
import { benchConnect } from "./policy/connect/connect.ts";
import { benchEnforced } from "./policy/enforced/enforced.ts";
import { benchMaps } from "./policy/maps/maps.ts";
import { benchPackets } from "./policy/packets/packets.ts";
import { benchPrograms } from "./programs/programs.ts";
import { formatSection, type Section } from "./report.ts";
import { benchSandboxes } from "./runtime/sandboxes.ts";
import { benchControl } from "./services/control/control.ts";
import { benchServicesInLab } from "./services/lab/lab.ts";
import { benchServicePackets } from "./services/packets/packets.ts";
import { benchServicePaths } from "./services/paths/paths.ts";
import { benchSockets } from "./services/sockets/sockets.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "7" },
    ms: { type: "string", default: "300" },
    pods: { type: "string", default: "200" },
    samples: { type: "string", default: "300" },
    settle: { type: "string", default: "60" },
    services: { type: "string", default: "50000" },
    flows: { type: "string", default: "10000000" },
    json: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const timing = { rounds, durationMs: Number(values.ms) };
const most = Number(values.services);
const serviceSizes = [1, 100, 1000, 10_000, 50_000];
/** Numbers of services, up to the largest that is wanted. */
const servicesOf = (...sizes: readonly number[]) => sizes.filter((size) => size <= most);

const benches = new Map<string, () => Section[] | Promise<Section[]>>([
  ["path", () => benchPath(timing)],
  ["programs", () => benchPrograms({ rounds })],
  ["pods", () => benchPods({ pods: Number(values.pods) })],
  ["runtime", () => benchSandboxes({ samples: Math.min(40, Number(values.samples)) })],
  ["policy/packets", () => benchPackets({ rounds })],
  ["policy/maps", benchMaps],
  ["policy/compiler", benchCompiler],
  [
    "policy/enforced",
    () => benchEnforced({ samples: Number(values.samples), settleSeconds: Number(values.settle) }),
  ],
  ["policy/connect", () => benchConnect(timing)],
  ["services/paths", () => benchServicePaths(servicesOf(...serviceSizes), timing)],
  ["services/control", () => benchControl(servicesOf(...serviceSizes))],
  ["services/lab", () => benchServicesInLab([Math.min(10_000, most)], { samples: 50 })],
  ["services/packets", () => benchServicePackets({ rounds, services: servicesOf(1, 4000) })],
  ["services/sockets", () => benchSockets(servicesOf(1, 50_000), timing)],
  ["hubble/cost", () => benchVisibility(timing)],
  ["hubble/throughput", benchFlowThroughput],
  ["hubble/relay", benchRelay],
  ["l7/http", () => benchHttp({ ...timing, durationMs: Math.max(timing.durationMs, 1000) })],
  ["l7/dns", () => benchDns(timing)],
  ["l7/enforced", () => benchL7Enforced({ samples: Math.min(100, Number(values.samples)) })],
  [
    "apiserver",
    () =>
      benchApiServer({
        pods: 10_000,
        watchers: 200,
        samples: Math.min(100, Number(values.samples)),
      }),
  ],
  [
    "agent",
    () => benchAgent({ pods: 30_000, identities: 5000, settleSeconds: Number(values.settle) }),
  ],
  ["hubble/history", () => benchHistory(Number(values.flows))],
]);

/** The benches of these names and of these folders; of none, all. @throws Error for a name that is neither */
function chosen(names: readonly string[]): string[] {
  const all = [...benches.keys()];
  const isOf = (bench: string, name: string) => bench === name || bench.startsWith(`${name}/`);
  const unknown = names.find((name) => !all.some((bench) => isOf(bench, name)));
  if (unknown !== undefined) throw new Error(`no bench ${unknown}: ${all.join(", ")}`);
  return all.filter((bench) => names.length === 0 || names.some((name) => isOf(bench, name)));
}

async function main(): Promise<void> {
  const names = chosen(positionals);
  if (process.getuid?.() !== 0)
    throw new Error("benches make network namespaces: run them as root");
  const build = join(import.meta.dirname, "../tools/build.ts");
  if (spawnSync(process.execPath, [build, "--quiet"], { stdio: ["ignore", 2, 2] }).status !== 0)
    throw new Error("the build failed");

  const load = loadavg()[0] as number;
  if (!values.json) console.log(`Linux ${release()}, load ${load.toFixed(1)} at the start`);
  const sections: Section[] = [];
  for (const name of names) {
    const found = (await benches.get(name)?.()) ?? [];
    if (!values.json) for (const section of found) console.log(formatSection(section));
    sections.push(...found);
  }
  if (values.json) console.log(JSON.stringify({ kernel: release(), load, sections }, null, 1));
}

// An exit, unlike a signal, lets topologies take themselves down.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
await main();
