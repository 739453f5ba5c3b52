// Connections that live through what happens to services: backends come, go and are drained, agents are killed, policies
// change. None to a living backend breaks, and new ones go to whoever is there.
//
//   node-1: client, stay-1, moody, fresh-1    node-2: stay-2, victim, drained, fresh-2    world: 203.0.113.10
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { KubeObject, Pod, ServiceSpec } from "@tsilium/kube";
import { setTimeout as sleep } from "node:timers/promises";
import { isAgentWell, killProcess, soak, until } from "./harness.ts";
import { type HeldFlow, HeldFlows, type HoldOptions } from "./services/long-lived.ts";
import type { Client, Request } from "./services/requests.ts";
import {
  clusterIp,
  nativeRouting,
  nodeAddress,
  nodePort,
  ServiceLab,
} from "./services/service-lab.ts";
import {
  echoPod,
  echoPort,
  manifest,
  service,
  type ServiceFacts,
} from "./services/service-objects.ts";
import { assertAnswering } from "./services/shop.ts";

const namespace = "living";
const web = { app: "web" } as const;
/** How long a drained pod serves on: longer than the test takes. */
const lingerSeconds = 60;
/** Of UDP flows: agents that are killed, and backends that go, may cost an answer each. */
const lostAnswers = 3;

const pod = (name: string, node: string) => echoPod({ name, namespace, node, labels: web });
const drained = echoPod({ name: "drained", namespace, node: "node-2", labels: web, lingerSeconds });
const victim = pod("victim", "node-2");

/** As long as a file is in it, a pod that looks for it is not ready. */
const moods = mkdtempSync(join(tmpdir(), "tsilium-moods-"));
after(() => rmSync(moods, { recursive: true }));

function moodyPod(mood: string): KubeObject {
  const ports = (["TCP", "UDP"] as const).map((protocol) => ({
    name: protocol.toLowerCase(),
    containerPort: echoPort,
    protocol,
  }));
  const readinessProbe = {
    exec: { command: ["test", "!", "-e", mood] },
    periodSeconds: 1,
    failureThreshold: 1,
  };
  const containers = [{ name: "echo", image: "tsilium.io/echo", ports, readinessProbe }];
  return echoPod({ name: "moody", namespace, node: "node-1", labels: web, spec: { containers } });
}

type Held = {
  readonly what: string;
  readonly from: "client" | "world";
  readonly protocol: "tcp" | "udp";
  readonly at: (facts: Facts) => { readonly address: string; readonly port: number };
};
type Facts = Readonly<Record<string, ServiceFacts>>;

type Situation = {
  readonly name: string;
  readonly set: Readonly<Record<string, string>>;
  readonly services: readonly KubeObject[];
  readonly held: readonly Held[];
  readonly soakOnly?: true;
};

function nodePortService(name: string, annotations?: Record<string, string>): KubeObject {
  const spec: Partial<ServiceSpec> = { selector: web, type: "NodePort" };
  return service(name, namespace, spec, annotations);
}

const atClusterIp = (name: string, family: 4 | 6) => (facts: Facts) => ({
  address: clusterIp(facts[name], family),
  port: 80,
});
const atNodePort =
  (name: string, node: string, family: 4 | 6, protocol: "tcp" | "udp") => (facts: Facts) => ({
    address: nodeAddress(node, family),
    port: nodePort(facts[name], protocol),
  });

const situations: readonly Situation[] = [
  {
    name: "at sockets, and from outside by SNAT through a tunnel",
    set: {},
    services: [nodePortService("web")],
    held: [
      { what: "cluster IP", from: "client", protocol: "tcp", at: atClusterIp("web", 4) },
      { what: "cluster IP", from: "client", protocol: "udp", at: atClusterIp("web", 6) },
      {
        what: "node port",
        from: "world",
        protocol: "tcp",
        at: atNodePort("web", "node-1", 4, "tcp"),
      },
      {
        what: "node port",
        from: "world",
        protocol: "udp",
        at: atNodePort("web", "node-2", 6, "udp"),
      },
    ],
  },
  {
    name: "per packet with native routing, and from outside by DSR with Maglev and by SNAT",
    set: {
      ...nativeRouting,
      "bpf-lb-sock-hostns-only": "true",
      "bpf-lb-mode-annotation": "true",
      "bpf-lb-algorithm-annotation": "true",
    },
    services: [
      nodePortService("web"),
      nodePortService("direct", {
        "service.cilium.io/forwarding-mode": "dsr",
        "service.cilium.io/lb-algorithm": "maglev",
      }),
    ],
    held: [
      { what: "cluster IP", from: "client", protocol: "tcp", at: atClusterIp("web", 6) },
      { what: "cluster IP", from: "client", protocol: "udp", at: atClusterIp("web", 4) },
      {
        what: "SNAT",
        from: "world",
        protocol: "tcp",
        at: atNodePort("web", "node-1", 4, "tcp"),
      },
      {
        what: "SNAT",
        from: "world",
        protocol: "udp",
        at: atNodePort("web", "node-1", 6, "udp"),
      },
      {
        what: "DSR",
        from: "world",
        protocol: "tcp",
        at: atNodePort("direct", "node-1", 6, "tcp"),
      },
      {
        what: "DSR",
        from: "world",
        protocol: "udp",
        at: atNodePort("direct", "node-1", 4, "udp"),
      },
    ],
  },
  {
    name: "from outside by DSR through a tunnel",
    set: { "bpf-lb-mode": "dsr" },
    services: [nodePortService("web")],
    held: [
      { what: "DSR", from: "world", protocol: "tcp", at: atNodePort("web", "node-1", 6, "tcp") },
      { what: "DSR", from: "world", protocol: "udp", at: atNodePort("web", "node-1", 4, "udp") },
    ],
    soakOnly: true,
  },
  {
    name: "from outside in XDP with native routing",
    set: { ...nativeRouting, "bpf-lb-acceleration": "native" },
    services: [nodePortService("web")],
    held: [
      { what: "SNAT", from: "world", protocol: "tcp", at: atNodePort("web", "node-1", 4, "tcp") },
      { what: "SNAT", from: "world", protocol: "udp", at: atNodePort("web", "node-1", 6, "udp") },
    ],
    soakOnly: true,
  },
];

for (const [number, { name, set, services, held }] of situations
  .filter(({ soakOnly }) => soak || !soakOnly)
  .entries())
  describe(`connections ${name}`, () => {
    test("live as long as their backends, and new ones go to whoever is there", async (t) => {
      const mood = join(moods, String(number));
      await using cluster = await ServiceLab.up({
        purpose: "living",
        namespaces: [namespace],
        set,
      });
      await cluster.apply(
        echoPod({ name: "client", namespace, node: "node-1" }),
        pod("stay-1", "node-1"),
        pod("stay-2", "node-2"),
        moodyPod(mood),
        victim,
        drained,
        ...services,
      );
      const facts = await cluster.services(namespace);
      const open = (flows: Held) => HeldFlows.open(cluster.lab, optionsOf(flows, facts));
      await using stack = new AsyncDisposableStack();
      const running: HeldFlows[] = [];
      for (const flows of held) running.push(stack.use(await open(flows)));

      const newOnesGoTo = async (...names: string[]) => {
        for (const { from, protocol, at } of held) {
          const client: Client =
            from === "world" ? cluster.inWorld() : cluster.inPod(namespace, "client");
          const request: Request = { protocol, ...at(facts) };
          await assertAnswering(client, request, names);
        }
      };
      const first = ["stay-1", "stay-2", "victim", "drained"];
      await t.test("as it begins", () => newOnesGoTo("moody", ...first));
      await t.test("a backend is not ready any more", async () => {
        writeFileSync(mood, "");
        await until("it is not ready", async () => !(await isReady(cluster, "moody")));
        await cluster.inKernels();
        await newOnesGoTo(...first);
      });
      await t.test("backends come", async () => {
        await cluster.lab.apply(manifest(pod("fresh-1", "node-1"), pod("fresh-2", "node-2")));
        await until("they are ready", async () => isReady(cluster, "fresh-1", "fresh-2"));
        await cluster.inKernels();
        await newOnesGoTo("fresh-1", "fresh-2", ...first);
      });
      const left = ["stay-1", "stay-2", "fresh-1", "fresh-2"];
      await t.test("a backend goes", async () => {
        await cluster.objects.delete(victim);
        await until("the victim is gone", async () => !(await isThere(cluster, "victim")));
        await cluster.inKernels();
        await newOnesGoTo("drained", ...left);
      });
      await t.test("a backend is drained", async () => {
        await cluster.objects.delete(drained);
        await cluster.inKernels();
        await newOnesGoTo(...left);
      });
      await t.test("agents are killed and come back", async () => {
        for (const node of ["node-1", "node-2"])
          await killProcess(cluster.lab, `agent/${node}`, {
            meanwhile: () => newOnesGoTo(...left),
            returned: () => isAgentWell(cluster.lab, node),
          });
        await cluster.inKernels();
        await newOnesGoTo(...left);
      });
      await t.test("policies come and go", async () => {
        for (const each of policies()) {
          await cluster.apply(each);
          await newOnesGoTo(...left);
        }
        await cluster.delete(...policies());
        await newOnesGoTo(...left);
      });
      await t.test("no connection to a living backend has broken", async () => {
        assert.ok(await isThere(cluster, "drained"), "the drained pod is gone too early");
        for (const [at, flows] of running.entries()) {
          const { what, from, protocol } = held[at] as Held;
          const all = await flows.end();
          assert.equal(all.length, countOf());
          const complaints = all.flatMap((flow) => complaintsOf(flow, protocol));
          assert.deepEqual(complaints, [], `${from}, ${protocol} to ${what}`);
          // Each had some of them, which are with it still, or have lost it.
          for (const holder of ["drained", "moody", "stay-1", "stay-2"])
            assert.ok(
              all.some((flow) => flow.pod === holder && !flow.broken),
              holder,
            );
          assert.ok(all.some((flow) => flow.broken || flow.left.includes("victim")));
        }
      });
    });
  });

/** What is wrong with a flow, whatever became of those to the victim. */
function complaintsOf(flow: HeldFlow, protocol: "tcp" | "udp"): string[] {
  const { pod: holder, broken, reason, requests, answers, left, longestMs } = flow;
  const was = `${[...left, holder].join(" -> ")}, ${answers} of ${requests} answered`;
  const found: string[] = [];
  if (broken && !(protocol === "tcp" && holder === "victim")) found.push(`${was}: ${reason}`);
  if (left.some((former) => former !== "victim")) found.push(`${was}: it has moved`);
  if (protocol === "udp" && requests - answers > lostAnswers && !left.includes("victim"))
    found.push(`${was}: too few`);
  if (protocol === "udp" && holder === "victim") found.push(`${was}: it has nobody`);
  if (!broken && longestMs > 1500) found.push(`${was}: ${longestMs} ms without an answer`);
  return found;
}

function countOf(): number {
  return soak ? 200 : 50;
}

function optionsOf({ from, protocol, at }: Held, facts: Facts): HoldOptions {
  return {
    from: from === "world" ? "world" : { namespace, pod: from },
    protocol,
    ...at(facts),
    count: countOf(),
  };
}

async function isReady(cluster: ServiceLab, ...names: string[]): Promise<boolean> {
  const pods = await cluster.lab.json<{ items: Pod[] }>("lab", "get", "pods", "-n", namespace);
  return names.every((name) =>
    pods.items
      .find(({ metadata }) => metadata.name === name)
      ?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
  );
}

async function isThere(cluster: ServiceLab, name: string): Promise<boolean> {
  return (await cluster.lab.pods(namespace)).some(({ metadata }) => metadata.name === name);
}

/** All of them let these clients through. */
function policies(): KubeObject[] {
  const policy = (name: string, spec: object) =>
    ({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name, namespace },
      spec,
    }) as KubeObject;
  return [
    policy("backends", {
      podSelector: { matchLabels: web },
      policyTypes: ["Ingress", "Egress"],
      ingress: [{}],
    }),
    policy("client", {
      podSelector: { matchLabels: { app: "client" } },
      policyTypes: ["Ingress", "Egress"],
      egress: [{ to: [{ podSelector: { matchLabels: web } }] }],
    }),
  ];
}

describe("sockets to backends that leave a service", () => {
  for (const all of [false, true])
    test(`UDP ones are closed, TCP ones ${all ? "too, where it is asked for" : "are not"}`, async () => {
      await using cluster = await ServiceLab.up({
        purpose: "sockets",
        namespaces: [namespace],
        set: {
          "identity-change-grace-period": "50ms",
          "bpf-lb-sock-terminate-all-protos": String(all),
        },
      });
      const leaver = pod("leaver", "node-2");
      await cluster.apply(
        echoPod({ name: "client", namespace, node: "node-1" }),
        pod("stay-1", "node-1"),
        leaver,
        nodePortService("web"),
      );
      const facts = await cluster.services(namespace);
      const places: readonly HoldOptions["from"][] = [
        { namespace, pod: "client" },
        { node: "node-1" },
      ];
      await using stack = new AsyncDisposableStack();
      const open = async (protocol: "tcp" | "udp", from: HoldOptions["from"], family: 4 | 6) => {
        const at = atClusterIp("web", family)(facts);
        const flows = await HeldFlows.open(cluster.lab, { from, protocol, count: 20, ...at });
        return { protocol, flows: stack.use(flows) };
      };
      const running: Awaited<ReturnType<typeof open>>[] = [];
      for (const from of places)
        for (const family of [4, 6] as const)
          for (const protocol of ["tcp", "udp"] as const)
            running.push(await open(protocol, from, family));
      // It lives on, and would answer.
      await cluster.objects.patch(leaver, { metadata: { labels: { app: "off" } } });
      await cluster.inKernels();
      await sleep(1500);
      for (const { protocol, flows } of running) {
        const ended = await flows.end();
        const ofLeaver = ended.filter(
          ({ pod: holder, left }) => holder === "leaver" || left.includes("leaver"),
        );
        assert.ok(ofLeaver.length > 0);
        for (const flow of ofLeaver) {
          const { broken, reopened, pod: holder, reason } = flow;
          const came =
            protocol === "udp" ? { broken, holder, closed: reopened > 0 } : { broken, reason };
          const wanted =
            protocol === "udp"
              ? { broken: false, holder: "stay-1", closed: true }
              : { broken: all, reason: all ? "Software caused connection abort" : undefined };
          assert.deepEqual(came, wanted);
        }
        for (const flow of ended.filter((each) => !ofLeaver.includes(each)))
          assert.deepEqual(
            complaintsOf(flow, protocol).concat(Array(flow.reopened).fill("closed")),
            [],
          );
      }
    });
});
