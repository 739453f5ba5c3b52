// Our gRPC and gRPC's own: Python's grpc (the C core) as a client of our server and as a server to our client, over a
// unix socket and over mutual TLS, with message definitions of its own (tests/peers/hubble_peer.py).
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { create, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import {
  decodeFlowsResponse,
  encodeFlowResponse,
  encodeFlowsResponse,
  fieldMaskOf,
  type FlowsResponse,
  flowsResponseToJson,
} from "@tsilium/hubble/codec/index.ts";
import { FlowSchema } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import {
  type GetFlowsRequest,
  GetFlowsRequestSchema,
  Observer,
} from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { Peer } from "@tsilium/hubble/gen/peer/peer_pb.ts";
import {
  type ClientOptions,
  Code,
  type GrpcServer,
  connectTo,
  createClient,
  serveGrpc,
  stream,
} from "@tsilium/hubble/grpc/index.ts";
import { seeded } from "@tsilium/testkit";
import { testAuthority } from "@tsilium/testkit/certificates.ts";
import { randomFlow, typicalFlow } from "../../packages/hubble/src/codec/testing/flows.ts";
import { root, run } from "./harness.ts";

const python = "/usr/bin/python3";
const peer = join(root, "tests/peers/hubble_peer.py");
const serverName = "node-1.default.hubble-grpc.cilium.io";
const timeNs = 1_780_000_000_000_000_000n;

const flows = [
  ...Array.from({ length: 40 }, (_, seed) => randomFlow(seeded(seed))),
  typicalFlow(1),
];
const responses: readonly FlowsResponse[] = [
  ...flows.map((flow) => ({ nodeName: flow.nodeName, timeNs: flow.timeNs, flow })),
  {
    nodeName: "node-1",
    timeNs,
    lost: { source: 3, count: 12, cpu: 1, firstNs: timeNs, lastNs: timeNs + 5_000_000n },
  },
  { nodeName: "relay", timeNs, nodeStatus: { state: 2, nodeNames: ["node-2"], message: "away" } },
];

let folder = "";
let grpc: GrpcServer;
/** Of GetFlows: what was asked last, and why calls ended. */
let asked: GetFlowsRequest | undefined;
const endings: unknown[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsilium-peer-"));
  const authority = await testAuthority("tests");
  const tls = await authority.issueFiles(join(folder, "server"), [serverName]);
  await authority.issueFiles(join(folder, "client"), ["client"]);
  grpc = await serveGrpc({
    routes: (router) => {
      router.service(Observer, {
        serverStatus: () => ({
          numFlows: 4095n,
          numConnectedNodes: 0,
          version: "test",
          flowsRate: 1.5,
        }),
        getNodes: () => ({
          nodes: [{ name: "node-1", state: 1, tls: { enabled: true, serverName }, seenFlows: 1n }],
        }),
        getNamespaces: () => ({ namespaces: [{ cluster: "default", namespace: "shop" }] }),
        async *getAgentEvents() {
          const notification = {
            case: "policyUpdate",
            value: { revision: 7n, ruleCount: 2n },
          } as const;
          yield { agentEvent: { type: 3, notification }, nodeName: "node-1" };
        },
      });
      router.service(Peer, {
        async *notify(_, { signal }) {
          yield { name: "node-1", address: "172.18.0.1:4244", type: 1, tls: { serverName } };
          yield { name: "node-2", address: "172.18.0.2:4244", type: 1, tls: { serverName } };
          await once(signal, "abort");
        },
      });
    },
    streams: [
      stream(Observer.method.getFlows, async (request, out) => {
        asked = request;
        const mask = fieldMaskOf(request);
        if (mask !== undefined) await out.write(encodeFlowResponse(typicalFlow(1), mask));
        else for (const response of responses) await out.write(encodeFlowsResponse(response));
        if (!request.follow) return;
        await once(out.signal, "abort");
        endings.push(out.signal.reason);
      }),
    ],
    sockets: [{ unix: join(folder, "hubble.sock") }, { host: "127.0.0.1", port: 0, tls }],
  });
});
after(async () => {
  await grpc.close({ graceMs: 500 });
  rmSync(folder, { recursive: true });
});

const ways = {
  "a unix socket": () => ["--unix", join(folder, "hubble.sock")],
  "mutual TLS": () => {
    const [, address] = grpc.addresses;
    assert(address !== undefined && "port" in address);
    return [
      "--tcp",
      `127.0.0.1:${address.port}`,
      ...credentials("client"),
      "--server-name",
      serverName,
    ];
  },
};

for (const [way, target] of Object.entries(ways)) {
  describe(`Python's client over ${way}`, () => {
    const ask = (...args: string[]) => askPeer([...target(), ...args]);

    test("gets flows, losses and states of nodes, every field of them, and knows each", async () => {
      const lines = await ask("get-flows");
      assert.deepEqual(lines, responses.map(flowsResponseToJson));
    });

    test("has every filter understood", async () => {
      const lines = await ask(
        "get-flows",
        "--last",
        "5",
        "--since",
        "2026-05-28T20:26:40Z",
        "--until",
        "2026-05-28T20:26:41.5Z",
        "--whitelist",
        JSON.stringify(everyFilter),
        "--whitelist",
        JSON.stringify({ verdict: ["DROPPED"] }),
        "--blacklist",
        JSON.stringify({ source_pod: ["kube-system/"] }),
      );
      assert.equal(lines.length, responses.length);
      assert(asked !== undefined);
      assert.deepEqual(toJson(GetFlowsRequestSchema, asked, { useProtoFieldName: true }), {
        number: "5",
        since: "2026-05-28T20:26:40Z",
        until: "2026-05-28T20:26:41.500Z",
        whitelist: [everyFilter, { verdict: ["DROPPED"] }],
        blacklist: [{ source_pod: ["kube-system/"] }],
      });
    });

    test("gets the fields of its mask alone, at the new place and at the old", async () => {
      for (const option of ["--field-mask", "--old-field-mask"]) {
        const [line] = await ask(
          "get-flows",
          option,
          "source.pod_name",
          option,
          "l4.TCP.destination_port",
        );
        assert.deepEqual((line as { flow: unknown }).flow, {
          source: { pod_name: "app-1-7d9f4b5c-x2x4z" },
          l4: { TCP: { destination_port: 5432 } },
        });
      }
    });

    test("stops when it likes, and the server notices", async () => {
      const before = endings.length;
      const lines = await ask("get-flows", "--follow", "--count", "3");
      assert.equal(lines.length, 3);
      await until(() => endings.length === before + 1);
      assert.equal((endings.at(-1) as { code: Code }).code, Code.Canceled);
    });

    test("has its deadline kept", async () => {
      const lines = await ask("--timeout", "1", "get-flows", "--follow");
      assert.deepEqual(errorOf(lines.at(-1)), "DEADLINE_EXCEEDED");
      assert.equal(lines.length, responses.length + 1);
    });

    test("asks for all else", async () => {
      const status = {
        num_flows: "4095",
        num_connected_nodes: 0,
        version: "test",
        flows_rate: 1.5,
      };
      assert.deepEqual(await ask("server-status"), [status]);
      const tls = { enabled: true, server_name: serverName };
      const node = { name: "node-1", state: "NODE_CONNECTED", tls, seen_flows: "1" };
      assert.deepEqual(await ask("get-nodes"), [{ nodes: [node] }]);
      const namespaces = [{ cluster: "default", namespace: "shop" }];
      assert.deepEqual(await ask("get-namespaces"), [{ namespaces }]);
      const update = { revision: "7", rule_count: "2" };
      const agentEvent = { type: "POLICY_UPDATED", policy_update: update };
      assert.deepEqual(await ask("agent-events"), [
        { agent_event: agentEvent, node_name: "node-1" },
      ]);
      const peers = (await ask("peers", "--count", "2")) as { name: string }[];
      assert.deepEqual(
        peers.map(({ name }) => name),
        ["node-1", "node-2"],
      );
    });

    test("asks for health", async () => {
      assert.deepEqual(await ask("health"), [{ status: "SERVING" }]);
      assert.deepEqual(await ask("health", "--watch", "--count", "1", "peer.Peer"), [
        { status: "SERVING" },
      ]);
      assert.deepEqual((await ask("health", "nothing")).map(errorOf), ["NOT_FOUND"]);
    });

    for (const version of ["v1", "v1alpha"]) {
      test(`learns by reflection (${version}) what there is, with the public numbers`, async () => {
        const services = [
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
          "observer.Observer",
          "peer.Peer",
        ];
        const reflect = (...args: string[]) => ask("reflect", "--version", version, ...args);
        assert.deepEqual(await reflect(), [{ services }]);
        const [compared] = (await reflect("--compare")) as {
          compared: number;
          differences: unknown[];
        }[];
        assert.deepEqual(compared?.differences, []);
        assert((compared?.compared ?? 0) > 400);
        const [symbol] = await reflect("--symbol", "peer.ChangeNotification");
        const fields = { name: 1, address: 2, type: 3, tls: 4 };
        assert.deepEqual(symbol, { file: "peer/peer.proto", fields });
        assert.deepEqual((await reflect("--symbol", "flow.Nothing")).map(errorOf), ["NOT_FOUND"]);
      });
    }

    test("is refused by name what we do not do", async () => {
      assert.deepEqual((await ask("--compress", "server-status")).map(errorOf), ["UNIMPLEMENTED"]);
      assert.deepEqual((await ask("--compress", "get-flows")).map(errorOf), ["UNIMPLEMENTED"]);
    });
  });
}

test("Python without a client certificate, or with another server's name, gets nothing", async () => {
  const [unixless = [], ca = []] = [
    ways["mutual TLS"]().slice(0, 2),
    ["--ca", join(folder, "client/ca.crt")],
  ];
  const anonymous = [
    ...unixless,
    ...ca,
    "--server-name",
    serverName,
    "--timeout",
    "3",
    "server-status",
  ];
  assert.deepEqual((await askPeer(anonymous)).map(errorOf), ["UNAVAILABLE"]);
  const wrong = [
    ...unixless,
    ...credentials("client"),
    "--server-name",
    "node-2.default.hubble-grpc.cilium.io",
  ];
  assert.deepEqual((await askPeer([...wrong, "--timeout", "3", "server-status"])).map(errorOf), [
    "UNAVAILABLE",
  ]);
});

for (const way of ["a unix socket", "mutual TLS"] as const) {
  describe(`our client with Python's server over ${way}`, () => {
    let server: PythonServer;
    let options: ClientOptions;
    before(async () => {
      server = await startPython(way);
      const files = {
        caFile: join(folder, "client/ca.crt"),
        certFile: join(folder, "client/tls.crt"),
        keyFile: join(folder, "client/tls.key"),
      };
      options = way === "mutual TLS" ? { tls: { ...files, serverName } } : {};
    });
    after(() => server[Symbol.asyncDispose]());

    test("reads thousands of flows in order", async () => {
      using client = connectTo(server.address, options);
      const request = flowsRequest({ number: 3000n });
      let count = 0;
      for await (const bytes of client.streamRaw(flowsPath, request, live())) {
        const response = decodeFlowsResponse(bytes);
        assert(response !== undefined && "flow" in response);
        assert.deepEqual(response.flow, { ...pythonFlow, summary: String(count++) });
        assert.equal(response.nodeName, "python");
      }
      assert.equal(count, 3000);
    });

    test("makes unary calls, many at once", async () => {
      using client = connectTo(server.address, options);
      const observer = createClient(Observer, client.transport);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => observer.serverStatus({})),
      );
      assert(answers.every(({ version, seenFlows }) => version === "python" && seenFlows === 7n));
      await assert.rejects(observer.getNodes({}), { code: Code.Unimplemented });
    });

    test("is told of errors as they were meant", async () => {
      using client = connectTo(server.address, options);
      const request = flowsRequest({ since: { seconds: 13n } });
      const reading = drain(client.streamRaw(flowsPath, request, live()));
      await assert.rejects(reading, { code: Code.OutOfRange, rawMessage: "unlucky: 100% é" });
    });

    test("leaves a stream, and the server notices", async () => {
      using client = connectTo(server.address, options);
      const request = flowsRequest({ number: 2n, follow: true });
      for await (const _ of client.streamRaw(flowsPath, request, live())) break;
      await until(() => server.lines.some((line) => line.includes("cancelled")));
    });
  });
}

const pythonFlow = typicalFlow(7);
const flowsPath = "/observer.Observer/GetFlows";

type PythonServer = AsyncDisposable & { readonly address: string; readonly lines: string[] };

async function startPython(way: keyof typeof ways): Promise<PythonServer> {
  const socket = join(folder, "python.sock");
  const where =
    way === "mutual TLS" ? ["--tcp", "127.0.0.1:0", ...credentials("server")] : ["--unix", socket];
  const flow = JSON.stringify(
    flowsResponseToJson({ nodeName: "", timeNs, flow: pythonFlow })["flow"],
  );
  // What we say must be readable to begin with.
  fromJson(FlowSchema, JSON.parse(flow));
  const child: ChildProcess = spawn(python, [peer, ...where, "serve", "--flow", flow], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert(child.stdout);
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => lines.push(line));
  await until(() => lines.length > 0);
  const { port } = JSON.parse(lines[0] as string) as { port: number };
  return {
    address: way === "mutual TLS" ? `127.0.0.1:${port}` : `unix://${socket}`,
    lines,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await once(child, "close");
    },
  };
}

const credentials = (who: "client" | "server") => [
  "--ca",
  join(folder, who, "ca.crt"),
  "--cert",
  join(folder, who, "tls.crt"),
  "--key",
  join(folder, who, "tls.key"),
];

async function askPeer(args: readonly string[]): Promise<unknown[]> {
  const { stdout, stderr, status } = await run(python, [peer, ...args], { timeoutMs: 60_000 });
  assert(status <= 1 && stdout !== "", `${args.join(" ")}: ${stderr}`);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

const errorOf = (line: unknown) => (line as { error?: { code: string } }).error?.code;

function flowsRequest(
  init: Parameters<typeof create<typeof GetFlowsRequestSchema>>[1],
): Uint8Array {
  return toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, init));
}

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

const live = () => new AbortController().signal;

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    assert(waited < 20_000, `never: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const everyFilter = {
  source_ip: ["10.0.0.0/8"],
  source_pod: ["shop/web-"],
  destination_ip: ["fd00::1"],
  destination_pod: ["/db"],
  verdict: ["FORWARDED", "AUDIT"],
  event_type: [{ type: 4, match_sub_type: true, sub_type: 5 }],
  source_fqdn: ["*.example.com"],
  destination_fqdn: ["example.com"],
  http_status_code: ["5+"],
  source_label: ["app=web,tier!=db"],
  destination_label: ["reserved:world"],
  protocol: ["tcp", "http"],
  source_port: ["1024"],
  destination_port: ["53"],
  reply: [true, false],
  source_service: ["shop/web"],
  destination_service: ["shop/db"],
  dns_query: ["kube.*local"],
  source_identity: [2, 4294967295],
  destination_identity: [16777217],
  http_method: ["GET"],
  http_path: ["/a.*"],
  tcp_flags: [
    { SYN: true, ACK: true },
    { RST: true, NS: true },
  ],
  node_name: ["k8s*", "cluster/"],
  ip_version: ["IPv4", "IPv6"],
  source_workload: [{ name: "web", kind: "Deployment" }],
  destination_workload: [{ kind: "DaemonSet" }],
  trace_id: ["4bf92f3577b34da6a3ce929d0e0e4736"],
  uuid: ["5f1c9a52-7e11-4d0b-9c55-000000000001"],
  traffic_direction: ["INGRESS", "EGRESS"],
  http_url: ["http://.*"],
  http_header: [{ key: "X-Request-Id", value: "1" }],
  drop_reason_desc: ["POLICY_DENIED", "TTL_EXCEEDED", "DROP_NO_DEVICE"],
  source_ip_xlated: ["172.18.0.1"],
  interface: [{ index: 7, name: "eth0" }],
  node_labels: ["zone in (a, b)"],
  source_cluster_name: ["default"],
  destination_cluster_name: ["other"],
  ip_trace_id: ["18446744073709551615"],
  encrypted: [true],
  experimental: { cel_expression: ["_flow.verdict == 2"] },
};
