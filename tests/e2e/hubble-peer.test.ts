// A lab as Hubble's other clients find it: Python's grpc with message definitions of its own (tests/peers/hubble_peer.py) asks an
// agent over its unix socket and over mutual TLS, and the relay. What it is told is what the `hubble` command shows.
//
//   node-1: client      node-2: web (closed but for TCP 8080 of client)      relay, in the fabric
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { testAuthority } from "@tsilium/testkit/certificates.ts";
import {
  echoPod,
  Lab,
  manifests,
  namespaceManifest,
  type Result,
  root,
  run,
  until,
} from "./harness.ts";
import { flowsOf, observeAll, type SeenFlow, type SeenResponse } from "./hubble/seen.ts";

const python = ["/usr/bin/python3", join(root, "tests/peers/hubble_peer.py")] as const;
const namespace = "shop";

let lab: Lab;
let folder = "";
/** Of the lab: shop's flows as the command shows them, from node-2's agent. */
let shown: SeenResponse[];

before(async () => {
  // Nodes that probe each other are flows, too.
  const set = { "enable-health-checking": "false" };
  lab = await Lab.up({ name: `t${process.pid}peer`, set });
  folder = `/var/run/tsilium/lab/${lab.name}`;
  await lab.apply(
    manifests(
      namespaceManifest(namespace),
      echoPod({ name: "client", namespace, node: "node-1", labels: { app: "client" } }),
      echoPod({ name: "web", namespace, node: "node-2", labels: { app: "web" } }),
      JSON.stringify({
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "web", namespace },
        spec: {
          podSelector: { matchLabels: { app: "web" } },
          ingress: [
            {
              from: [{ podSelector: { matchLabels: { app: "client" } } }],
              ports: [{ port: 8080, protocol: "TCP" }],
            },
          ],
        },
      }),
    ),
  );
  await lab.wait(namespace);
  assert.equal((await lab.lab("wait", "--for", "policy")).status, 0);
  await talk();
  const whatIs = [
    "--all",
    "--namespace",
    namespace,
    "--server",
    `unix://${folder}/node-2/hubble.sock`,
  ];
  await until("the last drop is shown", async () => {
    shown = await observeAll(lab, ...whatIs);
    return shown.filter(({ flow }) => flow?.verdict === "DROPPED").length === 2;
  });
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
});

/** Allowed and denied, in both families. */
async function talk(): Promise<void> {
  const web = (await lab.pods(namespace)).find(({ metadata }) => metadata.name === "web");
  const targets = (web?.status.podIPs ?? []).flatMap(({ ip }) => [
    `tcp ${ip} 8080 10 1000`,
    `udp ${ip} 8080 10 100`,
  ]);
  await lab.exec(namespace, "client", [join(root, "dist/bin/probe")], {
    input: targets.map((line) => `${line}\n`).join(""),
  });
}

/** What a row's filter lets through, by the fields that it is about. */
const filters: readonly (readonly [filter: object, matches: (flow: SeenFlow) => boolean])[] = [
  [{ verdict: ["DROPPED"] }, ({ verdict }) => verdict === "DROPPED"],
  [{ drop_reason_desc: ["POLICY_DENIED"] }, (flow) => flow.drop_reason_desc === "POLICY_DENIED"],
  [{ source_pod: ["shop/cl"] }, ({ source }) => source?.pod_name === "client"],
  [
    { source_pod: ["shop/web"], reply: [true] },
    (flow) => flow.source?.pod_name === "web" && flow.is_reply === true,
  ],
  [{ destination_label: ["app=web"] }, ({ destination }) => hasLabel(destination?.labels, "web")],
  [{ protocol: ["udp"] }, ({ l4 }) => l4?.UDP !== undefined],
  [{ destination_port: ["8080"] }, ({ l4 }) => (l4?.TCP ?? l4?.UDP)?.destination_port === 8080],
  [{ ip_version: ["IPv6"] }, ({ IP }) => IP?.source.includes(":") === true],
  [{ tcp_flags: [{ SYN: true, ACK: true }] }, ({ l4 }) => isSynAck(l4?.TCP?.flags)],
  [
    { source_workload: [{ name: "web", kind: "Pod" }] },
    ({ source }) => source?.workloads?.[0]?.name === "web",
  ],
  // Denied packets are both.
  [{ event_type: [{ type: 5 }] }, ({ event_type }) => [1, 5].includes(event_type.type)],
  [{ event_type: [{ type: 4, match_sub_type: true, sub_type: 4 }] }, isToOverlay],
  [
    { experimental: { cel_expression: ["_flow.l4.TCP.flags.FIN"] } },
    ({ l4 }) => l4?.TCP?.flags?.["FIN"] === true,
  ],
];

function hasLabel(labels: readonly string[] | undefined, app: string): boolean {
  return labels?.includes(`k8s:app=${app}`) === true;
}

function isSynAck(flags: Readonly<Record<string, boolean>> | undefined): boolean {
  return flags?.["SYN"] === true && flags["ACK"] === true;
}

function isToOverlay({ event_type: { type, sub_type: subType } }: SeenFlow): boolean {
  return type === 4 && subType === 4;
}

type Way = {
  readonly target: () => readonly string[];
  readonly in: (command: readonly string[]) => Promise<Result>;
};

const here: Way["in"] = ([command = "", ...rest]) => run(command, rest);
const credentials = (name: string) =>
  [
    ["--ca", `${folder}/hubble/ca.crt`],
    ["--cert", `${folder}/hubble/${name}.crt`],
    ["--key", `${folder}/hubble/${name}.key`],
  ].flat();

const agentName = "node-2.default.hubble-grpc.cilium.io";
const relayName = "default.hubble-relay.cilium.io";
const agentTcp = ["--tcp", "172.18.0.3:4244", "--server-name", agentName];
const relayTcp = ["--tcp", "172.18.0.1:4245", "--server-name", relayName];
const inNode: Way["in"] = (command) => lab.nodeExec("node-1", command);

const agentWays: Readonly<Record<string, Way>> = {
  "its unix socket": { target: () => ["--unix", `${folder}/node-2/hubble.sock`], in: here },
  "mutual TLS": { target: () => [...agentTcp, ...credentials("client")], in: inNode },
};
const relayWays: Readonly<Record<string, Way>> = {
  "its unix socket": { target: () => ["--unix", `${folder}/relay.sock`], in: here },
  "mutual TLS": { target: () => [...relayTcp, ...credentials("client")], in: inNode },
};

async function ask<T = SeenResponse>(way: Way, ...words: string[]): Promise<T[]> {
  const { status, stdout, stderr } = await way.in([...python, ...way.target(), ...words]);
  const lines = stdout.split("\n").filter((line) => line !== "");
  assert.ok(status === 0 || lines.length > 0, stderr);
  return lines.map((line) => JSON.parse(line) as T);
}

/** Those of this file's pods; the lab's DNS goes on talking. */
const shopsAlone = (["source_pod", "destination_pod"] as const).flatMap((end) => [
  "--whitelist",
  JSON.stringify({ [end]: [`${namespace}/`] }),
]);

for (const [name, way] of Object.entries(agentWays))
  describe(`an agent over ${name}`, () => {
    test("tells it field by field what it tells the hubble command", async () => {
      assert.deepEqual(await ask(way, "get-flows", ...shopsAlone), shown);
      const last = await ask(way, "get-flows", "--last", "3", ...shopsAlone);
      assert.deepEqual(last, shown.slice(-3));
      const first = await ask(way, "get-flows", "--first", "3", ...shopsAlone);
      assert.deepEqual(first, shown.slice(0, 3));
    });

    test("has filters that mean what they say, and the contrary when turned around", async () => {
      const all = flowsOf(shown);
      const some = name === "mutual TLS" ? filters.slice(0, 2) : filters;
      const found = await Promise.all(
        some.map(async ([filter]) => {
          const text = JSON.stringify(filter);
          const [own, others] = await Promise.all([
            ask(way, "get-flows", "--whitelist", text, ...notOfDns),
            ask(way, "get-flows", ...shopsAlone, "--blacklist", text),
          ]);
          return [text, uuidsOf(flowsOf(own)), uuidsOf(flowsOf(others))];
        }),
      );
      const wanted = some.map(([filter, matches]) => [
        JSON.stringify(filter),
        uuidsOf(all.filter(matches)),
        uuidsOf(all.filter((flow) => !matches(flow))),
      ]);
      assert.deepEqual(found, wanted);
      for (const [text = "", own = [], others = []] of wanted)
        assert.notEqual(own.length * others.length, 0, `${String(text)} tells flows apart`);
    });

    test("tells of itself, its namespaces and its peers", async () => {
      const [status] = await ask<Status>(way, "server-status");
      assert.deepEqual([status?.max_flows, status?.version], ["4095", "tsilium v0.1.0"]);
      assert.ok(Number(status?.seen_flows) >= shown.length && Number(status?.uptime_ns) > 0);
      const [{ nodes = [] } = {}] = await ask<{ nodes?: Node[] }>(way, "get-nodes");
      assert.deepEqual(nodes.map(nodeText), [`node-2 NODE_CONNECTED :4244 ${agentName}`]);
      const [{ namespaces = [] } = {}] = await ask<Namespaces>(way, "get-namespaces");
      assert.ok(
        namespaces.some((each) => each.cluster === "default" && each.namespace === namespace),
      );
      const peers = await ask<Peer>(way, "peers", "--count", "2");
      assert.deepEqual(peers.map(peerText).toSorted(), [
        "PEER_ADDED node-1 172.18.0.2:4244 node-1.default.hubble-grpc.cilium.io",
        "PEER_ADDED node-2 172.18.0.3:4244 node-2.default.hubble-grpc.cilium.io",
      ]);
    });

    test("tells what happened to it: its start, pods, addresses, policies", async () => {
      const events = (await ask<AgentEvent>(way, "agent-events", "--last", "1000")).map(eventText);
      assert.equal(events[0], "AGENT_STARTED");
      const web = (await lab.pods(namespace)).find(({ metadata }) => metadata.name === "web");
      for (const wanted of [
        `ENDPOINT_CREATED ${namespace}/web`,
        `IPCACHE_UPSERTED ${namespace}/web ${web?.status.podIPs?.[0]?.ip}/32`,
      ])
        assert.equal(
          events.filter((event) => event === wanted).length,
          1,
          `${wanted}: ${events.join("; ")}`,
        );
      assert.ok(
        events.some((event) => event.startsWith("POLICY_UPDATED")),
        events.join("; "),
      );
    });

    test("is healthy, and says which services it has", async () => {
      assert.deepEqual(await ask(way, "health"), [{ status: "SERVING" }]);
      const [{ services = [] } = {}] = await ask<{ services?: string[] }>(way, "reflect");
      assert.deepEqual(services, [...common, "observer.Observer", "peer.Peer"]);
      const [compared] = await ask<{ differences?: unknown[] }>(way, "reflect", "--compare");
      assert.deepEqual(compared?.differences, []);
    });
  });

for (const [name, way] of Object.entries(relayWays))
  describe(`the relay over ${name}`, () => {
    test("tells what all nodes tell, in order of time, each once", async () => {
      const [connected, ...got] = await ask(way, "get-flows", ...shopsAlone);
      const { state_change: state, node_names: names = [] } = connected?.node_status ?? {};
      assert.deepEqual([state, names.toSorted()], ["NODE_CONNECTED", ["node-1", "node-2"]]);
      assert.deepEqual(
        got.filter((response) => response.node_name === "node-2"),
        shown,
      );
      assert.ok(got.some((response) => response.node_name === "node-1"));
      const times = got.map(({ time = "" }) => time);
      assert.deepEqual(times, times.toSorted());
      assert.equal(new Set(uuidsOf(flowsOf(got))).size, got.length);
    });

    test("has filters: a node's flows alone, drops alone", async () => {
      const node = JSON.stringify({ node_name: ["node-1"], source_pod: [`${namespace}/`] });
      const ofNode = await ask(way, "get-flows", "--whitelist", node);
      const nodes = flowsOf(ofNode).map((flow) => flow.node_name);
      assert.deepEqual([...new Set(nodes)], ["node-1"]);
      const drops = await ask(
        way,
        "get-flows",
        "--last",
        "2",
        "--whitelist",
        JSON.stringify(dropped),
      );
      assert.deepEqual(
        flowsOf(drops).map((flow) => flow.ingress_denied_by?.map((policy) => policy.name)),
        [["web"], ["web"]],
      );
    });

    test("tells of its nodes", async () => {
      const [status] = await ask<Status>(way, "server-status");
      assert.deepEqual([status?.num_connected_nodes, status?.num_unavailable_nodes], [2, 0]);
      assert.equal(status?.max_flows, "8190");
      const [{ nodes = [] } = {}] = await ask<{ nodes?: Node[] }>(way, "get-nodes");
      assert.deepEqual(nodes.map(nodeText), [
        "node-1 NODE_CONNECTED 172.18.0.2:4244 node-1.default.hubble-grpc.cilium.io",
        "node-2 NODE_CONNECTED 172.18.0.3:4244 node-2.default.hubble-grpc.cilium.io",
      ]);
      const [{ namespaces = [] } = {}] = await ask<Namespaces>(way, "get-namespaces");
      assert.ok(namespaces.some((each) => each.namespace === namespace));
    });

    test("is healthy, and says which services it has", async () => {
      assert.deepEqual(await ask(way, "health"), [{ status: "SERVING" }]);
      const [{ services = [] } = {}] = await ask<{ services?: string[] }>(way, "reflect");
      assert.deepEqual(services, [...common, "observer.Observer"]);
    });
  });

describe("over TCP", () => {
  const servers = { "the agent": agentTcp, "the relay": relayTcp };
  for (const [name, target] of Object.entries(servers)) {
    const refused = async (...words: string[]) => {
      const way = { target: () => [...target, ...words, "--timeout", "3"], in: inNode };
      const [answer] = await ask<{ error?: { code: string } }>(way, "server-status");
      assert.equal(answer?.error?.code, "UNAVAILABLE", JSON.stringify(answer));
    };
    test(`${name} refuses a client without a certificate`, () =>
      refused("--ca", `${folder}/hubble/ca.crt`));

    test(`${name} refuses a client that speaks no TLS`, () => refused());

    test(`${name} refuses a client with another authority's certificate`, async () => {
      const files = mkdtempSync(join(tmpdir(), "tsilium-peer-"));
      try {
        const { certFile, keyFile } = await (
          await testAuthority("nobody")
        ).issueFiles(files, ["client"]);
        await refused("--ca", `${folder}/hubble/ca.crt`, "--cert", certFile, "--key", keyFile);
      } finally {
        rmSync(files, { recursive: true });
      }
    });
  }
});

const dropped = { verdict: ["DROPPED"], destination_pod: [`${namespace}/`] };
const notOfDns = (["source_pod", "destination_pod"] as const).flatMap((end) => [
  "--blacklist",
  JSON.stringify({ [end]: ["kube-system/"] }),
]);
const common = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

type Status = {
  readonly max_flows: string;
  readonly seen_flows: string;
  readonly uptime_ns: string;
  readonly version: string;
  readonly num_connected_nodes?: number;
  readonly num_unavailable_nodes?: number;
};
type Node = {
  readonly name: string;
  readonly state: string;
  readonly address: string;
  readonly tls: { readonly enabled: boolean; readonly server_name: string };
};
type Namespaces = {
  readonly namespaces?: { readonly cluster: string; readonly namespace: string }[];
};
type Peer = Omit<Node, "state"> & { readonly type: string };
type PodName = { readonly namespace?: string; readonly pod_name?: string };
type AgentEvent = {
  readonly agent_event: {
    readonly type: string;
    readonly endpoint_update?: PodName;
    readonly ipcache_update?: PodName & { readonly cidr: string };
  };
};

function nodeText({ name, state, address, tls }: Node): string {
  return `${name} ${state} ${address} ${tls.enabled ? tls.server_name : "without TLS"}`;
}

function peerText({ type, name, address, tls }: Peer): string {
  return `${type} ${name} ${address} ${tls.server_name}`;
}

function eventText({ agent_event: event }: AgentEvent): string {
  const about = event.endpoint_update ?? event.ipcache_update;
  const pod = about?.pod_name === undefined ? [] : [`${about.namespace}/${about.pod_name}`];
  const cidr = event.ipcache_update ? [event.ipcache_update.cidr] : [];
  return [event.type, ...pod, ...cidr].join(" ");
}

function uuidsOf(flows: readonly SeenFlow[]): string[] {
  return flows.map(({ uuid }) => uuid);
}
