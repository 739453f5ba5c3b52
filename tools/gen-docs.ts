// Writes the tables of docs/configuration.md and docs/metrics.md from the code's own: keys and metrics are
// described once, where they are defined.
//   node tools/gen-docs.ts [--check]
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Registry } from "prom-client";
import { keys as agentKeys } from "../apps/agent/src/config/keys.ts";
import { Metrics as AgentMetrics } from "../apps/agent/src/metrics.ts";
import { type HubbleReadings, registerHubbleMetrics } from "../apps/agent/src/hubble/metrics.ts";
import { registerFqdnMetrics, type FqdnMetricsOptions } from "../apps/agent/src/fqdn/metrics.ts";
import { HealthMetrics, type HealthReadings } from "../apps/agent/src/health-endpoint/metrics.ts";
import { registerEniMetrics } from "../apps/operator/src/eni/metrics.ts";
import {
  exhaustedCounter,
  type IpamReadings,
  registerIpamMetrics,
} from "../apps/agent/src/ipam/metrics.ts";
import { ProxyMetrics, type ProxyMetricsOptions } from "../apps/agent/src/proxy/metrics.ts";
import { registerNodeMetrics, type NodeMetricsOptions } from "../apps/agent/src/node/metrics.ts";
import { PolicyMetrics, type PolicyReadings } from "../apps/agent/src/policy/metrics.ts";
import { ServiceMetrics, type ServiceReadings } from "../apps/agent/src/services/metrics.ts";
import { keys as operatorKeys } from "../apps/operator/src/config/config.ts";
import { Metrics as OperatorMetrics } from "../apps/operator/src/metrics.ts";
import { defaultText, type Key, type Keys } from "../packages/runtime/src/config.ts";

const docs = join(import.meta.dirname, "../docs");

/** Subjects of the agent's keys, each with the first key that is about it. */
const subjects: Readonly<Record<string, string>> = {
  kubeconfig: "The node and its cluster",
  "enable-ipv4": "Addresses",
  "cilium-endpoint-gc-interval": "Read by the operator only",
  "routing-mode": "Routing and masquerading",
  "enable-policy": "Policy",
  "enable-l7-proxy": "Proxies and names",
  "kube-proxy-replacement": "Services",
  "enable-hubble": "Hubble",
  "bpf-root": "Kernel tables",
  "enable-health-checking": "Node-to-node health",
  "run-dir": "Sockets, files, logs",
};

/** Pages, and what stands between their marks `<!-- NAME -->` and `<!-- end of NAME -->`. */
const pages: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "configuration.md": {
    "agent keys": agentKeyTables(),
    "operator keys": keyTable(Object.entries<Key<unknown>>(operatorKeys)),
  },
  "metrics.md": {
    "agent metrics": metricTable(agentRegistry()),
    "operator metrics": metricTable(operatorRegistry()),
  },
};

const stale = Object.entries(pages).filter(([page, parts]) => !isCurrent(page, parts));
for (const [page] of stale) console.error(`docs/${page} is stale: node tools/gen-docs.ts`);
process.exitCode = process.argv.includes("--check") && stale.length > 0 ? 1 : 0;

/** Whether a page has its parts already; without --check it has them afterwards. */
function isCurrent(page: string, parts: Readonly<Record<string, string>>): boolean {
  const path = join(docs, page);
  const text = readFileSync(path, "utf8");
  let wanted = text;
  for (const [name, part] of Object.entries(parts)) wanted = replacePart(wanted, name, part);
  if (wanted !== text && !process.argv.includes("--check")) {
    writeFileSync(path, wanted);
    return true;
  }
  return wanted === text;
}

/** @throws Error when the page has no such marks */
function replacePart(text: string, name: string, part: string): string {
  const marks = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`] as const;
  const begin = text.indexOf(marks[0]);
  const end = text.indexOf(marks[1]);
  if (begin < 0 || end < begin) throw new Error(`no ${marks[0].trim()} ... ${marks[1]}`);
  return `${text.slice(0, begin + marks[0].length)}${part}${text.slice(end)}`;
}

function agentKeyTables(): string {
  const entries = Object.entries<Key<unknown>>(agentKeys satisfies Keys);
  const starts = entries.flatMap(([name], at) => (Object.hasOwn(subjects, name) ? [at] : []));
  if (starts.length !== Object.keys(subjects).length || starts[0] !== 0)
    throw new Error("tools/gen-docs.ts: a subject's first key is gone");
  return starts
    .map((start, at) => {
      const group = entries.slice(start, starts[at + 1]);
      return `### ${subjects[group[0]?.[0] ?? ""]}\n\n${keyTable(group)}\n`;
    })
    .join("")
    .trimEnd()
    .concat("\n");
}

function keyTable(entries: readonly (readonly [string, Key<unknown>])[]): string {
  return table(
    ["key", "value", "default", "meaning"],
    entries.map(([name, key]) => [
      `\`${name}\``,
      key.kind,
      markedDefault(key),
      key.environment ? `${key.help} (also \`$${key.environment}\`)` : key.help,
    ]),
  );
}

function markedDefault(key: Key<unknown>): string {
  if (key.follows !== undefined) return `as \`${key.follows}\``;
  const text = defaultText(key);
  return text === "" ? "" : `\`${text}\``;
}

function agentRegistry(): Registry {
  const metrics = new AgentMetrics("");
  // Readings are taken at a scrape, and there will be none.
  registerNodeMetrics(metrics, {} as NodeMetricsOptions);
  registerHubbleMetrics(metrics, {} as HubbleReadings);
  registerFqdnMetrics(metrics, {} as FqdnMetricsOptions);
  registerIpamMetrics(metrics, {} as IpamReadings);
  exhaustedCounter(metrics.registry);
  new ProxyMetrics(metrics, {} as ProxyMetricsOptions);
  new HealthMetrics(metrics, { clusterName: "", nodeName: "" } as HealthReadings);
  new PolicyMetrics(metrics).register({} as PolicyReadings);
  new ServiceMetrics(metrics).register({} as ServiceReadings);
  return metrics.registry;
}

function operatorRegistry(): Registry {
  const none = () => 0;
  const metrics = new OperatorMetrics({
    blocks: () => [],
    nodes: none,
    nodesInError: none,
    policies: () => [],
  });
  registerEniMetrics(metrics, () => undefined);
  return metrics.registry;
}

/** prom-client's own types say nothing of the fields every metric has. */
type Described = { readonly name: string; readonly help: string; readonly type: string };

function metricTable(registry: Registry): string {
  const rows = registry.getMetricsAsArray().map((metric) => {
    const { name, help, type } = metric as unknown as Described;
    const { labelNames } = metric as unknown as { readonly labelNames: readonly string[] };
    return [`\`${name}\``, type, labelNames.map((label) => `\`${label}\``).join(", "), help];
  });
  return table(["metric", "type", "labels", "meaning"], rows.toSorted(byFirstCell));
}

function byFirstCell([a = ""]: readonly string[], [b = ""]: readonly string[]): number {
  return a < b ? -1 : Number(a > b);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.map(escaped).join(" | ")} |\n`).join("");
}

function escaped(cell: string): string {
  return cell.replaceAll("|", "\\|");
}
