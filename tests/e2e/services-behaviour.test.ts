// What Services promise beyond reaching a backend: traffic policies, affinity, hints, readiness, refusals, hairpins. Where
// sockets are balanced, and where pods' packets are.
//
//   node-1: near, client-1      node-2: far, client-2      world: 203.0.113.10
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pod } from "@tsilium/kube";
import { until } from "./harness.ts";
import { assertDropsSince, drops } from "./metrics.ts";
import { answerOf, type Client, type Request, spread } from "./services/requests.ts";
import {
  clusterIp,
  families,
  type Family,
  loadBalancerIp,
  nodeAddress,
  nodePort,
  ServiceLab,
  worldAddresses,
} from "./services/service-lab.ts";
import { echoPod, echoPort, service } from "./services/service-objects.ts";
import {
  assertAnswering,
  assertComesTo,
  assertRefusedAtOnce,
  everyWay,
  namespace,
  allPaths,
  protocols,
  shopObjects,
  web,
} from "./services/shop.ts";

const nodes = ["node-1", "node-2"] as const;
/** 169.254.42.1 and fd00:7473:6900::1: whom a pod hears that asks itself through a service. */
const loopback = { 4: "169.254.42.1", 6: "fd00:7473:6900::1" } as const;

for (const { name, perPacket, set } of allPaths)
  describe(`services balanced ${name}`, () => {
    let cluster: ServiceLab;
    before(async () => {
      cluster = await ServiceLab.up({
        purpose: "behaviour",
        namespaces: [namespace],
        set: {
          ...set,
          "enable-service-topology": "true",
          "identity-change-grace-period": "50ms",
        },
      });
      await cluster.apply(...shopObjects());
    });
    after(() => cluster?.[Symbol.asyncDispose]());

    const client = (number: 1 | 2) => cluster.inPod(namespace, `client-${number}`);

    test("externalTrafficPolicy Local keeps the client's address, and a node without an endpoint is silent", async () => {
      const local = service("local", namespace, {
        selector: { pod: "near" },
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
      });
      await cluster.having([local], async () => {
        const facts = await cluster.service(namespace, "local");
        const port = nodePort(facts);
        const at = (node: string) => everyWay((family) => nodeAddress(node, family), port);
        for (const requests of [
          at("node-1"),
          everyWay((family) => loadBalancerIp(facts, family), 80),
        ])
          for (const outcome of await assertComesTo(cluster.inWorld(), requests, "near"))
            assert.ok(Object.values<string>(worldAddresses).includes(answerOf(outcome).client));

        const earlier = await drops(cluster.lab, nodes);
        const quick = at("node-2").map((request) => ({ ...request, timeoutMs: 800 }));
        await assertComesTo(cluster.inWorld(), quick, "timeout");
        const dropped = "node-2 Service backend not found ingress";
        const later = await drops(cluster.lab, nodes);
        const count = (later[dropped] ?? 0) - (earlier[dropped] ?? 0);
        assert.ok(count >= quick.length, JSON.stringify(later));

        for (const number of [1, 2] as const) {
          await assertComesTo(client(number), at("node-2"), "near");
          await assertComesTo(
            client(number),
            everyWay((family) => loadBalancerIp(facts, family), 80),
            "near",
          );
        }
        await assertComesTo(cluster.onNode("node-2"), at("node-2"), "near");
      });
    });

    test("healthCheckNodePort says whether the node has endpoints", async () => {
      const checked = service("checked", namespace, {
        selector: { pod: "near" },
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
      });
      await cluster.having([checked], async () => {
        const { healthCheckNodePort } = await cluster.service(namespace, "checked");
        for (const [node, status, localEndpoints] of [
          ["node-1", "200", 1],
          ["node-2", "503", 0],
        ] as const) {
          const url = `http://${nodeAddress(node, 4)}:${healthCheckNodePort}/`;
          const { stdout } = await cluster.lab.worldExec([
            "curl",
            "-s",
            "-m3",
            "-w",
            "\n%{http_code}",
            url,
          ]);
          const [body = "", code] = stdout
            .trim()
            .split("\n")
            .toSorted((a) => (a.startsWith("{") ? -1 : 1));
          assert.equal(code, status, `${node}: ${stdout}`);
          const answer = JSON.parse(body) as { service: unknown; localEndpoints: number };
          assert.deepEqual(answer.service, { namespace, name: "checked" });
          assert.equal(answer.localEndpoints, localEndpoints);
        }
      });
    });

    test("internalTrafficPolicy Local serves clients of the cluster from their own node, or refuses", async () => {
      const own = service("own", namespace, {
        selector: { pod: "near" },
        type: "NodePort",
        internalTrafficPolicy: "Local",
      });
      await cluster.having([own], async () => {
        const facts = await cluster.service(namespace, "own");
        const requests = everyWay((family) => clusterIp(facts, family), 80);
        await assertComesTo(client(1), requests, "near");
        await assertRefusedAtOnce(client(2), requests);
        await assertComesTo(cluster.onNode("node-1"), requests, "near");
        await assertRefusedAtOnce(cluster.onNode("node-2"), requests);
        // Clients from outside are not concerned.
        const outside = everyWay((family) => nodeAddress("node-2", family), nodePort(facts));
        await assertComesTo(cluster.inWorld(), outside, "near");
      });
    });

    test("sessionAffinity keeps a client with its backend, until its timeout or the backend's end", async () => {
      const sticky = service("sticky", namespace, {
        selector: web,
        type: "NodePort",
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } },
      });
      await cluster.having([sticky], async () => {
        const facts = await cluster.service(namespace, "sticky");
        const inside = (family: Family): Request => ({
          protocol: "tcp",
          address: clusterIp(facts, family),
          port: 80,
        });
        const outside = (family: Family): Request => ({
          protocol: "udp",
          address: nodeAddress("node-1", family),
          port: nodePort(facts),
        });
        const clients: [Client, Request][] = families.flatMap((family) => [
          [client(1), inside(family)],
          [cluster.onNode("node-1"), inside(family)],
          [cluster.inWorld(), outside(family)],
        ]);
        // Who they are with changes once they have been forgotten: for each of them, in one of many rounds.
        const met = clients.map(() => new Set<string>());
        for (let round = 0; round < 30 && met.some(({ size }) => size < 2); round++) {
          for (const [at, [from, request]] of clients.entries()) {
            // One that is not known comes alone: of two at once each may be the first.
            const first = await from.one(request);
            const counts = Object.keys(spread([first, ...(await from.repeat(request, 12))]));
            assert.equal(counts.length, 1, `${from.name}: ${counts.join(" ")}`);
            met[at]?.add(counts[0] as string);
          }
          await sleep(1500);
        }
        assert.deepEqual(
          met.map((each) => [...each].toSorted().join(" ")),
          clients.map(() => "far near"),
        );
      });
    });

    test("a client whose backend leaves the service goes on with another", async () => {
      const patient = service("patient", namespace, {
        selector: web,
        type: "NodePort",
        sessionAffinity: "ClientIP",
      });
      await cluster.having([patient], async () => {
        const facts = await cluster.service(namespace, "patient");
        const inside: Request = { protocol: "tcp", address: clusterIp(facts, 4), port: 80 };
        const outside: Request = {
          protocol: "tcp",
          address: nodeAddress("node-2", 6),
          port: nodePort(facts),
        };
        for (const [from, request] of [
          [client(1), inside],
          [cluster.inWorld(), outside],
        ] as const) {
          const [former = ""] = Object.keys(spread(await from.repeat(request, 8)));
          const pod: Pod = echoPod({ name: former, namespace });
          await cluster.objects.patch(pod, { metadata: { labels: { app: "off" } } });
          await cluster.inKernels();
          const [latter = ""] = Object.keys(spread(await from.repeat(request, 8)));
          assert.equal(latter, former === "near" ? "far" : "near");
          await cluster.objects.patch(pod, { metadata: { labels: web } });
          await cluster.inKernels();
          assert.deepEqual(spread(await from.repeat(request, 8)), { [latter]: 8 });
        }
      });
    });

    test("trafficDistribution PreferSameZone keeps clients with endpoints of their zone", async () => {
      const close = service("close", namespace, {
        selector: web,
        trafficDistribution: "PreferSameZone",
      });
      await cluster.having([close], async () => {
        const facts = await cluster.service(namespace, "close");
        const requests = everyWay((family) => clusterIp(facts, family), 80);
        for (let round = 0; round < 4; round++) {
          await assertComesTo(client(1), requests, "near");
          await assertComesTo(client(2), requests, "far");
        }
      });
    });

    test("pods that are not ready serve where publishNotReadyAddresses says so", async () => {
      const unready = echoPod({
        name: "unready",
        namespace,
        node: "node-2",
        spec: {
          containers: [
            {
              name: "echo",
              image: "tsilium.io/echo",
              ports: [
                { name: "tcp", containerPort: echoPort, protocol: "TCP" },
                { name: "udp", containerPort: echoPort, protocol: "UDP" },
              ],
              readinessProbe: { exec: { command: ["false"] }, periodSeconds: 1 },
            },
          ],
        },
      });
      const selector = { app: "unready" };
      const shut = service("shut", namespace, { selector });
      const open = service("open", namespace, { selector, publishNotReadyAddresses: true });
      await cluster.objects.create(unready);
      try {
        await cluster.lab.apply([shut, open].map((each) => JSON.stringify(each)).join("\n---\n"));
        await untilRunning(cluster, "unready");
        await cluster.inKernels();
        const facts = await cluster.services(namespace);
        await assertRefusedAtOnce(
          client(1),
          everyWay((family) => clusterIp(facts["shut"], family), 80),
        );
        await assertComesTo(
          client(1),
          everyWay((family) => clusterIp(facts["open"], family), 80),
          "unready",
        );
      } finally {
        await cluster.delete(unready, shut, open);
      }
    });

    test("a backend that is going serves new clients as long as there is no other", async () => {
      const last = echoPod({ name: "last", namespace, node: "node-2", lingerSeconds: 20 });
      const orphan = service("last", namespace, { type: "LoadBalancer" });
      await cluster.apply(last, orphan);
      try {
        const facts = await cluster.service(namespace, "last");
        const inside = everyWay((family) => clusterIp(facts, family), 80);
        const outside = everyWay((family) => loadBalancerIp(facts, family), 80);
        await cluster.objects.delete(last);
        await cluster.inKernels();
        await assertComesTo(client(1), inside, "last");
        await assertComesTo(cluster.inWorld(), outside, "last");
        // Another one that comes has them all.
        const heir = echoPod({ name: "heir", namespace, node: "node-1", labels: { app: "last" } });
        await cluster.lab.apply(JSON.stringify(heir));
        await untilRunning(cluster, "heir");
        await cluster.inKernels();
        await assertComesTo(client(1), inside, "heir");
        await assertComesTo(cluster.inWorld(), outside, "heir");
        await cluster.objects.delete(heir);
      } finally {
        await cluster.delete(orphan);
      }
    });

    test("a service without a backend refuses at once, whoever asks", async () => {
      const empty = service("empty", namespace, {
        selector: { app: "nobody" },
        type: "LoadBalancer",
        externalIPs: ["192.0.2.9", "2001:db8:2::9"],
      });
      await cluster.having([empty], async () => {
        const facts = await cluster.service(namespace, "empty");
        const outside = [
          ...everyWay((family) => nodeAddress("node-2", family), nodePort(facts)),
          ...everyWay((family) => loadBalancerIp(facts, family), 80),
          ...everyWay((family) => (family === 4 ? "192.0.2.9" : "2001:db8:2::9"), 80),
        ];
        const inside = [...outside, ...everyWay((family) => clusterIp(facts, family), 80)];
        await assertRefusedAtOnce(client(1), inside);
        await assertRefusedAtOnce(cluster.onNode("node-1"), inside);
        await assertRefusedAtOnce(cluster.inWorld(), outside);
      });
    });

    test("a service's address has no ports but the service's", async () => {
      const web80 = service("web", namespace, { selector: web, type: "LoadBalancer" });
      await cluster.having([web80], async () => {
        const facts = await cluster.service(namespace, "web");
        const wrong = (address: (family: Family) => string) => everyWay(address, 81);
        await assertRefusedAtOnce(
          client(1),
          wrong((family) => clusterIp(facts, family)),
        );
        await assertRefusedAtOnce(
          client(1),
          wrong((family) => loadBalancerIp(facts, family)),
        );
        await assertRefusedAtOnce(
          cluster.inWorld(),
          wrong((family) => loadBalancerIp(facts, family)),
        );
      });
    });

    test("a pod that is its own service's backend reaches itself, as often as any other", async () => {
      const self = service("self", namespace, { selector: { pod: "near" } });
      const both = service("both", namespace, { selector: web });
      await cluster.having([self, both], async () => {
        const facts = await cluster.services(namespace);
        const from = cluster.inPod(namespace, "near");
        const requests = everyWay((family) => clusterIp(facts["self"], family), 80);
        const before = await drops(cluster.lab, nodes);
        const outcomes = await assertComesTo(from, requests, "near");
        for (const [at, outcome] of outcomes.entries()) {
          const family = requests[at]?.address.includes(":") ? 6 : 4;
          const own = await cluster.podAddress(namespace, "near", family);
          assert.equal(answerOf(outcome).client, perPacket ? loopback[family] : own);
        }
        for (const family of families)
          for (const protocol of protocols)
            await assertAnswering(
              from,
              { protocol, address: clusterIp(facts["both"], family), port: 80 },
              ["near", "far"],
            );
        await assertDropsSince(cluster.lab, nodes, before);
      });
    });
  });

/** Not `lab wait`, which waits for pods that are never ready, too. */
async function untilRunning(cluster: ServiceLab, name: string): Promise<void> {
  await until(`${name} runs`, async () => {
    const pods = await cluster.lab.pods(namespace);
    return pods.some(
      ({ metadata, status }) => metadata.name === name && status.phase === "Running",
    );
  });
}
