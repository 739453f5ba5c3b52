// Ways around policy at L7 that were open here once, or are elsewhere (docs/security.md), tried between pods of a lab.
//
//   node-1: client, near     node-2: far     world
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cutIntoFragments, ether } from "@tsilium/net";
import { Background } from "./background.ts";
import { podFacts, type PodFacts, sendFrames } from "./frames.ts";
import { root } from "./harness.ts";
import type { Count } from "./l7/hammer.ts";
import {
  clientMayAsk,
  type Family,
  L7Lab,
  namespace,
  policy,
  port,
  type Server,
  serversAllow,
} from "./l7/l7-lab.ts";
import { Worker } from "./l7/worker.ts";

const servers: readonly Server[] = ["near", "far"];
const families: readonly Family[] = [4, 6];
const readOnly = [{ method: "GET", path: "/public/.*" }];
/** Exit status of curl. */
const timedOut = 28;
/** Of proxies' own connections to servers (bpf/lib/proxy_marks.h). */
const proxiesPort = 20_000;

type NodeObject = { status: { addresses: readonly { type: string; address: string }[] } };

async function nodeAddresses(l7: L7Lab, node: string): Promise<string[]> {
  const object = await l7.lab.json<NodeObject>("lab", "get", "nodes", node);
  return object.status.addresses
    .filter(({ type }) => type === "InternalIP")
    .map(({ address }) => address);
}

/** UDP sockets of node-1's own, which say what comes. */
async function nodeService(l7: L7Lab, places: readonly string[]): Promise<Background> {
  const program = `${root}/tests/e2e/l7/node-service.ts`;
  const words = ["node", "exec", "node-1", "--", process.execPath, program, ...places];
  const service = new Background(l7.lab, words);
  await service.printed(/listening/);
  return service;
}

/** Prints the status of an answer, "000" for none. */
const curl = (timeoutS: number, ...words: readonly string[]) =>
  [
    "curl",
    "-s",
    "-g",
    "-o",
    "/dev/null",
    "-w",
    "%{http_code}",
    "-m",
    String(timeoutS),
    ...words,
  ] as const;

const clientMayReachServers = policy("servers-of-client", {
  endpointSelector: { matchLabels: { app: "client" } },
  egress: [
    {
      toEndpoints: [{ matchLabels: { app: "server" } }],
      toPorts: [{ ports: [{ port: String(port), protocol: "TCP" }] }],
    },
  ],
});

/** In force unless a test says otherwise. */
const policies = [
  clientMayAsk("names", "*.world.test"),
  serversAllow("servers", readOnly),
  clientMayReachServers,
];

/** A question for a name, as it is in a datagram. */
function question(name: string): Buffer {
  const labels = name.split(".").map((label) => `${String.fromCharCode(label.length)}${label}`);
  return Buffer.from(`\x12\x34\x01\0\0\x01\0\0\0\0\0\0${labels.join("")}\0\0\x01\0\x01`, "latin1");
}

describe("in a lab", () => {
  let l7: L7Lab;
  let client: PodFacts;
  before(async () => {
    l7 = await L7Lab.up("l7x");
    client = await podFacts(l7.lab, "node-1", "client");
    const zone = ["evil", "node", "api", "pod", "meta"].map((label, at) => ({
      name: `${label}.world.test`,
      type: "A",
      data: ["203.0.113.10", "172.18.0.3", "172.18.0.1", l7.address("far", 4), "169.254.169.254"][
        at
      ],
      ttl: 5,
    }));
    const folder = `/var/run/tsilium/lab/${l7.lab.name}`;
    writeFileSync(`${folder}/world-zone.json`, JSON.stringify({ records: zone }));
    for (const object of policies) await l7.objects.create(object);
    await l7.objects.inKernels();
  });
  after(() => l7?.[Symbol.asyncDispose]());

  const fromClient: Parameters<typeof sendFrames>[0] = (command, options) =>
    l7.lab.exec(namespace, "client", command, options);
  const frame = () => ether({ src: client.mac, dst: client.gatewayMac });

  test("UDP to a service of the node, with a port as proxies' own sockets have them, is judged", async () => {
    const [node4 = "", node6 = ""] = await nodeAddresses(l7, "node-1");
    const places = [`${node4}:${proxiesPort}`, `[${node6}]:${proxiesPort}`];
    await using service = await nodeService(l7, places);
    const from = { sport: 40_000, dport: proxiesPort, payload: "who is there?" };
    await sendFrames(fromClient, [
      frame().ipv4({ src: client.ipv4, dst: node4 }).udp(from).bytes(),
      frame().ipv6({ src: client.ipv6, dst: node6 }).udp(from).bytes(),
    ]);
    assert.doesNotMatch(await service.end(), /who is there/);
  });

  test("a question in fragments reaches neither the proxy nor a resolver of the node", async () => {
    await using service = await nodeService(l7, ["0.0.0.0:53", "[::]:53"]);
    const [dns] = await l7.lab.pods("kube-system");
    const payload = question("forbidden.example");
    for (const { ip } of dns?.status.podIPs ?? []) {
      const ends = ip.includes(":")
        ? frame().ipv6({ src: client.ipv6, dst: ip })
        : frame().ipv4({ src: client.ipv4, dst: ip });
      const whole = ends.udp({ sport: 40_001, dport: 53, payload }).bytes();
      await sendFrames(fromClient, cutIntoFragments(whole, { size: 24, id: 4711 }));
    }
    assert.doesNotMatch(await service.end(), /forbidden/);
  });

  for (const server of servers)
    test(`first packets that open nothing carry no request to ${server}`, async () => {
      const dst = l7.address(server, 4);
      const frames = [20_001, 40_002].flatMap((sport) =>
        ([["ACK"], ["ACK", "PSH"], ["FIN", "ACK"], ["SYN", "ACK"], ["RST"], []] as const).map(
          (flags) =>
            frame()
              .ipv4({ src: client.ipv4, dst })
              .tcp({ sport, dport: port, flags, payload: "GET /private HTTP/1.1\r\n\r\n" })
              .bytes(),
        ),
      );
      const atServer: Parameters<typeof sendFrames>[0] = (command, options) =>
        l7.lab.exec(namespace, server, command, options);
      const [came] = await Promise.all([
        sendFrames(atServer, [], 700),
        sleep(250).then(() => sendFrames(fromClient, frames)),
      ]);
      const fromIt = came.filter(({ ip, tcp }) => tcp && ip?.source.toString() === client.ipv4);
      assert.deepEqual(fromIt, []);
    });

  test("source ports of proxies' own make a client's requests no others", async () => {
    for (const server of servers)
      for (const from of [16_384, 20_010, 32_766]) {
        const local = from + servers.indexOf(server);
        const { stdout } = await l7.exec(
          ...curl(3, "--local-port", String(local), l7.url(server, "/private")),
        );
        assert.equal(stdout, "403", `${server} from ${from}`);
      }
  });

  test("listeners are nobody's to connect to", async () => {
    const { listeners } = await l7.proxy("node-1", "engine-ingress");
    const listener = listeners[0]?.port ?? 0;
    const [node4 = "", node6 = ""] = await nodeAddresses(l7, "node-1");
    for (const host of [node4, `[${node6}]`])
      assert.equal(
        (await l7.exec(...curl(1, `http://${host}:${listener}/public/a`))).stdout,
        "000",
      );
    for (const host of ["127.0.0.1", "[::1]"]) {
      const url = `http://${host}:${listener}/public/a`;
      const { status, stdout } = await l7.lab.nodeExec("node-1", curl(1, url));
      assert.equal(stdout, "000");
      // It does not ask itself for ever either.
      assert.notEqual(status, timedOut);
    }
  });

  test("no name makes a node, the API server, a pod or the metadata service allowed", async () => {
    const ask = async (name: string) =>
      (await l7.exec("dig", "+short", "+time=2", "+tries=1", `${name}.world.test`)).stdout.trim();
    const reach = async (url: string) => (await l7.exec(...curl(1, url))).stdout;
    // What else allows one of them would hide it.
    await l7.objects.delete(clientMayReachServers);
    await l7.objects.inKernels();
    assert.equal(await ask("evil"), "203.0.113.10");
    assert.equal(await reach("203.0.113.10"), "200");
    for (const [name, scheme, place] of [
      ["node", "", ":4240"],
      ["api", "https://", ":6443"],
      ["pod", "", ":8080/public/a"],
      ["meta", "", ""],
    ] as const) {
      const address = await ask(name);
      assert.match(address, /^\d/, name);
      assert.equal(await reach(`${scheme}${address}${place}`), "000", name);
    }
    const refused = (await l7.lab.tsilium(["--node", "node-1", "fqdn", "names"])).stdout;
    for (const reason of ["address of a node", "pod address", "link-local", "address of the API"])
      assert.match(refused, new RegExp(reason), refused);
    await l7.objects.create(clientMayReachServers);
    await l7.objects.inKernels();
  });

  test("requests without a pause while policy flips: once it is applied nothing passes that it forbids", async () => {
    const bytes = (server: Server, family: Family) => {
      const address = l7.address(server, family);
      return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
    };
    const places = servers.flatMap((server) => families.map((family) => bytes(server, family)));
    const rules = (http: readonly object[]) => serversAllow("servers", http);
    const narrow = rules(readOnly);
    const wide = rules([...readOnly, { path: "/private" }]);
    await l7.objects.patch(wide, { spec: wide.spec });
    await l7.objects.inKernels();
    await using hammer = Worker.inPod(
      l7.lab,
      { namespace, name: "client" },
      "hammer.ts",
      "/private",
      "2",
      ...places,
    );
    assert.equal(await hammer.told(), "begun");
    let requests = 0;
    const countFor = async (ms: number): Promise<Count> => {
      await hammer.ask({});
      await sleep(ms);
      const count = await hammer.ask<Count>({});
      for (const each of Object.values(count)) requests += each;
      return count;
    };
    for (let flip = 0; flip < 6; flip++) {
      await l7.objects.patch(narrow, { spec: narrow.spec });
      await l7.objects.inKernels();
      const narrowed = await countFor(400);
      assert.deepEqual(Object.keys(narrowed), ["403"], `flip ${flip}: ${JSON.stringify(narrowed)}`);
      await l7.objects.patch(wide, { spec: wide.spec });
      await l7.objects.inKernels();
      const widened = await countFor(200);
      assert.deepEqual(Object.keys(widened), ["200"], `flip ${flip}: ${JSON.stringify(widened)}`);
    }
    assert.ok(requests > 1_000, String(requests));
  });

  test("CVE-2026-33726: rules hold through a service, backends of the same node too", async () => {
    for (const object of policies) await l7.objects.delete(object);
    await assertServices(l7);
  });
});

test("CVE-2026-33726: rules hold through a service also with native routing, DSR, no translation in sockets", async () => {
  await using l7 = await L7Lab.up("l7v", {
    "routing-mode": "native",
    "auto-direct-node-routes": "true",
    "bpf-lb-sock": "false",
    "bpf-lb-mode": "dsr",
  });
  await assertServices(l7);
});

/** CVE-2026-33726: rules hold for whoever asks a service, also where its backend is on the client's own node. */
async function assertServices(l7: L7Lab): Promise<void> {
  for (const name of servers) {
    const spec = {
      type: "NodePort",
      selector: { app: "server", "tsilium.io/pod": name },
      ipFamilyPolicy: "PreferDualStack",
      ports: [{ port: 80, targetPort: port }],
    };
    const service = { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec };
    await l7.objects.create(service);
    const labels = { "tsilium.io/pod": name };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name, namespace } };
    await l7.objects.patch(pod, { metadata: { labels } });
  }
  await l7.objects.create(
    policy("everybody", {
      endpointSelector: { matchLabels: { app: "server" } },
      ingress: [
        {
          fromEntities: ["all"],
          toPorts: [
            { ports: [{ port: String(port), protocol: "TCP" }], rules: { http: readOnly } },
          ],
        },
      ],
    }),
  );
  await l7.objects.inKernels();
  const ways = (await Promise.all(servers.map((server) => waysTo(l7, server)))).flat();
  assert.equal(ways.length, 20);
  const codes = ways.map(async ([who, url]) => [
    who,
    url,
    await codeFor(l7, who, `${url}/public/a`),
    await codeFor(l7, who, `${url}/private`),
  ]);
  assert.deepEqual(
    await Promise.all(codes),
    ways.map((way) => [...way, "200", "403"]),
  );
}

type Who = "client" | "world";
type ServiceObject = { spec: { clusterIPs: string[]; ports: { nodePort: number }[] } };

/** Who asks a server's service, and where: nobody outside knows a cluster's addresses. */
async function waysTo(l7: L7Lab, server: Server): Promise<(readonly [Who, string])[]> {
  const words = ["lab", "get", "service", server, "-n", namespace];
  const { spec } = await l7.lab.json<ServiceObject>(...words);
  const url = (ip: string, at = "") => `http://${ip.includes(":") ? `[${ip}]` : ip}${at}`;
  const nodes = [...(await nodeAddresses(l7, "node-1")), ...(await nodeAddresses(l7, "node-2"))];
  const nodePort = `:${spec.ports[0]?.nodePort}`;
  return [
    ...spec.clusterIPs.map((ip) => ["client", url(ip)] as const),
    ...nodes.flatMap((ip) =>
      (["client", "world"] as const).map((who) => [who, url(ip, nodePort)] as const),
    ),
  ];
}

async function codeFor(l7: L7Lab, who: Who, url: string): Promise<string> {
  const command = curl(3, url);
  const { stdout } = await (who === "world"
    ? l7.lab.worldExec(command)
    : l7.lab.exec(namespace, who, command));
  return stdout;
}
