// Every client by every address of every kind of service, both families, TCP and UDP: who answers, from which address,
// and whom the backend sees. In all modes, with tx checksum offload as veth has it and switched off.
import assert from "node:assert/strict";
import { test } from "node:test";
import { root, soak } from "./harness.ts";
import { assertDropsSince, drops } from "./metrics.ts";
import { switchOffloadOff } from "./offload.ts";
import { type Backend, matrixObjects, namespace } from "./services/matrix-objects.ts";
import {
  type ClientKind,
  directRows,
  type Facts,
  matrixRows,
  type Mode,
  type Row,
  wrongWith,
} from "./services/matrix.ts";
import { answerOf, type Client } from "./services/requests.ts";
import {
  clusterIp,
  families,
  nativeRouting,
  nodeAddress,
  nodePort,
  ServiceLab,
  worldAddresses,
} from "./services/service-lab.ts";

const nodes = ["node-1", "node-2"];

const vxlan = { set: {}, tunnel: true, hostSockets: true, direct: [] } as const satisfies Mode;
const native = { ...vxlan, set: nativeRouting, tunnel: false } as const;

const modes: Readonly<Record<string, Mode & { readonly soakOnly?: true }>> = {
  VXLAN: vxlan,
  "VXLAN without socket LB": { ...vxlan, set: { "bpf-lb-sock": "false" }, hostSockets: false },
  "native routing": { ...native, soakOnly: true },
  "native routing, pods per packet": {
    ...native,
    set: { ...nativeRouting, "bpf-lb-sock-hostns-only": "true" },
  },
  "VXLAN with DSR": { ...vxlan, set: { "bpf-lb-mode": "dsr" }, direct: ["tcp", "udp"] },
  "native routing with DSR": {
    ...native,
    set: { ...nativeRouting, "bpf-lb-mode": "dsr" },
    direct: ["tcp", "udp"],
    soakOnly: true,
  },
  "native routing with DSR in IPIP": {
    ...native,
    set: { ...nativeRouting, "bpf-lb-mode": "dsr", "bpf-lb-dsr-dispatch": "ipip" },
    direct: ["tcp", "udp"],
  },
  "native routing, hybrid with Maglev": {
    ...native,
    set: { ...nativeRouting, "bpf-lb-mode": "hybrid", "bpf-lb-algorithm": "maglev" },
    direct: ["tcp"],
  },
  "VXLAN with Maglev": { ...vxlan, set: { "bpf-lb-algorithm": "maglev" }, soakOnly: true },
  "VXLAN in XDP": { ...vxlan, set: { "bpf-lb-acceleration": "native" } },
  "native routing with DSR in XDP": {
    ...native,
    set: { ...nativeRouting, "bpf-lb-mode": "dsr", "bpf-lb-acceleration": "native" },
    direct: ["tcp", "udp"],
  },
  "native routing in generic XDP": {
    ...native,
    set: { ...nativeRouting, "bpf-lb-acceleration": "testing-only" },
    soakOnly: true,
  },
};

for (const [name, mode] of Object.entries(modes).filter(([, { soakOnly }]) => soak || !soakOnly))
  test(`services with ${name}`, async (t) => {
    await using cluster = await ServiceLab.up({
      purpose: "matrix",
      namespaces: [namespace],
      set: mode.set,
    });
    await cluster.apply(...matrixObjects());
    const facts: Facts = {
      services: await cluster.services(namespace),
      routes: await worldRoutes(cluster),
      seenDirectly: await seenDirectly(cluster),
      standIns: await standIns(cluster),
    };
    const rows = matrixRows(mode, facts);
    if ("bpf-lb-acceleration" in mode.set) await assertAccelerated(cluster);
    for (const offload of soak || name === "VXLAN" ? [true, false] : [false]) {
      if (!offload) await switchOffloadOff(cluster.lab, namespace);
      await t.test(`tx checksum offload ${offload ? "on" : "off"}`, async () => {
        const before = await drops(cluster.lab, nodes);
        const { wrong, unused } = await askAll(cluster, rows);
        assert.deepEqual(summary(wrong), []);
        assert.deepEqual(summary(unused), []);
        await assertDropsSince(cluster.lab, nodes, before);
      });
    }
    await t.test("payloads that take several packets, and fragments", async () => {
      // Where packets grow on their way, clients hear of it the first time.
      await largePayloads(cluster, facts.services);
      assert.deepEqual(await largePayloads(cluster, facts.services), []);
    });
  });

/** @returns what is wrong with answers, and backends that should have answered once and have not */
async function askAll(cluster: ServiceLab, rows: readonly Row[]) {
  const wrong: string[] = [];
  const unused: string[] = [];
  for (const client of ["pod", "node", "world"] as const) {
    const own = rows.filter((row) => row.client === client);
    const outcomes = await clientOf(cluster, client).ask(own.map(({ request }) => request));
    const answered = new Map<string, Set<string>>();
    for (const [at, outcome] of outcomes.entries()) {
      const row = own[at] as Row;
      const problem = wrongWith(row, outcome);
      if (problem) wrong.push(problem);
      if (outcome.kind === "ok")
        answered.set(row.what, (answered.get(row.what) ?? new Set()).add(outcome.answer.pod));
    }
    unused.push(...neverChosen(own, answered));
  }
  return { wrong, unused };
}

/** Echoes of more than a packet, by addresses of services on the same node and on the other. @returns those that failed */
async function largePayloads(cluster: ServiceLab, services: Facts["services"]): Promise<string[]> {
  const { lab } = cluster;
  const probe = `${root}/dist/bin/probe`;
  const targets = (outside: boolean) =>
    ["near", "far"].flatMap((name) =>
      families.flatMap((family): readonly (readonly [string, number, number])[] => {
        const { [name]: service } = services;
        const atNode = nodeAddress("node-1", family);
        const ports = [nodePort(service, "tcp"), nodePort(service, "udp")] as const;
        return outside
          ? [[atNode, ...ports]]
          : [
              [atNode, ...ports],
              [clusterIp(service, family), 80, 80],
            ];
      }),
    );
  const lines = (outside: boolean) =>
    targets(outside).flatMap(([address, tcp, udp]) => [
      ...[1_400, 1_500, 65_536].map((size) => `tcp ${address} ${tcp} ${size}`),
      ...[1_300, 1_450, 3_000].map((size) => `udp ${address} ${udp} ${size}`),
    ]);
  const results = await Promise.all([
    lab.exec(namespace, "client", [probe], { input: `${lines(false).join("\n")}\n` }),
    lab.worldExec([probe], { input: `${lines(true).join("\n")}\n` }),
  ]);
  return results.flatMap(({ stdout, stderr }, at) => {
    const answers = stdout.split("\n").filter(Boolean);
    const wanted = lines(at === 1).length;
    const missing = answers.length === wanted ? [] : [`${answers.length} of ${wanted}: ${stderr}`];
    return [...answers.filter((line) => !line.startsWith("ok ")), ...missing];
  });
}

/** What a kernel does not let into XDP would be served all the same. */
async function assertAccelerated({ lab }: ServiceLab): Promise<void> {
  for (const node of nodes) {
    type Status = { parts: { name: string; state: string; message: string }[] };
    const { parts } = await lab.json<Status>("--node", node, "status");
    const { state, message } = parts.find(({ name }) => name === "XDP Acceleration") ?? {};
    assert.match(`${state}: ${message}`, /^ok: Enabled/, node);
  }
}

/** Rows whose every backend should have answered once, and has not. */
function neverChosen(rows: readonly Row[], answered: ReadonlyMap<string, Set<string>>): string[] {
  const wanted = new Map(rows.map(({ what, backends }) => [what, backends]));
  return [...wanted].flatMap(([what, backends]) =>
    backends
      .filter((backend) => !answered.get(what)?.has(backend))
      .map((each) => `${what}: ${each}`),
  );
}

/** The first of them, each once, with how often; then how many more there are. */
function summary(lines: readonly string[]): string[] {
  const groups = [...Map.groupBy(lines, (line) => line)].map(
    ([line, all]) => `${line} (${all.length})`,
  );
  const shown = groups.slice(0, 20);
  return groups.length > 20 ? [...shown, `and ${groups.length - 20} more`] : shown;
}

function clientOf(cluster: ServiceLab, kind: ClientKind): Client {
  if (kind === "world") return cluster.inWorld();
  return kind === "node" ? cluster.onNode("node-1") : cluster.inPod(namespace, "client");
}

/** Which node each address is routed through, as `lab status` says. */
async function worldRoutes(cluster: ServiceLab): Promise<Map<string, string>> {
  const { lab } = cluster;
  const status = await lab.json<{ loadBalancerRoutes: { destination: string; node: string }[] }>(
    "lab",
    "status",
    "--name",
    lab.name,
  );
  const hosts = status.loadBalancerRoutes.filter(({ destination }) =>
    /\/(32|128)$|^[^/]*$/.test(destination),
  );
  return new Map(hosts.map(({ destination, node }) => [destination.replace(/\/\d+$/, ""), node]));
}

async function seenDirectly(cluster: ServiceLab): Promise<Facts["seenDirectly"]> {
  const pods = await cluster.lab.pods(namespace);
  const address = (backend: Backend, family: 4 | 6) => {
    if (backend === "world") return worldAddresses[family];
    const pod = pods.find(({ metadata }) => metadata.name === backend);
    return pod?.status.podIPs?.find(({ ip }) => ip.includes(family === 4 ? "." : ":"))?.ip ?? "";
  };
  const found = new Map<string, string>();
  for (const { key, client, request } of directRows(address))
    found.set(key, answerOf(await clientOf(cluster, client).one(request), key).client);
  return found;
}

async function standIns(cluster: ServiceLab): Promise<Facts["standIns"]> {
  const found = new Map<string, string[]>();
  for (const node of nodes) {
    const { stdout } = await cluster.lab.nodeExec(node, [
      "ip",
      "-br",
      "address",
      "show",
      "tsi_host",
    ]);
    const routers = [...stdout.matchAll(/(\S+)\/\d+/g)].map(([, address = ""]) => address);
    found.set(node, [...families.map((family) => nodeAddress(node, family)), ...routers]);
  }
  return found;
}
