// Which addresses and ports a Service is served at, for whom, and which it may not take: source ranges, classes, external
// IPs and their conflicts, host ports, node ports that nobody may bind, many ports. And that nothing stays behind.
//
//   node-1: near, client-1      node-2: far, client-2      world: 203.0.113.10
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Service, ServicePort } from "@tsilium/kube";
import { isAgentWell, killProcess } from "./harness.ts";
import { drops } from "./metrics.ts";
import { dropsSince, frontendsOf, nextPodAddress, routeFromWorld } from "./services/addresses.ts";
import { type Request, spread } from "./services/requests.ts";
import {
  clusterIp,
  endText,
  families,
  type KernelTables,
  loadBalancerIp,
  nodeAddress,
  nodePort,
  ServiceLab,
} from "./services/service-lab.ts";
import { echoPod, echoPort, service, servicePorts } from "./services/service-objects.ts";
import {
  assertAnswering,
  assertComesTo,
  assertRefusedAtOnce,
  assertShared,
  everyWay,
  namespace,
  allPaths,
  shopObjects,
  web,
} from "./services/shop.ts";

const nodes = ["node-1", "node-2"] as const;
const otherNamespace = "rival";

for (const { name, set } of allPaths)
  describe(`addresses of services balanced ${name}`, () => {
    let cluster: ServiceLab;
    let empty: KernelTables[];
    before(async () => {
      cluster = await ServiceLab.up({
        purpose: "addresses",
        namespaces: [namespace, otherNamespace],
        set,
      });
      await cluster.apply(...shopObjects());
      empty = await tables();
    });
    after(() => cluster?.[Symbol.asyncDispose]());

    const tables = () => Promise.all(nodes.map((node) => cluster.kernelTables(node)));
    const client = (number: 1 | 2) => cluster.inPod(namespace, `client-${number}`);

    test("a cluster IP is not for clients from outside: dropped with its reason", async () => {
      const inner = service("inner", namespace, { selector: web });
      await cluster.having([inner], async () => {
        const facts = await cluster.service(namespace, "inner");
        for (const family of families) {
          await using _ = await routeFromWorld(cluster, clusterIp(facts, family));
          const requests = (["tcp", "udp"] as const).map((protocol) => ({
            protocol,
            address: clusterIp(facts, family),
            port: 80,
            timeoutMs: 500,
          }));
          const earlier = await drops(cluster.lab, nodes);
          await assertComesTo(cluster.inWorld(), requests, "timeout");
          assert.ok((await dropsSince(cluster, earlier, "Is a ClusterIP")) >= 2);
        }
      });
    });

    test("loadBalancerSourceRanges hold for clients from outside and load balancers' addresses", async () => {
      const spec = { selector: web, type: "LoadBalancer" } as const;
      const allowed = ["203.0.113.0/28", "2001:db8:113::/64"];
      const foreign = ["192.0.2.0/24", "203.0.113.11/32", "2001:db8:114::/64"];
      const objects = [
        service("in-range", namespace, { ...spec, loadBalancerSourceRanges: allowed }),
        service("out-of-range", namespace, { ...spec, loadBalancerSourceRanges: foreign }),
        service(
          "denied",
          namespace,
          { ...spec, loadBalancerSourceRanges: allowed },
          { "service.cilium.io/src-ranges-policy": "deny" },
        ),
      ];
      await cluster.having(objects, async () => {
        const facts = await cluster.services(namespace);
        const at = (which: string): Request[] =>
          families.flatMap((family) =>
            (["tcp", "udp"] as const).map((protocol) => ({
              protocol,
              address: loadBalancerIp(facts[which], family),
              port: 80,
            })),
          );
        for (const request of at("in-range"))
          await assertAnswering(cluster.inWorld(), request, ["near", "far"]);
        for (const which of ["out-of-range", "denied"]) {
          const earlier = await drops(cluster.lab, nodes);
          const requests = at(which).map((request) => ({ ...request, timeoutMs: 500 }));
          await assertComesTo(cluster.inWorld(), requests, "timeout");
          assert.ok(
            (await dropsSince(cluster, earlier, "Denied by LB src range check")) >= 4,
            which,
          );
          const port = nodePort(facts[which]);
          for (const family of families)
            await assertAnswering(
              cluster.inWorld(),
              { protocol: "tcp", address: nodeAddress("node-1", family), port },
              ["near", "far"],
            );
          for (const request of at(which))
            await assertAnswering(client(1), request, ["near", "far"]);
        }
      });
    });

    test("a service's node port cannot be bound on a node, by nobody's else", async () => {
      const bound = service("bound", namespace, { selector: web, type: "NodePort" });
      await cluster.having([bound], async () => {
        const { nodePorts } = await cluster.service(namespace, "bound");
        const binds = (["tcp", "udp"] as const).flatMap((protocol) =>
          ["0.0.0.0", "127.0.0.1", "::", "::1"].map((address): Request => ({
            protocol: `bind-${protocol}`,
            address,
            port: nodePorts[protocol] ?? 0,
          })),
        );
        await assertComesTo(cluster.onNode("node-1"), binds, "denied");
        for (const each of binds) await assertComesTo(client(1), [each], "ok");
        const others = binds.map((request) => ({ ...request, port: 29_999 }));
        for (const each of others) await assertComesTo(cluster.onNode("node-1"), [each], "ok");
      });
      // The port is free again with the service.
      const free: Request = { protocol: "bind-tcp", address: "0.0.0.0", port: 30_000 };
      await assertComesTo(cluster.onNode("node-1"), [free], "ok");
    });

    test("a service of another class has what its controller gives it: a VIP is served, a proxy's address is not", async () => {
      const classy = service("classy", namespace, {
        selector: web,
        type: "LoadBalancer",
        loadBalancerClass: "example.org/controller",
      });
      await cluster.having([classy], async () => {
        assert.deepEqual((await cluster.service(namespace, "classy")).loadBalancerIps, []);
        const ingress = [
          { ip: "192.0.2.70", ipMode: "VIP" },
          { ip: "192.0.2.71", ipMode: "Proxy" },
          { ip: "2001:db8:2::70", ipMode: "VIP" },
        ];
        await cluster.objects.patchStatus(classy, { loadBalancer: { ingress } });
        await cluster.inKernels();
        for (const address of ["192.0.2.70", "2001:db8:2::70"])
          for (const from of [client(1), cluster.onNode("node-1"), cluster.inWorld()])
            await assertAnswering(from, { protocol: "tcp", address, port: 80 }, ["near", "far"]);
        const shown = await frontendsOf(cluster, "classy");
        assert.ok(shown.includes("192.0.2.70:80/TCP"), shown.join(" "));
        assert.ok(!shown.some((address) => address.startsWith("192.0.2.71:")), shown.join(" "));
      });
    });

    test("allocateLoadBalancerNodePorts=false leaves node ports out", async () => {
      const portless = service("portless", namespace, {
        selector: web,
        type: "LoadBalancer",
        allocateLoadBalancerNodePorts: false,
      });
      await cluster.having([portless], async () => {
        const facts = await cluster.service(namespace, "portless");
        assert.deepEqual(facts.nodePorts, { tcp: 0, udp: 0 });
        for (const family of families)
          for (const protocol of ["tcp", "udp"] as const)
            await assertAnswering(
              cluster.inWorld(),
              { protocol, address: loadBalancerIp(facts, family), port: 80 },
              ["near", "far"],
            );
        const shown = await frontendsOf(cluster, "portless");
        assert.ok(
          shown.every((address) => !address.startsWith("172.18.0.")),
          shown.join(" "),
        );
      });
    });

    test("ports and protocols of one address are apart, and named target ports are each pod's own", async () => {
      const ports: ServicePort[] = [
        { name: "web", port: 80, protocol: "TCP", targetPort: "web" },
        { name: "alt", port: 443, protocol: "TCP", targetPort: echoPort },
        { name: "dns", port: 80, protocol: "UDP", targetPort: "dgram" },
      ];
      const pod = (which: string, node: string, port: number) =>
        echoPod({
          name: which,
          namespace,
          node,
          labels: { app: "named" },
          spec: {
            containers: [
              {
                name: "echo",
                image: "tsilium.io/echo",
                ports: [
                  { name: "web", containerPort: port, protocol: "TCP" },
                  { name: "dgram", containerPort: port + 1, protocol: "UDP" },
                ],
              },
            ],
          },
        });
      const objects = [
        pod("at-8080", "node-1", echoPort),
        pod("at-9000", "node-2", 9000),
        service("named", namespace, { selector: { app: "named" }, ports, type: "NodePort" }),
      ];
      await cluster.having(objects, async () => {
        const facts = await cluster.service(namespace, "named");
        const both = ["at-8080", "at-9000"];
        for (const family of families) {
          const address = clusterIp(facts, family);
          await assertAnswering(client(1), { protocol: "tcp", address, port: 80 }, both);
          await assertAnswering(client(1), { protocol: "udp", address, port: 80 }, both);
          // One of the two has nothing at 8080.
          const outcomes = await client(1).repeat({ protocol: "tcp", address, port: 443 }, 24);
          assert.deepEqual(Object.keys(spread(outcomes)), ["at-8080", "refused"]);
          const node = nodeAddress("node-2", family);
          for (const [portName, protocol] of [
            ["web", "tcp"],
            ["dns", "udp"],
          ] as const)
            await assertAnswering(
              cluster.inWorld(),
              { protocol, address: node, port: nodePort(facts, portName) },
              both,
            );
          await assertRefusedAtOnce(client(1), [{ protocol: "udp", address, port: 443 }]);
        }
      });
    });

    test("headless services and external names are names alone", async () => {
      const headless = service("headless", namespace, { selector: web, clusterIP: "None" });
      const external: Service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "elsewhere", namespace },
        spec: { type: "ExternalName", externalName: "world.test" },
      };
      await cluster.having([headless, external], async () => {
        for (const which of ["headless", "elsewhere"])
          assert.deepEqual(await frontendsOf(cluster, which), []);
        assert.deepEqual(await tables(), empty);
        const curl = (url: string) =>
          cluster.lab.exec(namespace, "client-1", ["curl", "-s", "-m3", url]);
        assert.match((await curl(`http://headless:${echoPort}/`)).stdout, /"pod":"(near|far)"/);
      });
    });

    test("an IPv4 address in IPv6's clothes is the IPv4 service's", async () => {
      const dressed = service("dressed", namespace, { selector: { pod: "far" }, type: "NodePort" });
      await cluster.having([dressed], async () => {
        const facts = await cluster.service(namespace, "dressed");
        const mapped = (["tcp", "udp", "udp-connected"] as const).flatMap((protocol): Request[] => [
          { protocol, address: `::ffff:${clusterIp(facts, 4)}`, port: 80 },
          { protocol, address: "::ffff:172.18.0.3", port: nodePort(facts) },
        ]);
        for (const from of [client(1), cluster.onNode("node-1")])
          for (const [at, outcome] of (await assertComesTo(from, mapped, "far")).entries()) {
            const { address = "", port = 0 } = mapped[at] ?? {};
            assert.equal(outcome.kind === "ok" && outcome.peer, `[${address}]:${port}`);
          }
      });
    });

    test("a service has a thousand ports", async () => {
      const ports = Array.from({ length: 1000 }, (_, at): ServicePort => ({
        name: `p${at}`,
        port: 10_000 + at,
        protocol: "TCP",
        targetPort: echoPort,
      }));
      const wide = service("wide", namespace, {
        selector: web,
        type: "LoadBalancer",
        allocateLoadBalancerNodePorts: false,
        ports,
      });
      await cluster.having([wide], async () => {
        const facts = await cluster.service(namespace, "wide");
        for (const family of families) {
          const all = ports.map(({ port }): Request => ({
            protocol: "tcp",
            address: clusterIp(facts, family),
            port,
          }));
          await assertShared(client(1), all, ["near", "far"]);
          const outside = all.map((request) => ({
            ...request,
            address: loadBalancerIp(facts, family),
          }));
          await assertShared(cluster.inWorld(), outside, ["near", "far"]);
        }
        for (const { frontends } of await tables()) assert.ok(frontends.length > 4000);
      });
    });

    test("an address that a service of another namespace has already stays that one's", async () => {
      const spec = (pod: string) => ({
        selector: { pod },
        externalIPs: ["192.0.2.50", "2001:db8:2::50"],
      });
      const older = service("older", namespace, spec("near"));
      const younger: Service = service("younger", otherNamespace, {
        ...spec("rival"),
        ports: [...servicePorts, { name: "own", port: 90, protocol: "TCP", targetPort: echoPort }],
      });
      const rival = echoPod({
        name: "rival",
        namespace: otherNamespace,
        node: "node-2",
        labels: { pod: "rival" },
      });
      await cluster.apply(older);
      // Ages are compared by the second.
      await new Promise((resolve) => setTimeout(resolve, 1100));
      await cluster.having([rival, younger], async () => {
        try {
          const at = (port: number) =>
            everyWay((family) => (family === 4 ? "192.0.2.50" : "2001:db8:2::50"), port);
          const clients = [client(1), cluster.onNode("node-2"), cluster.inWorld()];
          for (const from of clients) await assertComesTo(from, at(80), "near");
          await assertComesTo(
            client(1),
            at(90).filter(({ protocol }) => protocol === "tcp"),
            "rival",
          );
          const status = await cluster.lab.json<{ serviceWarnings: { service: string }[] }>(
            "--node",
            "node-1",
            "status",
            "--verbose",
          );
          const warned = status.serviceWarnings.map((warning) => warning.service);
          assert.ok(warned.includes(`${otherNamespace}/younger`), warned.join(" "));
        } finally {
          await cluster.delete(older);
        }
        for (const from of [client(1), cluster.inWorld()])
          await assertComesTo(
            from,
            everyWay((family) => (family === 4 ? "192.0.2.50" : "2001:db8:2::50"), 80),
            "rival",
          );
      });
    });

    test("a service with a pod's, a node's or a cluster IP's address takes nobody's traffic (CVE-2020-8554)", async () => {
      const victims = families.map((family) => cluster.podAddress(namespace, "near", family));
      const pods = await Promise.all(victims);
      const innocent = service("innocent", namespace, { selector: { pod: "near" } });
      await cluster.apply(innocent);
      const { clusterIps } = await cluster.service(namespace, "innocent");
      const thief = service("thief", otherNamespace, {
        selector: { pod: "thief" },
        externalIPs: [...pods, ...clusterIps, "172.18.0.1", "203.0.113.10"],
        ports: [
          ...servicePorts,
          ...(["TCP", "UDP"] as const).map((protocol) => ({
            name: `echo-${protocol.toLowerCase()}`,
            port: echoPort,
            protocol,
            targetPort: echoPort,
          })),
          { name: "api", port: 6443, protocol: "TCP", targetPort: echoPort },
        ],
      });
      const accomplice = echoPod({
        name: "thief",
        namespace: otherNamespace,
        node: "node-2",
        labels: { pod: "thief" },
      });
      try {
        await cluster.having([accomplice, thief], async () => {
          const toPod = everyWay((family) => pods[family === 4 ? 0 : 1] ?? "", echoPort);
          const toService = everyWay((family) => clusterIps[family === 4 ? 0 : 1] ?? "", 80);
          for (const from of [
            client(1),
            client(2),
            cluster.onNode("node-1"),
            cluster.onNode("node-2"),
          ]) {
            await assertComesTo(from, toPod, "near");
            await assertComesTo(from, toService, "near");
          }
          const { stdout } = await cluster.lab.nodeExec("node-1", [
            "curl",
            "-sk",
            "-m3",
            "https://172.18.0.1:6443/version",
          ]);
          assert.match(stdout, /"Unauthorized"/);
        });
      } finally {
        await cluster.delete(innocent);
      }
    });

    test("a pod made after a service that claims its address keeps its traffic", async () => {
      const next = await nextPodAddress(cluster);
      const waiting = service("waiting", otherNamespace, {
        selector: { pod: "far" },
        externalIPs: [next],
        ports: [{ name: "tcp", port: echoPort, protocol: "TCP", targetPort: echoPort }],
      });
      const late = echoPod({ name: "late", namespace, node: "node-1", labels: { app: "late" } });
      await cluster.having([waiting], async () => {
        await cluster.having([late], async () => {
          const address = await cluster.podAddress(namespace, "late", 4);
          assert.equal(address, next);
          const request: Request = { protocol: "tcp", address, port: echoPort };
          for (const from of [
            client(1),
            client(2),
            cluster.onNode("node-1"),
            cluster.onNode("node-2"),
          ])
            await assertComesTo(from, [request], "late");
        });
      });
    });

    test("a host port is the pod's on its node alone, moves with it, and is nobody's afterwards", async () => {
      const pod = (which: string, node: string) =>
        echoPod({
          name: which,
          namespace,
          node,
          spec: {
            containers: [
              {
                name: "echo",
                image: "tsilium.io/echo",
                ports: [
                  { name: "tcp", containerPort: echoPort, protocol: "TCP", hostPort: 8090 },
                  { name: "udp", containerPort: echoPort, protocol: "UDP", hostPort: 8090 },
                ],
                readinessProbe: { tcpSocket: { port: echoPort }, periodSeconds: 1 },
              },
            ],
          },
        });
      const at = (node: string) => everyWay((family) => nodeAddress(node, family), 8090);
      const clients = () => [client(1), client(2), cluster.onNode("node-1"), cluster.inWorld()];
      await cluster.having([pod("porter", "node-1")], async () => {
        for (const from of clients()) {
          await assertComesTo(from, at("node-1"), "porter");
          await assertRefusedAtOnce(from, at("node-2"));
        }
      });
      await cluster.having([pod("heir", "node-1"), pod("other", "node-2")], async () => {
        for (const from of clients()) {
          await assertComesTo(from, at("node-1"), "heir");
          await assertComesTo(from, at("node-2"), "other");
        }
      });
      for (const from of clients()) await assertRefusedAtOnce(from, at("node-1"));
    });

    test("a service that is made another kind keeps none of its addresses from before", async () => {
      const changing = service("changing", namespace, {
        selector: web,
        type: "LoadBalancer",
        externalIPs: ["192.0.2.61"],
      });
      await cluster.having([changing], async () => {
        const { nodePorts } = await cluster.service(namespace, "changing");
        await cluster.objects.patch(changing, { spec: { type: "ClusterIP", externalIPs: null } });
        await cluster.inKernels();
        const facts = await cluster.service(namespace, "changing");
        const shown = await frontendsOf(cluster, "changing");
        const wanted = families.flatMap((family) =>
          ["TCP", "UDP"].map((protocol) => `${endText(clusterIp(facts, family), 80)}/${protocol}`),
        );
        assert.deepEqual(shown.toSorted(), wanted.toSorted());
        const port = nodePorts["tcp"] ?? 0;
        await assertRefusedAtOnce(
          cluster.inWorld(),
          everyWay((family) => nodeAddress("node-1", family), port),
        );
        const bind: Request = { protocol: "bind-tcp", address: "0.0.0.0", port };
        await assertComesTo(cluster.onNode("node-1"), [bind], "ok");
      });
    });

    test("what is deleted while an agent is away is forgotten when it is back", async () => {
      const gone = service("forgotten", namespace, {
        selector: web,
        type: "LoadBalancer",
        loadBalancerSourceRanges: ["203.0.113.0/24"],
      });
      await cluster.apply(gone);
      await killProcess(cluster.lab, "agent/node-1", {
        meanwhile: () => cluster.objects.delete(gone),
        returned: () => isAgentWell(cluster.lab, "node-1"),
      });
      await cluster.inKernels();
      assert.deepEqual(await tables(), empty);
    });

    test("what is deleted leaves nothing in the kernel", async () => {
      const objects = [
        service("gone", namespace, {
          selector: web,
          type: "LoadBalancer",
          sessionAffinity: "ClientIP",
        }),
        service("gone-2", namespace, {
          selector: web,
          type: "LoadBalancer",
          externalTrafficPolicy: "Local",
          externalIPs: ["192.0.2.60"],
          loadBalancerSourceRanges: ["203.0.113.0/24"],
        }),
      ];
      await cluster.having(objects, async () => {
        const facts = await cluster.service(namespace, "gone");
        await client(1).repeat({ protocol: "tcp", address: clusterIp(facts, 4), port: 80 }, 8);
        await cluster
          .inWorld()
          .repeat({ protocol: "udp", address: loadBalancerIp(facts, 6), port: 80 }, 8);
      });
      // All that the tests before have made and deleted, too.
      assert.deepEqual(await tables(), empty);
    });
  });
