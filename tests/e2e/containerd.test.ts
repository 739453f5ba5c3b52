// A real container runtime: containerd and runc make pods over CRI, through the plugin and the configuration that the
// agent installed. A small kubelet (tests/peers/cri) does for them what a kubelet does.
//
//   node-1: containerd: client, server    lab's own pods: near      node-2: far      world: 203.0.113.10
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { KubeClient, type Pod, resources } from "@tsilium/kube";
import { assertCensus, type Census, census } from "./census.ts";
import { runningLab } from "../../apps/lab/src/state.ts";
import {
  echoPod,
  isAgentWell,
  killProcess,
  Lab,
  manifests,
  namespaceManifest,
  until,
} from "./harness.ts";
import { hasContainerd } from "../peers/cri/containerd.ts";
import { imageName } from "../peers/cri/image.ts";
import { RuntimeNode } from "../peers/cri/runtime-node.ts";

const namespace = "cri";
const port = 8080;
const hostPort = 8088;
const skip = hasContainerd ? false : "containerd is not unpacked: tools/setup.sh --tests";

let lab: Lab;
let runtime: RuntimeNode;
let client: KubeClient;
/** Of node-1 with the pods that stay, as long as no test adds others. */
let settled: Census;

before(async () => {
  if (skip) return;
  lab = await Lab.up({ nodes: 2, name: `t${process.pid}cri` });
  runtime = await RuntimeNode.start(lab.name, 1);
  client = KubeClient.fromKubeconfig(runtime.kubeconfig);
  await lab.apply(
    manifests(
      namespaceManifest(namespace),
      echoPod({ name: "near", namespace, node: "node-1" }),
      echoPod({ name: "far", namespace, node: "node-2" }),
      podManifest("client"),
      podManifest("server", {
        command: ["echo-server", "--pod", "server", `tcp/${port}`, `udp/${port}`],
        ports: [{ containerPort: port, hostPort }],
        readinessProbe: { httpGet: { path: "/", port }, periodSeconds: 1 },
      }),
      serviceManifest,
    ),
  );
  await lab.wait(namespace).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}\n${runtime.said.join("\n")}`);
  });
  settled = await census(lab, "node-1");
});
after(async () => {
  await runtime?.[Symbol.asyncDispose]();
  client?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
});

test(
  "20 pods at once have addresses of their own, and leave nothing when they go",
  { skip },
  async () => {
    const names = Array.from({ length: 20 }, (_, at) => `many-${at}`);
    await lab.apply(manifests(...names.map((name) => podManifest(name))));
    const pods = await Promise.all(names.map((name) => untilReady(name)));
    const addresses = pods.flatMap(({ status }) => status?.podIPs?.map(({ ip }) => ip) ?? []);
    assert.equal(new Set(addresses).size, 40, addresses.join(" "));
    await Promise.all(names.map((name) => remove(name)));
    await assertCensus(lab, "node-1", settled);
    assert.deepEqual(await sandboxNames(), ["client", "server"]);
  },
);

for (const family of [4, 6] as const) {
  test(
    `a pod of containerd reaches pods of both nodes and the world, over IPv${family}`,
    { skip },
    async () => {
      const own = await addressOf("client", family);
      for (const name of ["near", "far", "server"]) {
        const answer = await ask(await addressOf(name, family), port);
        assert.deepEqual([answer.pod, answer.client], [name, own], JSON.stringify(answer));
      }
      const world = family === 4 ? "203.0.113.10" : "2001:db8:113::10";
      const node = family === 4 ? runtime.layout.ipv4 : runtime.layout.ipv6;
      // Masqueraded: the world sees the node.
      assert.equal((await ask(world, port)).client, node);
    },
  );

  test(
    `it is reached by pods of both nodes, and by the world at its host port, over IPv${family}`,
    { skip },
    async () => {
      const server = await addressOf("server", family);
      for (const from of ["near", "far"]) {
        const answer = await lab.exec(namespace, from, curl(server, port));
        assert.equal((JSON.parse(answer.stdout) as Answer).pod, "server", answer.stderr);
      }
      const node = family === 4 ? runtime.layout.ipv4 : runtime.layout.ipv6;
      const answer = await lab.worldExec(curl(node, hostPort));
      assert.equal((JSON.parse(answer.stdout) as Answer).pod, "server", answer.stderr);
    },
  );
}

test("services lead to it and from it, by their names", { skip }, async () => {
  const name = `server.${namespace}.svc.cluster.local`;
  const { spec } = await client.get(resources.services, "server", {
    namespace,
    signal: patience(),
  });
  const [clusterIp = ""] = spec.clusterIPs ?? [];
  // A static busybox has no resolver for its own use, but a command that asks.
  const { stdout } = await runtime.exec("client", ["nslookup", "-type=a", name]);
  assert.match(stdout, new RegExp(`Address: ${clusterIp}\\n`));
  assert.equal((await ask(clusterIp, 80)).pod, "server");
  const answer = await lab.exec(namespace, "far", curl(name, 80));
  assert.equal((JSON.parse(answer.stdout) as Answer).pod, "server", answer.stderr);
});

test("a policy about its labels holds, and ends with the policy", { skip }, async () => {
  const policy = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "server", namespace },
    spec: {
      podSelector: { matchLabels: { pod: "server" } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "echo" } } }] }],
    },
  };
  await lab.apply(JSON.stringify(policy));
  await inKernels();
  const server = await addressOf("server", 4);
  assert.deepEqual(await request(server, port), { status: 1, text: "" });
  const allowed = await lab.exec(namespace, "near", curl(server, port));
  assert.equal(allowed.status, 0, allowed.stderr);
  // The kubelet's own probes come from the node, which is always let in.
  assert.equal(isReady(await getPod("server")), true);
  await lab.lab("delete", "networkpolicy", "server", "-n", namespace);
  await inKernels();
  assert.equal((await ask(server, port)).pod, "server");
});

test(
  "a container that fails its liveness probe is started again, in the same sandbox",
  { skip },
  async () => {
    await lab.apply(
      podManifest(
        "probed",
        {
          command: ["sh", "-c", `touch /tmp/alive; ${idle[2]}`],
          livenessProbe: {
            exec: { command: ["test", "-e", "/tmp/alive"] },
            periodSeconds: 1,
            failureThreshold: 1,
          },
        },
        { initContainers: [{ name: "first", image: imageName, command: ["true"] }] },
      ),
    );
    const before = await untilReady("probed");
    assert.equal(before.status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode, 0);
    await runtime.exec("probed", ["rm", "/tmp/alive"]);
    await until("it was restarted", async () => {
      const [status] = (await getPod("probed")).status?.containerStatuses ?? [];
      return status?.restartCount === 1 && status.ready;
    });
    const after = await getPod("probed");
    assert.deepEqual(after.status?.podIPs, before.status?.podIPs);
    assert.equal(after.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 137);
    await remove("probed");
  },
);

test("a sandbox that dies is replaced, and its attachment goes", { skip }, async () => {
  await lab.apply(podManifest("fragile"));
  await untilReady("fragile");
  const before = await census(lab, "node-1");
  process.kill(await runtime.sandboxPid("fragile"), "SIGKILL");
  await until("it has another sandbox", async () => {
    const { items } = await runtime.cri.listPodSandbox({});
    const own = items.filter(({ metadata }) => metadata?.name === "fragile");
    return own.length === 1 && own[0]?.metadata?.attempt === 1 && isReady(await getPod("fragile"));
  });
  const ping = await runtime.exec("fragile", ["ping", "-c1", "-W2", await addressOf("far", 4)]);
  assert.equal(ping.status, 0, ping.stdout);
  await assertCensus(lab, "node-1", before);
  await remove("fragile");
});

test(
  "a pod deleted while the agent is down goes with the queued DEL; one added then waits for it",
  { skip },
  async () => {
    await lab.apply(podManifest("leaving"));
    await untilReady("leaving");
    const queue = join(runtime.layout.folder, "deleteQueue");
    const queued = () => readdirSync(queue).filter((name) => name.endsWith(".cni")).length;
    await withoutAgent(async () => {
      await lab.apply(podManifest("coming"));
      await remove("leaving");
      // containerd detaches a sandbox when it is stopped, and again when it is removed.
      assert.ok(queued() >= 1);
    });
    await untilReady("coming");
    assert.equal(queued(), 0);
    await remove("coming");
    await settles();
  },
);

test(
  "the runtime may be restarted: pods go on, and are deleted by its successor",
  { skip },
  async () => {
    await lab.apply(podManifest("survivor"));
    await untilReady("survivor");
    const server = await addressOf("server", 6);
    await runtime.containerd.kill();
    const meanwhile = await lab.exec(namespace, "far", curl(server, port));
    assert.equal(meanwhile.status, 0, meanwhile.stderr);
    await runtime.containerd.run();
    assert.equal((await ask(server, port)).pod, "server");
    await remove("survivor");
    await settles();
  },
);

test(
  "the agent may be restarted: no packet of a pod is lost, and it keeps its endpoint",
  { skip },
  async () => {
    type Row = { readonly id: number; readonly container: { readonly id: string } };
    const rows = async () => {
      const list = await lab.json<Row[]>("--node", "node-1", "endpoint", "list");
      return list.map(({ id, container }) => `${id} ${container.id}`).toSorted();
    };
    const before = await rows();
    const ping = ["ping", "-q", "-i", "0.1", "-c", "40", "-W", "1", await addressOf("far", 4)];
    const pinging = runtime.exec("client", ping);
    await killProcess(lab, "agent/node-1", { returned: () => isAgentWell(lab, "node-1") });
    const { stdout } = await pinging;
    assert.match(stdout, /40 packets transmitted, 40 packets received/);
    assert.deepEqual(await rows(), before);
  },
);

test(
  "another kubelet takes up the pods, and removes sandboxes of pods that went meanwhile",
  { skip },
  async () => {
    await lab.apply(podManifest("orphan"));
    await untilReady("orphan");
    await runtime.stopKubelet();
    const options = { namespace, gracePeriodSeconds: 0, signal: AbortSignal.timeout(10_000) };
    await client.delete(resources.pods, "orphan", options);
    assert.ok((await sandboxNames()).includes("orphan"));
    runtime.startKubelet();
    await until("its sandbox is collected", async () => !(await sandboxNames()).includes("orphan"));
    assert.equal((await getPod("server")).status?.containerStatuses?.[0]?.restartCount, 0);
    await settles();
  },
);

/** As PID 1 of its container it has no default for SIGTERM. */
const idle = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"] as const;

type Answer = { readonly pod: string; readonly client: string };

const serviceManifest = JSON.stringify({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "server", namespace },
  spec: { selector: { pod: "server" }, ports: [{ port: 80, targetPort: port, protocol: "TCP" }] },
});

/** A pod that containerd runs on node-1; `container` and `spec` say what is not as usual. */
function podManifest(name: string, container: object = {}, spec: object = {}): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { pod: name } },
    spec: {
      nodeName: "node-1",
      runtimeClassName: "containerd",
      terminationGracePeriodSeconds: 5,
      containers: [{ name: "main", image: imageName, command: idle, ...container }],
      ...spec,
    },
  });
}

const curl = (host: string, at: number) => [
  "curl",
  "-s",
  "-m3",
  `http://${bracketed(host)}:${at}/`,
];

const bracketed = (host: string) => (host.includes(":") ? `[${host}]` : host);

/** What the pod "client" hears of an echo server. busybox' wget ends in a fault where it was linked statically. */
async function request(host: string, at: number): Promise<{ status: number; text: string }> {
  const script = 'printf "GET / HTTP/1.0\\r\\n\\r\\n" | nc -w 2 "$1" "$2"';
  const { status, stdout } = await runtime.exec("client", [
    "sh",
    "-c",
    script,
    "sh",
    host,
    String(at),
  ]);
  return { status, text: stdout };
}

async function ask(host: string, at: number): Promise<Answer> {
  const { status, text } = await request(host, at);
  assert.equal(status, 0, `${host} ${at}: ${text}`);
  return JSON.parse(text.slice(text.indexOf("\r\n\r\n"))) as Answer;
}

const patience = () => AbortSignal.timeout(10_000);

function getPod(name: string): Promise<Pod> {
  return client.get(resources.pods, name, { namespace, signal: patience() });
}

function isReady({ status }: Pod): boolean {
  return (
    status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false
  );
}

async function untilReady(name: string): Promise<Pod> {
  await until(`pod ${name} is ready`, async () => isReady(await getPod(name)));
  return getPod(name);
}

async function addressOf(name: string, family: 4 | 6): Promise<string> {
  const { status } = await getPod(name);
  const found = status?.podIPs?.find(({ ip }) => ip.includes(":") === (family === 6));
  assert.ok(found, `${name} has no address of family ${family}`);
  return found.ip;
}

/** Deletes a pod and waits until the kubelet has let it go. */
async function remove(name: string): Promise<void> {
  await client.delete(resources.pods, name, { namespace, signal: patience() });
  await until(`pod ${name} is gone`, async () => {
    const { items } = await client.list(resources.pods, { namespace, signal: patience() });
    return items.every(({ metadata }) => metadata.name !== name);
  });
}

async function sandboxNames(): Promise<string[]> {
  const { items } = await runtime.cri.listPodSandbox({});
  return items.map(({ metadata }) => metadata?.name ?? "").toSorted();
}

/** What pods brought is gone; what another agent has open differs from what the first one had. */
async function settles(): Promise<void> {
  const counted = async () => {
    const { agentDescriptors: _, agentKernelObjects: __, ...counts } = await census(lab, "node-1");
    return counts;
  };
  const { agentDescriptors: _, agentKernelObjects: __, ...expected } = settled;
  let last = await counted();
  for (
    const deadline = Date.now() + 10_000;
    !isDeepStrictEqual(last, expected);
    last = await counted()
  )
    if (Date.now() > deadline) assert.deepEqual(last, expected);
}

async function inKernels(): Promise<void> {
  const { status, stderr } = await lab.lab("wait", "--for", "policy", "--timeout", "20s");
  assert.equal(status, 0, stderr);
}

/** Does something while node-1's agent is dead and the lab, whose daemon stands still, starts no other. */
async function withoutAgent(action: () => Promise<void>): Promise<void> {
  const { daemon } = runningLab(lab.name).state;
  await killProcess(lab, "agent/node-1", {
    meanwhile: async () => {
      process.kill(daemon.pid, "SIGSTOP");
      try {
        await action();
      } finally {
        process.kill(daemon.pid, "SIGCONT");
      }
    },
    returned: () => isAgentWell(lab, "node-1"),
  });
}
