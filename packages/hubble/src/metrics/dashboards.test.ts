// The dashboards in deploy/grafana ask for metrics and labels that there are.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createLog } from "@tsilium/runtime";
import { Registry } from "prom-client";
import { RelayMetrics } from "../relay/index.ts";
import { PeerPool } from "../relay/pool.ts";
import { startExporters } from "../exporter/index.ts";
import { createFlowMetrics } from "./flow-metrics.ts";

const root = join(import.meta.dirname, "../../../..");
const folder = join(root, "deploy/grafana");

/** What docs/hubble-metrics.md recommends for the dashboards. */
const config = /```[a-z]*\nhubble-metrics: >-\n([^`]+)```/.exec(
  readFileSync(join(root, "docs/hubble-metrics.md"), "utf8"),
)?.[1];

type Known = Map<string, { readonly type: string; readonly labels: readonly string[] }>;

async function knownMetrics(): Promise<Known> {
  const known: Known = new Map();
  // The tables are proven to be the agent's and the operator's registries by their own tests.
  const rows = readFileSync(join(root, "docs/metrics.md"), "utf8").matchAll(
    /^\| `(\w+)` \| (\w+) \| ([^|]*) \|/gm,
  );
  for (const [, name = "", type = "", labels = ""] of rows)
    known.set(name, {
      type,
      labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label),
    });
  const registry = new Registry();
  createFlowMetrics(config ?? "", registry);
  const log = createLog({ level: "silent" });
  const off = {
    fileMaxSizeMb: 0,
    fileMaxBackups: 0,
    fileCompress: false,
    allowlist: "",
    denylist: "",
  };
  await startExporters({
    ...off,
    filePath: "",
    fieldMask: [],
    flowLogsConfigPath: "",
    registry,
    log,
  });
  const pool = new PeerPool({
    peerServices: [],
    tls: undefined,
    clusterName: "default",
    dialTimeoutMs: 1,
    retryTimeoutMs: 1,
    log,
  });
  for (const each of [registry, new RelayMetrics(pool).registry])
    for (const metric of each.getMetricsAsArray() as unknown as {
      readonly name: string;
      readonly type: string;
      readonly labelNames?: readonly string[];
    }[])
      known.set(metric.name, { type: metric.type, labels: metric.labelNames ?? [] });
  return known;
}

/** Labels that Prometheus adds itself. */
const scrapeLabels = ["instance", "job", "le"];

/** Metric names of an expression, each with the labels that are asked of it. */
function metricsOf(
  expression: string,
): { readonly name: string; readonly labels: readonly string[] }[] {
  const plain = expression.replaceAll(/\$\w+|\[[^\]]*\]/g, "");
  const grouped = [...plain.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(/\s*,\s*/),
  );
  const bare = plain.replaceAll(/\bby \([^)]*\)/g, "");
  return [...bare.matchAll(/\b((?:hubble|tsilium|process)_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name = "", matchers = ""]) => ({
      name,
      labels: [
        ...grouped,
        ...[...matchers.matchAll(/(\w+)\s*[=!]~?/g)].map(([, label = ""]) => label),
      ],
    }),
  );
}

test("the recommended metrics are there to be read", () => {
  assert.ok(config?.includes("httpV2"));
});

for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")))
  test(`${file} asks for what there is`, async () => {
    const known = await knownMetrics();
    const dashboard = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
      readonly uid: string;
      readonly panels: readonly {
        readonly title: string;
        readonly targets?: readonly { readonly expr: string }[];
      }[];
      readonly templating: {
        readonly list: readonly { readonly name: string; readonly definition?: string }[];
      };
    };
    const asked = [
      ...dashboard.panels.flatMap(({ title, targets = [] }) =>
        targets.map(({ expr }) => [title, expr] as const),
      ),
      ...dashboard.templating.list.flatMap(({ name, definition }) =>
        definition === undefined ? [] : [[`$${name}`, definition] as const],
      ),
    ];
    assert.ok(asked.length >= 8);
    for (const [where, expression] of asked) {
      const metrics = metricsOf(expression);
      assert.ok(metrics.length > 0, `${where}: ${expression}`);
      for (const { name, labels } of metrics) {
        const base = name.replace(/_(bucket|sum|count)$/, "");
        const metric = known.get(name) ?? known.get(base);
        assert.ok(metric, `${where}: there is no metric ${name}`);
        if (!known.has(name)) assert.equal(metric.type, "histogram", `${where}: ${name}`);
        for (const label of labels)
          assert.ok(
            metric.labels.includes(label) || scrapeLabels.includes(label),
            `${where}: ${name} has no label "${label}"`,
          );
      }
    }
    const variables = new Set(dashboard.templating.list.map(({ name }) => name));
    for (const [, name = ""] of JSON.stringify(dashboard).matchAll(/\$\{?(\w+)\}?/g))
      assert.ok(variables.has(name) || name.startsWith("__"), `$${name} is no variable`);
  });
