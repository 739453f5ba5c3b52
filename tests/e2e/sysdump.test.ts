// A dump of a running lab: what it must have, what it must not. Canaries are planted wherever a cluster keeps secrets, and
// in traffic; no byte of them may be in the archive, plain or in base64.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { echoPod, Lab, manifests, namespaceManifest, processPid } from "./harness.ts";

type Summary = {
  readonly path: string;
  readonly nodes: readonly string[];
  readonly tasks: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly error?: string;
  }[];
};

const canary = (where: string) => `kanari-${where}-7f3a91`;
const planted = [
  "secret",
  "secret-text",
  "configmap",
  "environment",
  "argument",
  "annotation",
  "rule",
  "match",
  "header",
  "bearer",
  "cookie",
  "query",
  "password",
].map(canary);
const json = (value: unknown) => JSON.stringify(value);
const base64 = (text: string) => Buffer.from(text).toString("base64");

const secrets = [
  {
    kind: "Secret",
    metadata: { name: "s", namespace: "dump" },
    data: { key: base64(canary("secret")) },
    stringData: { text: canary("secret-text") },
  },
  {
    kind: "ConfigMap",
    metadata: { name: "c", namespace: "dump" },
    data: { conf: canary("configmap") },
  },
].map((object) => json({ apiVersion: "v1", ...object }));

const client = json({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "client",
    namespace: "dump",
    labels: { app: "client" },
    annotations: {
      "example.com/note": canary("annotation"),
      "kubectl.kubernetes.io/last-applied-configuration": canary("annotation"),
    },
  },
  spec: {
    nodeName: "node-1",
    containers: [
      {
        name: "c",
        image: "tsilium.io/echo",
        env: [{ name: "GREETING", value: canary("environment") }],
      },
      {
        name: "d",
        image: "x",
        command: ["/bin/sh", "-c", `exec sleep 3600 # ${canary("argument")}`],
        args: [canary("argument")],
      },
    ],
  },
});

const policy = json({
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "guard", namespace: "dump" },
  spec: {
    endpointSelector: { matchLabels: { app: "echo" } },
    ingress: [
      {
        toPorts: [
          {
            ports: [{ port: "8080", protocol: "TCP" }],
            rules: {
              http: [
                { path: "/open.*" },
                { headers: [`X-Plain: ${canary("rule")}`] },
                { headerMatches: [{ name: "X-Match", value: canary("match") }] },
              ],
            },
          },
        ],
      },
    ],
  },
});

const folder = mkdtempSync(join(tmpdir(), "tsilium-e2e-sysdump-"));
let lab: Lab;

before(async () => {
  lab = await Lab.up({ nodes: 2, name: `t${process.pid}dump` });
  await lab.apply(
    manifests(
      namespaceManifest("dump"),
      ...secrets,
      client,
      echoPod({ name: "server", namespace: "dump", node: "node-2" }),
      policy,
    ),
  );
  await lab.wait("dump");
  assert.equal((await lab.lab("wait", "--for", "policy")).status, 0);
  const server = (await lab.pods("dump")).find(({ metadata }) => metadata.name === "server");
  const address = server?.status.podIPs?.find(({ ip }) => ip.includes("."))?.ip ?? "";
  const headers = {
    "X-Plain": canary("header"),
    Authorization: `Bearer ${canary("bearer")}`,
    Cookie: `session=${canary("cookie")}`,
  };
  for (const path of ["open", "shut"])
    await lab.exec("dump", "client", [
      "curl",
      "-s",
      "-m",
      "3",
      ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
      "-u",
      `user:${canary("password")}`,
      `http://${address}:8080/${path}?token=${canary("query")}`,
    ]);
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await lab?.[Symbol.asyncDispose]();
});

/** Takes a dump and unpacks it; answers its summary and every file's text by name. */
async function dump(name: string, ...flags: string[]) {
  const path = join(folder, name);
  const summary = await lab.json<Summary>("sysdump", "--output-filename", path, ...flags);
  assert.equal(summary.path, `${path}.tar.gz`);
  assert.equal(statSync(summary.path).mode & 0o777, 0o600);
  const into = join(folder, `${name}-files`);
  execFileSync("sh", ["-c", 'mkdir "$1" && tar xzf "$2" -C "$1"', "sh", into, summary.path]);
  const [root = ""] = readdirSync(into);
  const files = new Map(
    readdirSync(join(into, root), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const file = join(entry.parentPath, entry.name);
        return [file.slice(join(into, root).length + 1), readFileSync(file, "utf8")] as const;
      }),
  );
  return { summary, files };
}

/** What must nowhere be: canaries, and the keys that the lab is held together by. */
function secretsOfLab(): string[] {
  const root = join("/var/run/tsilium/lab", lab.name);
  const keys = ["pki", "hubble"].flatMap((sub) =>
    readdirSync(join(root, sub), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".key"))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8")),
  );
  const lines = keys.flatMap((key) =>
    key.split("\n").filter((line) => /^[A-Za-z0-9+/]{40,}/.test(line)),
  );
  assert.ok(lines.length >= 4, "the lab has keys");
  const inBase64 = planted.flatMap((text) =>
    [0, 1, 2].map((shift) => base64("x".repeat(shift) + text).slice(shift + 2, -4)),
  );
  return [...planted, ...inBase64, ...lines];
}

test("a dump has what there is to know of every node, and no secret", async () => {
  const { summary, files } = await dump("whole");
  assert.deepEqual(summary.nodes, ["node-1", "node-2"]);
  const missing = summary.tasks
    .filter(({ error }) => error !== undefined)
    .map(({ name, error }) => `${name}: ${error}`);
  assert.deepEqual(
    missing.filter((line) => !/host\/(nftables|ip6?tables)/.test(line)),
    [],
  );
  assert.equal(files.size, summary.tasks.length - missing.length + 1);
  for (const node of summary.nodes)
    for (const file of [
      "agent/healthz",
      "agent/config",
      "agent/endpoint",
      "agent/policy",
      "bpf/conntrack",
      "bpf/ipcache",
      "bpf/links",
      "bpf/map-sizes",
      "bpf/policy-slots",
      "host/links",
      "host/kernel",
    ])
      assert.ok(files.get(`nodes/${node}/${file}.json`)?.length, `${node}/${file}`);
  const has = (file: string, text: string | RegExp) =>
    assert.match(files.get(file) ?? "", new RegExp(text), file);
  has("cluster/pods.json", '"GREETING"');
  has("cluster/ciliumnetworkpolicies.cilium.io.json", '"X-Plain: <redacted>"');
  has("cluster/leases.coordination.k8s.io.json", "cilium-operator-resource-lock");
  has("nodes/node-2/agent/proxy.json", '"listeners"');
  has("nodes/node-2/proxy/haproxy-ingress.log", "haproxy version");
  has("nodes/node-2/hubble/flows.jsonl", "/open\\?");
  has("nodes/node-1/bpf/links.json", '"tag"');
  has("nodes/node-1/host/routes-ipv4.txt", "dev eth0");
  has("logs/operator.log", "operator is ready");
  const unwanted = secretsOfLab();
  for (const [name, text] of files)
    for (const secret of unwanted) assert.ok(!text.includes(secret), `${name} has ${secret}`);
});

test("a node whose agent hangs, and one that is not asked for, keep nobody from a dump", async () => {
  const pid = await processPid(lab, "agent/node-1");
  process.kill(pid, "SIGSTOP");
  try {
    const { summary, files } = await dump(
      "hung",
      "--quick",
      "--timeout",
      "3",
      "--node-list",
      "node-1",
    );
    assert.deepEqual(summary.nodes, ["node-1"]);
    const agent = summary.tasks.find(({ name }) => name === "nodes/node-1/agent");
    assert.ok(agent?.error, "the agent's part is told to be missing");
    assert.ok(files.get("nodes/node-1/bpf/ipcache.json")?.length);
    assert.ok(!files.has("nodes/node-1/bpf/conntrack.json"));
    assert.ok(![...files.keys()].some((name) => name.startsWith("nodes/node-2/")));
  } finally {
    process.kill(pid, "SIGCONT");
    await sleep(100);
  }
});

test("what cannot be written, and a node that there is none of, are told of", async () => {
  for (const [flags, message] of [
    [["--node-list", "node-7"], /there is no node node-7\nNodes are node-1, node-2\./],
    [["--output-filename", "/nowhere/dump"], /cannot write \/nowhere\/dump\.tar\.gz/],
    [["--conntrack-count", "many"], /"many" is no whole number/],
  ] as const) {
    const result = await lab.tsilium(["sysdump", ...flags]);
    assert.equal(result.status, 1);
    assert.match(result.stderr, message);
  }
});
