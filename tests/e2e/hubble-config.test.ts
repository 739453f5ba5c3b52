// Hubble's keys as users set them: what is wrong is refused by name before anything starts; what cannot be had only later is
// told of, and costs nothing else; and everything may be switched off.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { echoPod, Lab, manifests, namespaceManifest, root, run, until } from "./harness.ts";
import { Monitor } from "./monitor.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-hubble-config-"));
after(() => rmSync(folder, { recursive: true }));

const refused: readonly (readonly [settings: readonly string[], expected: string])[] = [
  [["enable-hubble=maybe"], '--set enable-hubble: wanted true or false, got "maybe"'],
  [
    ["monitor-aggregation=high"],
    '--set monitor-aggregation: wanted none or disabled or lowest or low or medium or max or maximum, got "high"',
  ],
  [
    ["hubble-metrics=dorp", "hubble-metrics-server=:9965"],
    'hubble-metrics: "dorp" is no metric: wanted dns, drop, flow, flows-to-world, http, httpV2, icmp, kafka, policy, port-distribution, tcp',
  ],
  [["hubble-metrics=drop"], "hubble-metrics needs hubble-metrics-server, such as :9965"],
  [
    ['hubble-export-allowlist={"verdict":["DENIED"]}', "hubble-export-fieldmask=verdikt"],
    'hubble-export-allowlist: cannot decode enum flow.Verdict from JSON: "DENIED"\nhubble-export-fieldmask: flow.Flow has no field "verdikt"',
  ],
  [["hubble-redact-http-urlquery=true"], "hubble-redact-http-urlquery needs hubble-redact-enabled"],
];

for (const [settings, expected] of refused)
  test(`${settings.join(" ")} is refused, and no lab is begun`, async () => {
    const name = `t${process.pid}hcr`;
    const words = settings.flatMap((setting) => ["--set", setting]);
    const up = await run(join(root, "tsilium"), ["lab", "up", "--name", name, ...words]);
    const hint = "docs/configuration.md has every key.";
    assert.deepEqual([up.status, up.stderr], [1, `error: ${expected}\n${hint}\n`]);
    assert.equal(existsSync(join("/var/run/tsilium/lab", name)), false);
  });

const shop = manifests(
  namespaceManifest("shop"),
  echoPod({ name: "client", namespace: "shop", node: "node-1", labels: { app: "client" } }),
  echoPod({ name: "web", namespace: "shop", node: "node-1", labels: { app: "web" } }),
);

async function addressOf(lab: Lab, name: string): Promise<string> {
  const pods = await lab.pods("shop");
  return pods.find(({ metadata }) => metadata.name === name)?.status.podIPs?.[0]?.ip ?? "";
}

async function hubblePart(lab: Lab): Promise<{ state: string; message: string } | undefined> {
  const { parts } = await lab.json<{ parts: { name: string; state: string; message: string }[] }>(
    "status",
  );
  return parts.find(({ name }) => name === "hubble");
}

test("metrics, flow logs and every packet, as asked for; what cannot be read is told of until it can", async () => {
  const log = join(folder, "flows.log");
  const flowLogs = join(folder, "flowlogs.yaml");
  await using lab = await Lab.up({
    name: `t${process.pid}hcm`,
    nodes: 1,
    set: {
      "monitor-aggregation": "none",
      // Every packet is counted.
      "enable-health-checking": "false",
      "hubble-history": "false",
      "hubble-metrics": "tcp icmp flow:labelsContext=source_pod,destination_pod",
      "hubble-metrics-server": ":9965",
      "hubble-export-file-path": log,
      "hubble-export-file-max-size-mb": "1",
      "hubble-export-file-max-backups": "2",
      "hubble-export-file-compress": "true",
      "hubble-export-allowlist": '{"source_pod":["shop/client"],"protocol":["icmp","tcp"]}',
      "hubble-export-fieldmask": "time,verdict,source,l4,trace_observation_point",
      "hubble-flowlogs-config-path": flowLogs,
    },
  });
  await lab.apply(shop);
  await lab.wait("shop");
  const web = await addressOf(lab, "web");

  // Every packet, on coming and on going.
  assert.equal((await lab.exec("shop", "client", ["curl", "-s", `http://${web}:8080/`])).status, 0);
  const points = () =>
    existsSync(log)
      ? readFileSync(log, "utf8")
          .split("\n")
          .filter((line) => line.endsWith("}") && line.includes('"SYN":true'))
          .map((line) => JSON.parse(line).flow.trace_observation_point as string)
      : [];
  await until("the SYN is in the file twice", async () => points().length >= 2);
  assert.deepEqual(points().toSorted(), ["FROM_ENDPOINT", "TO_ENDPOINT"]);
  const [line = ""] = readFileSync(log, "utf8").split("\n");
  const { flow, node_name: node } = JSON.parse(line);
  assert.equal(node, "node-1");
  const fields = ["l4", "source", "time", "trace_observation_point", "verdict"];
  assert.deepEqual(Object.keys(flow).toSorted(), fields);
  assert.equal(flow.source.pod_name, "client");

  // Enough to fill some files; two old ones are kept.
  const ping = ["ping", "-q", "-i", "0.001", "-c", "5000", web];
  const { status, stdout } = await lab.exec("shop", "client", ping);
  assert.equal(status, 0, stdout);
  const archived = () => readdirSync(folder).filter((name) => name.endsWith(".log.gz"));
  await until("two compressed files are there", async () => archived().length === 2);

  const { stdout: metrics } = await lab.nodeExec("node-1", [
    "curl",
    "-s",
    "http://127.0.0.1:9965/metrics",
  ]);
  for (const expected of [
    /^hubble_tcp_flags_total\{flag="SYN",family="IPv4"\} [1-9]/m,
    /^hubble_icmp_total\{family="IPv4",type="EchoRequest"\} 10000$/m,
    /^hubble_flows_processed_total\{source_pod="client",destination_pod="web",.*protocol="ICMPv4",.*subtype="to-endpoint".* 5000$/m,
  ])
    assert.match(metrics, expected);
  // Two of each echo request, and some of TCP.
  const lines = (which: string) =>
    Number(
      new RegExp(`^hubble_exporter_events_${which}_total\\{.*\\} (\\d+)$`, "m").exec(metrics)?.[1],
    );
  const told = lines("written") + lines("lost");
  assert.ok(told > 10_000 && told < 10_100, metrics);

  const before = await hubblePart(lab);
  assert.equal(before?.state, "degraded");
  assert.match(
    String(before?.message),
    new RegExp(`^flow logs are not changed: ENOENT: .*'${flowLogs}'; .*History: Disabled`),
  );
  writeFileSync(flowLogs, `flowLogs: [{ name: all, filePath: ${join(folder, "all.log")} }]\n`);
  await until("the flow logs are read", async () => (await hubblePart(lab))?.state === "ok");
});

test("without Hubble there is no relay and no socket, its clients say so, and the monitor goes on", async () => {
  const name = `t${process.pid}hco`;
  await using lab = await Lab.up({ name, nodes: 1, set: { "enable-hubble": "false" } });
  await lab.apply(shop);
  await lab.wait("shop");
  assert.equal((await hubblePart(lab))?.state, "disabled");
  const state = join("/var/run/tsilium/lab", name);
  assert.deepEqual(
    [
      join(state, "relay.sock"),
      join(state, "node-1/hubble.sock"),
      join(state, "node-1/hubble"),
    ].map((path) => existsSync(path)),
    [false, false, false],
  );
  const observe = await run(join(root, "hubble"), ["observe"], { env: { TSILIUM_LAB: name } });
  assert.equal(observe.status, 1);
  assert.match(observe.stderr, /enable-hubble=false leaves relay out/);

  // Two listeners at once, of which one asks for more than the other.
  const web = await addressOf(lab, "web");
  const forge = async () => {
    const steps = `ip addr replace 10.9.9.9/32 dev eth0; ping -c 1 -W 1 -I 10.9.9.9 ${web}`;
    await lab.exec("shop", "client", ["sh", "-c", steps]);
  };
  await using drops = new Monitor(lab, "node-1");
  await using all = new Monitor(lab, "node-1", ["--trace"]);
  await Promise.all([drops.listening(forge), all.listening(forge)]);
  await lab.exec("shop", "client", ["curl", "-s", "-m", "2", `http://${web}:8080/`]);
  await forge();
  await Promise.all([drops.settle(1), all.settle(8)]);
  const kinds = (monitor: Monitor) => [...new Set(monitor.events.map(({ kind }) => kind))];
  assert.deepEqual(kinds(drops), ["drop"]);
  assert.deepEqual(kinds(all).toSorted(), ["drop", "trace"]);
  // Both say the same of one event, its time included.
  const forged = (monitor: Monitor) => monitor.events.find(({ kind }) => kind === "drop");
  assert.deepEqual(forged(all), forged(drops));
});
