import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { test } from "node:test";
import { createLog } from "@tsilium/runtime";
import { Registry } from "prom-client";
import { flowsResponseToJson } from "../codec/index.ts";
import { emptyFlow, type Flow, LostEventSource, Verdict } from "../model.ts";
import { parseFlowLogs } from "./config.ts";
import { DynamicFlowLogs } from "./dynamic.ts";
import { type ExportersOptions, startExporters } from "./exporters.ts";
import { makeFlowLog, parseFilters } from "./flow-log.ts";
import { type Sink, streamSink } from "./sink.ts";

const log = createLog({ level: "silent" });
const forwarded: Flow = {
  ...emptyFlow,
  timeNs: 1_700_000_000_500_000_000n,
  uuid: "11111111-2222-3333-4444-555555555555",
  verdict: Verdict.forwarded,
  nodeName: "node-1",
  source: { ...emptyFlow.source, namespace: "shop", podName: "web-0", labels: ["k8s:app=web"] },
};
const dropped: Flow = { ...forwarded, verdict: Verdict.dropped, dropReason: 133 };

function collector(): { stdout: Writable; lines: () => unknown[] } {
  let text = "";
  const stdout = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString();
      done();
    },
  });
  return {
    stdout,
    lines: () =>
      text
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown),
  };
}

const fixed = (options: Partial<ExportersOptions>): ExportersOptions => ({
  filePath: "stdout",
  fileMaxSizeMb: 10,
  fileMaxBackups: 5,
  fileCompress: false,
  allowlist: "",
  denylist: "",
  fieldMask: [],
  flowLogsConfigPath: "",
  registry: new Registry(),
  log,
  ...options,
});

test("flows and losses are lines of Cilium's JSON", async () => {
  const { stdout, lines } = collector();
  await using exporters = await startExporters(fixed({ stdout }));
  exporters.note(forwarded);
  const lost = {
    source: LostEventSource.perfEventRingBuffer,
    count: 3,
    cpu: 1,
    firstNs: 1n,
    lastNs: 1_700_000_001_000_000_000n,
  };
  exporters.noteLost(lost, "node-1");
  const [flow, loss] = lines() as [
    { flow: Record<string, unknown>; node_name: string; time: string },
    Record<string, unknown>,
  ];
  assert.equal(flow.node_name, "node-1");
  assert.equal(flow.time, "2023-11-14T22:13:20.500Z");
  assert.equal(flow.flow["verdict"], "FORWARDED");
  assert.deepEqual(flow.flow["source"], {
    namespace: "shop",
    labels: ["k8s:app=web"],
    pod_name: "web-0",
  });
  assert.deepEqual(
    (loss["lost_events"] as Record<string, unknown>)["source"],
    "PERF_EVENT_RING_BUFFER",
  );
  assert.equal(loss["time"], "2023-11-14T22:13:21Z");
});

test("a line holds what protobuf's JSON of the flow holds", () => {
  const lines: string[] = [];
  const sink: Sink = {
    write: (line) => lines.push(line) > 0,
    stats: { written: 0, lost: 0, error: undefined },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const flowLog = makeFlowLog({ allow: [], deny: [], fieldMask: [], sink });
  const endpoint = {
    ...forwarded.source,
    id: 7,
    identity: 9,
    workloads: [{ name: '"', kind: "x" }],
  };
  const flows = [
    emptyFlow,
    forwarded,
    { ...dropped, destination: endpoint },
    { ...dropped, source: endpoint, destination: endpoint, summary: '{"flow":{' },
  ];
  for (const flow of flows) flowLog.note(flow);
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    flows.map((flow) =>
      flowsResponseToJson({ flow, nodeName: flow.nodeName, timeNs: flow.timeNs }),
    ),
  );
});

test("lists of filters and a field mask choose what is written", async () => {
  const { stdout, lines } = collector();
  await using exporters = await startExporters(
    fixed({
      stdout,
      allowlist: '{"source_pod":["shop/"]} {"verdict":["ERROR"]}',
      denylist: '[{"verdict":["FORWARDED"]}]',
      fieldMask: ["source.pod_name", "verdict", "source.namespace"],
    }),
  );
  for (const flow of [forwarded, dropped, { ...dropped, source: emptyFlow.source }])
    exporters.note(flow);
  assert.deepEqual(lines(), [
    {
      flow: { source: { pod_name: "web-0", namespace: "shop" }, verdict: "DROPPED" },
      node_name: "node-1",
      time: "2023-11-14T22:13:20.500Z",
    },
  ]);
});

for (const [options, message] of [
  [{ fieldMask: ["source.nothing"] }, /flow\.Flow has no field "source\.nothing"/],
  [{ allowlist: '{"nothing":[]}' }, /nothing/],
  [{ allowlist: "x" }, /not a filter in JSON/],
  [{ denylist: '{"source_ip":["x"]}' }, /source_ip/],
] as const)
  test(`${JSON.stringify(options)} is refused`, async () => {
    await assert.rejects(startExporters(fixed(options)), message);
  });

test("filters are read one after the other, or as a list", () => {
  assert.equal(parseFilters("").length, 0);
  const [first, second] = parseFilters('{"source_fqdn":["}{\\""]}\n{"verdict":["DROPPED"]}');
  assert.deepEqual(first?.sourceFqdn, ['}{"']);
  assert.deepEqual(second?.verdict, [2]);
});

test("a reader of standard output that does not read loses flows, and holds up nothing", () => {
  const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
  const sink = streamSink(stuck, 1000);
  const flowLog = makeFlowLog({ allow: [], deny: [], fieldMask: ["verdict"], sink });
  for (let i = 0; i < 100; i++) flowLog.note(forwarded);
  assert.ok(sink.stats.written >= 10 && sink.stats.lost >= 80, JSON.stringify(sink.stats));
  assert.equal(sink.stats.written + sink.stats.lost, 100);
});

const yaml = (name: string, more = "") => `flowLogs:
- name: ${name}
  filePath: ${name}
  fieldMask: []
  fieldAggregate: []
  aggregationInterval: 0s
  includeFilters:
  - source_pod: ["shop/"]
    event_type:
    - type: 1
  excludeFilters: []
  fileMaxSizeMb: 0
${more}`;

test("Cilium's configuration of flow logs is read", () => {
  const [config] = parseFlowLogs(
    yaml(
      "a",
      '  fileCompress: true\n  start: "2026-01-01T00:00:00Z"\n  end: 2026-01-02T00:00:00+01:00\n',
    ),
  );
  assert.ok(config);
  assert.deepEqual(
    [
      config.fileMaxSizeMb,
      config.fileMaxBackups,
      config.fileCompress,
      config.startMs,
      config.endMs,
    ],
    [10, 5, true, Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1, 23)],
  );
  assert.deepEqual(config.includeFilters[0]?.sourcePod, ["shop/"]);
  assert.equal(config.includeFilters[0]?.eventType[0]?.type, 1);
  assert.deepEqual(parseFlowLogs(""), []);
});

for (const [text, message] of [
  ["flowLogs: [{name: a}]", /flowLogs\[0\]\.filePath: wanted a text/],
  ["flowLogs: [{name: a, filePath: b, fieldmask: []}]", /unknown field "fieldmask"/],
  [
    "flowLogs: [{name: a, filePath: b}, {name: a, filePath: c}]",
    /flowLogs\[1\]\.name: "a" is there twice/,
  ],
  ["flowLogs: [{name: a, filePath: b}, {name: c, filePath: b}]", /filePath: "b" is there twice/],
  ["flowLogs: [{name: a, filePath: b, end: tomorrow}]", /end: wanted a time/],
  ["flowLogs: [{name: a, filePath: b, includeFilters: [{x: 1}]}]", /includeFilters\[0\]/],
  ["flowLogs: [{name: a, filePath: b, fieldAggregate: [verdict]}]", /not aggregated here/],
  ["flowLogs: 3", /flowLogs: wanted a list/],
  ["- x", /the file: wanted an object/],
  ["a: [", /./],
] as const)
  test(`${text} is refused`, () => {
    assert.throws(() => parseFlowLogs(text), message);
  });

test("flow logs follow their file; one that cannot be used changes nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-flow-logs-"));
  const path = join(folder, "config.yaml");
  let nowMs = Date.UTC(2026, 0, 1);
  const counts = new Map<string, number>();
  const disposed: string[] = [];
  const logs = new DynamicFlowLogs({
    path,
    open: ({ name }) => ({
      note: () => void counts.set(name, (counts.get(name) ?? 0) + 1),
      noteLost: () => undefined,
      sink: streamSink(new Writable(), 1),
      [Symbol.asyncDispose]: async () => void disposed.push(name),
    }),
    log,
    now: () => nowMs,
    intervalMs: 3_600_000,
  });
  const replace = async (text: string) => {
    // As a mounted ConfigMap does.
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
    await logs.refresh();
  };
  const noted = () => {
    counts.clear();
    logs.note(forwarded);
    return [...counts.keys()].toSorted();
  };
  try {
    await logs.start();
    assert.deepEqual(noted(), []);
    await replace(yaml("a"));
    assert.deepEqual(noted(), ["a"]);
    await replace(
      `${yaml("a")}- name: b\n  filePath: b\n  start: "2026-01-01T01:00:00Z"\n  end: "2026-01-01T02:00:00Z"\n`,
    );
    assert.deepEqual(noted(), ["a"]);
    nowMs = Date.UTC(2026, 0, 1, 1);
    await logs.refresh();
    assert.deepEqual(noted(), ["a", "b"]);
    nowMs = Date.UTC(2026, 0, 1, 2);
    await logs.refresh();
    assert.deepEqual(noted(), ["a"]);
    const { applied } = logs.status;
    await replace("flowLogs: [");
    rmSync(path);
    await logs.refresh();
    assert.deepEqual(noted(), ["a"]);
    assert.equal(logs.status.applied, applied);
    assert.deepEqual(disposed, []);
    await replace(yaml("a", "  fileMaxBackups: 2\n"));
    assert.deepEqual(disposed.toSorted(), ["a", "b"]);
    assert.deepEqual(logs.reconfigurations, { add: 2, update: 1, remove: 1 });
    assert.deepEqual(noted(), ["a"]);
  } finally {
    await logs[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  }
  assert.deepEqual(noted(), []);
  assert.deepEqual(disposed.toSorted(), ["a", "a", "b"]);
});

test("metrics tell of every flow log", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-flow-logs-"));
  try {
    const config = join(folder, "config.yaml");
    writeFileSync(
      config,
      `flowLogs: [{name: drops, filePath: ${folder}/drops.log, includeFilters: [{verdict: [DROPPED]}]}]`,
    );
    const registry = new Registry();
    const { stdout } = collector();
    const exporters = await startExporters(fixed({ stdout, registry, flowLogsConfigPath: config }));
    exporters.note(forwarded);
    exporters.note(dropped);
    await exporters[Symbol.asyncDispose]();
    const text = readFileSync(join(folder, "drops.log"), "utf8");
    assert.match(text, /^\{"flow":\{.*"DROPPED".*\}\n$/);
    const lines = (await registry.metrics())
      .split("\n")
      .filter((line) => line.startsWith("hubble_exporter"));
    assert.deepEqual(lines, [
      'hubble_exporter_events_written_total{name="static-exporter"} 2',
      'hubble_exporter_events_lost_total{name="static-exporter"} 0',
      'hubble_exporter_failing{name="static-exporter"} 0',
    ]);
    const names = [
      "exporters_total",
      "up",
      "reconfigurations_total",
      "config_hash",
      "config_last_applied",
    ];
    for (const name of names)
      assert.ok(registry.getSingleMetric(`hubble_dynamic_exporter_${name}`), name);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a flow log that cannot be written, and a file of flow logs that cannot be read, are told of", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-exporters-"));
  try {
    const path = join(folder, "flowlogs.yaml");
    await using exporters = await startExporters(
      fixed({ filePath: folder, flowLogsConfigPath: path }),
    );
    exporters.note(forwarded);
    await until(() => exporters.problems().length === 2);
    assert.deepEqual(exporters.problems(), [
      `flow logs are not changed: ENOENT: no such file or directory, open '${path}'`,
      `flow log static-exporter cannot be written: EISDIR: illegal operation on a directory, open '${folder}'`,
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

async function until(is: () => boolean): Promise<void> {
  const endsAtMs = performance.now() + 5_000;
  while (!is() && performance.now() < endsAtMs)
    await new Promise((resolve) => setTimeout(resolve, 10));
}
