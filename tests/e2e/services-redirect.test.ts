// Local redirect policies: what pods ask of an address, or of a service, a pod of their own node answers; never what is
// another's. Deleted, they leave everything as it was.
//
//   node-1: client-1, cache-1      node-2: client-2, cache-2, origin      world: 203.0.113.10
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type {
  CiliumLocalRedirectPolicy,
  LocalRedirectFrontend,
  LocalRedirectPort,
} from "@tsilium/kube";
import {
  clusterIp,
  type KernelTables,
  ServiceLab,
  worldAddresses,
} from "./services/service-lab.ts";
import { echoPod, echoPort, service } from "./services/service-objects.ts";
import { assertComesTo, everyWay, paths } from "./services/shop.ts";

const namespace = "caches";
const otherNamespace = "rival";
/** Of the cloud's metadata server. */
const metadata = "169.254.169.254";

for (const { name, set } of paths)
  describe(`local redirect policies ${name}`, () => {
    let cluster: ServiceLab;
    let untouched: KernelTables[];
    const tables = () =>
      Promise.all(["node-1", "node-2"].map((node) => cluster.kernelTables(node)));
    const frontends = async () => (await tables()).map(({ frontends: all }) => all);
    const client = (number: 1 | 2) => cluster.inPod(namespace, `client-${number}`);
    const origin = service("origin", namespace);

    before(async () => {
      cluster = await ServiceLab.up({
        purpose: "redirect",
        namespaces: [namespace, otherNamespace],
        set: { ...set, "enable-local-redirect-policy": "true" },
      });
      const pod = (which: string, node: string, app: string) =>
        echoPod({ name: which, namespace, node, labels: { app } });
      await cluster.apply(
        origin,
        pod("origin", "node-2", "origin"),
        pod("cache-1", "node-1", "cache"),
        pod("cache-2", "node-2", "cache"),
        pod("client-1", "node-1", "client"),
        pod("client-2", "node-2", "client"),
        service("theirs", otherNamespace),
        echoPod({ name: "theirs", namespace: otherNamespace, node: "node-2" }),
      );
      untouched = await tables();
    });
    after(() => cluster?.[Symbol.asyncDispose]());

    const toOrigin = async () => {
      const facts = await cluster.service(namespace, "origin");
      return everyWay((family) => clusterIp(facts, family), 80);
    };

    test("a service is served by the client's own node, and as before once the policy is gone", async () => {
      const requests = await toOrigin();
      for (const number of [1, 2] as const) await assertComesTo(client(number), requests, "origin");
      await cluster.having([policy("cache", { serviceMatcher: matcher("origin") })], async () => {
        for (const number of [1, 2] as const)
          await assertComesTo(client(number), requests, `cache-${number}`);
        const [shown] = await redirects(cluster);
        assert.deepEqual([shown?.name, shown?.warnings], ["cache", []]);
      });
      for (const number of [1, 2] as const) await assertComesTo(client(number), requests, "origin");
      assert.deepEqual(await tables(), untouched);
    });

    test("a service without a local backend is served as ever", async () => {
      const requests = await toOrigin();
      const onlyNode2 = policy("cache", { serviceMatcher: matcher("origin") }, { app: "origin" });
      await cluster.having([onlyNode2], async () => {
        await assertComesTo(client(1), requests, "origin");
        await assertComesTo(client(2), requests, "origin");
      });
    });

    test("an address is served by the client's own node while the policy is there", async () => {
      const requests = everyWay(() => metadata, 80).slice(0, 3);
      const quick = requests.map((request) => ({ ...request, timeoutMs: 500 }));
      const away = async () => {
        for (const { kind } of await client(1).ask(quick)) assert.notEqual(kind, "ok");
      };
      await away();
      await cluster.having([policy("metadata", addressed(metadata, 80))], async () => {
        for (const number of [1, 2] as const)
          await assertComesTo(client(number), requests, `cache-${number}`);
      });
      await away();
      assert.deepEqual(await tables(), untouched);
    });

    test("skipRedirectFromBackend lets the backends themselves meet what is behind the address", async () => {
      const world = everyWay((family) => worldAddresses[family], echoPort);
      const both = [
        policy("world-4", addressed(worldAddresses[4], echoPort), { app: "cache" }, true),
        policy("world-6", addressed(worldAddresses[6], echoPort), { app: "cache" }, true),
      ];
      await cluster.having(both, async () => {
        await assertComesTo(client(1), world, "cache-1");
        const cache = cluster.inPod(namespace, "cache-1");
        await assertComesTo(cache, world, "world");
      });
      await assertComesTo(client(1), world, "world");
    });

    test("a policy takes over nothing that is another's", async () => {
      const theirs = await cluster.service(otherNamespace, "theirs");
      const theirPod = await cluster.podAddress(otherNamespace, "theirs", 4);
      const stolen = [
        policy("their-cluster-ip", addressed(clusterIp(theirs, 4), 80)),
        policy("their-service", {
          serviceMatcher: { serviceName: "theirs", namespace: otherNamespace },
        }),
        policy("their-pod", addressed(theirPod, echoPort)),
        policy("api-server", addressed("172.18.0.1", 6443)),
        policy("node", addressed("172.18.0.3", 9090)),
      ];
      for (const each of stolen) {
        // Whoever refuses it: the API server by its schema, or the agents.
        const applied = await cluster.lab.tsilium(["lab", "apply", "-f", "-"], {
          input: JSON.stringify(each),
        });
        if (applied.status !== 0) continue;
        try {
          await cluster.inKernels();
          const requests = everyWay((family) => clusterIp(theirs, family), 80);
          for (const number of [1, 2] as const)
            await assertComesTo(client(number), requests, "theirs");
          const toPod = everyWay(() => theirPod, echoPort).slice(0, 3);
          await assertComesTo(client(1), toPod, "theirs");
          const [shown] = await redirects(cluster);
          assert.equal(shown?.name, each.metadata.name);
          assert.notDeepEqual(shown?.warnings, []);
          assert.deepEqual(
            await frontends(),
            untouched.map(({ frontends: all }) => all),
          );
        } finally {
          await cluster.delete(each);
        }
      }
    });
  });

const matcher = (serviceName: string) => ({ serviceName, namespace });

function addressed(ip: string, port: number): LocalRedirectFrontend {
  return { addressMatcher: { ip, toPorts: bothProtocols(port) } };
}

function bothProtocols(port: number): LocalRedirectPort[] {
  return (["TCP", "UDP"] as const).map((protocol) => ({
    name: protocol.toLowerCase(),
    port: String(port),
    protocol,
  }));
}

function policy(
  name: string,
  redirectFrontend: LocalRedirectFrontend,
  backends: Record<string, string> = { app: "cache" },
  skipRedirectFromBackend?: boolean,
): CiliumLocalRedirectPolicy {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumLocalRedirectPolicy",
    metadata: { name, namespace },
    spec: {
      redirectFrontend,
      redirectBackend: {
        localEndpointSelector: { matchLabels: backends },
        toPorts: bothProtocols(echoPort),
      },
      ...(skipRedirectFromBackend ? { skipRedirectFromBackend } : {}),
    },
  };
}

/** `tsilium lrp list` of node-1. */
function redirects(cluster: ServiceLab) {
  return cluster.lab.json<{ name: string; warnings: unknown[] }[]>(
    "--node",
    "node-1",
    "lrp",
    "list",
  );
}
