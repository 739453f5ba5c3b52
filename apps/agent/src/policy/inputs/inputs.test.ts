// Against a real API server: what these tests are about is what it tells, and when.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Identity } from "@tsilium/identity/model.ts";
import { Ipcache } from "@tsilium/ipcache";
import {
  type CiliumNetworkPolicy,
  type ClusterNetworkPolicy,
  type NetworkPolicy,
  resources,
} from "@tsilium/kube";
import { Labels, Prefix } from "@tsilium/net";
import { createLog } from "@tsilium/runtime";
import { Table } from "@tsilium/tables";
import { startTestApi, type TestApi, type TestApiOptions } from "@tsilium/testkit/api-server.ts";
import { policyDefinitions, installDefinition } from "@tsilium/app-operator/crds";
import { Barrier } from "../../barrier.ts";
import { endpointSliceTable, followServices, serviceTable } from "../../node/watches.ts";
import { Watches } from "../../watches.ts";
import { PolicyInputs } from "./inputs.ts";
import { type PolicyInput, subjectKeyOf } from "./model.ts";
import { NamedPorts } from "./named-ports.ts";
import type { PolicyKinds } from "./objects.ts";

const log = createLog({ level: "fatal", base: {} });

/** An agent's inputs, and a worker that only remembers the last word on everything. */
function startAgent(api: TestApi, signal: AbortSignal, kinds: Partial<PolicyKinds> = {}) {
  const watches = new Watches(api.connect(), log);
  const identities = new Table<Identity>({ name: "identities", key: ({ id }) => String(id) });
  const namedPorts = new NamedPorts();
  const ipcache = new Ipcache();
  const services = serviceTable();
  const slices = endpointSliceTable();
  const inputs = new PolicyInputs({
    watches,
    kinds: { networkPolicies: true, clusterNetworkPolicies: true, ...kinds },
    identities,
    namedPorts,
    ipcache: ipcache.table,
    services,
    slices,
  });
  const worker = () => {
    const known = new Map<string, PolicyInput>();
    const subscription = inputs.subscribe((batch) => {
      for (const input of structuredClone(batch)) {
        if (input.kind.endsWith("-gone")) known.delete(subjectKeyOf(input));
        else known.set(subjectKeyOf(input), input);
      }
    });
    return { known, subscription, keys: () => [...known.keys()].sort() };
  };
  const started = Promise.all([
    inputs.start(signal),
    followServices(watches, { services, slices }, signal),
  ]).then(() => inputs.complete());
  const barrier = new Barrier(watches, []);
  const caughtUp = async (object: { metadata: { resourceVersion?: string } }) => {
    const version = BigInt(object.metadata.resourceVersion ?? "");
    assert.deepEqual(await barrier.pass(version, AbortSignal.timeout(5_000)), []);
    inputs.flush();
  };
  return { inputs, identities, namedPorts, ipcache, watches, worker, started, caughtUp };
}

async function withApi(
  body: (api: TestApi, signal: AbortSignal) => Promise<void>,
  options: TestApiOptions = {},
): Promise<void> {
  await using api = await startTestApi(options);
  const stop = new AbortController();
  try {
    await body(api, AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]));
  } finally {
    stop.abort(new Error("the test is over"));
  }
}

const networkPolicy: NetworkPolicy = {
  metadata: { name: "deny", namespace: "default" },
  spec: { podSelector: {}, policyTypes: ["Ingress"] },
};
const ciliumPolicy: CiliumNetworkPolicy = {
  metadata: { name: "web", namespace: "default" },
  spec: { endpointSelector: {}, ingress: [{}] },
};
const clusterPolicy: ClusterNetworkPolicy = {
  metadata: { name: "guard" },
  spec: {
    tier: "Admin",
    priority: 10,
    subject: { namespaces: {} },
    ingress: [{ action: "Deny", from: [{ namespaces: {} }] }],
  },
};
const own = ["service/default/kubernetes", "synced"];

test("every kind of policy is told whole, with what kind it is, and its end too", () =>
  withApi(async (api, signal) => {
    const { client } = api;
    await client.create(resources.networkPolicies, networkPolicy, { signal });
    const { worker, started, caughtUp, inputs } = startAgent(api, signal);
    const { known, keys } = worker();
    await started;
    await inputs.synced;
    assert.deepEqual(keys(), ["policy/NetworkPolicy/default/deny", ...own]);
    await client.create(resources.ciliumNetworkPolicies, ciliumPolicy, { signal });
    await client.create(
      resources.ciliumClusterwideNetworkPolicies,
      { ...ciliumPolicy, metadata: { name: "all" } },
      { signal },
    );
    await client.create(resources.clusterNetworkPolicies, clusterPolicy, { signal });
    await caughtUp(
      await client.create(
        resources.ciliumCidrGroups,
        { metadata: { name: "office" }, spec: { externalCIDRs: ["192.0.2.0/24"] } },
        { signal },
      ),
    );
    assert.deepEqual(keys(), [
      "cidr-group/office",
      "policy/CiliumClusterwideNetworkPolicy//all",
      "policy/CiliumNetworkPolicy/default/web",
      "policy/ClusterNetworkPolicy//guard",
      "policy/NetworkPolicy/default/deny",
      ...own,
    ]);
    const input = known.get("policy/NetworkPolicy/default/deny");
    assert.ok(input?.kind === "policy");
    const { apiVersion, kind, metadata, ...rest } = input.object;
    assert.deepEqual(
      { apiVersion, kind, rest, generation: metadata.generation },
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        rest: { spec: networkPolicy.spec },
        generation: 1,
      },
    );
    await client.delete(resources.networkPolicies, "deny", { namespace: "default", signal });
    await caughtUp(
      await client.create(
        resources.networkPolicies,
        { ...networkPolicy, metadata: { name: "other", namespace: "default" } },
        { signal },
      ),
    );
    assert.ok(!known.has("policy/NetworkPolicy/default/deny"));
  }));

test("what others write into a policy's status is no change of the policy", () =>
  withApi(async (api, signal) => {
    const { client } = api;
    const created = await client.create(resources.ciliumNetworkPolicies, ciliumPolicy, { signal });
    const { inputs, started, caughtUp } = startAgent(api, signal);
    await started;
    const told: string[] = [];
    inputs.subscribe((batch) => void told.push(...batch.map(subjectKeyOf)));
    inputs.flush();
    told.length = 0;
    const conditions = [{ type: "Valid", status: "True" as const }];
    const at = { namespace: "default", signal };
    await caughtUp(
      await client.patchStatus(resources.ciliumNetworkPolicies, "web", {
        ...at,
        status: { conditions },
      }),
    );
    assert.deepEqual(told, []);
    const patch = { metadata: { annotations: { "policy.tsilium.io/enforcement": "audit" } } };
    await caughtUp(
      await client.patch(resources.ciliumNetworkPolicies, "web", { ...at, type: "merge", patch }),
    );
    assert.deepEqual(told, ["policy/CiliumNetworkPolicy/default/web"]);
    assert.notEqual(created.metadata.resourceVersion, undefined);
  }));

test("kinds that are switched off are not followed", () =>
  withApi(async (api, signal) => {
    await api.client.create(resources.networkPolicies, networkPolicy, { signal });
    const kinds = { networkPolicies: false, clusterNetworkPolicies: false };
    const { worker, started, inputs, watches } = startAgent(api, signal, kinds);
    const { keys } = worker();
    await started;
    inputs.flush();
    assert.deepEqual(keys(), own);
    assert.deepEqual([...watches.table.values()].map(({ name }) => name).sort(), [
      "ciliumcidrgroups",
      "ciliumclusterwidenetworkpolicies",
      "ciliumnetworkpolicies",
      "endpointslices",
      "services",
    ]);
  }));

test("a cluster without ClusterNetworkPolicy is complete, and one that gets it later is followed from then on", () =>
  withApi(
    async (api, signal) => {
      const { client } = api;
      const late = policyDefinitions.filter(
        ({ spec }) => spec.group === "policy.networking.k8s.io",
      );
      for (const definition of policyDefinitions)
        if (!late.includes(definition)) await installDefinition(client, definition, signal);
      const { worker, started, caughtUp, inputs, watches } = startAgent(api, signal);
      const { keys } = worker();
      await started;
      inputs.flush();
      assert.deepEqual(keys(), own);
      for (const definition of late) await installDefinition(client, definition, signal);
      await caughtUp(
        await client.create(resources.clusterNetworkPolicies, clusterPolicy, { signal }),
      );
      assert.deepEqual(keys(), ["policy/ClusterNetworkPolicy//guard", ...own]);

      const [name = ""] = late.map(({ metadata }) => metadata.name ?? "");
      await client.deleteCollection(resources.clusterNetworkPolicies, { signal });
      await client.delete(resources.customResourceDefinitions, name, { signal });
      const patch = { metadata: { finalizers: [] } };
      await client
        .patch(resources.customResourceDefinitions, name, { type: "merge", patch, signal })
        .catch(() => undefined);
      await caughtUp(await client.create(resources.networkPolicies, networkPolicy, { signal }));
      assert.deepEqual(keys(), ["policy/NetworkPolicy/default/deny", ...own]);
      assert.equal(watches.table.has("clusternetworkpolicies"), false);
    },
    { definitions: false },
  ));

test("a worker that starts anew hears all that holds, and no more than one that was there from the first", () =>
  withApi(async (api, signal) => {
    const { client } = api;
    await client.create(resources.networkPolicies, networkPolicy, { signal });
    const { worker, started, inputs, identities, namedPorts, ipcache } = startAgent(api, signal);
    const first = worker();
    await started;
    identities.upsert({ id: 300, labels: Labels.parse(["k8s:app=web"]), reserved: false });
    namedPorts.set("endpoint/1", 300, [{ name: "http", protocol: 6, port: 80 }]);
    namedPorts.set("endpoint/2", 301, [{ name: "http", protocol: 6, port: 81 }]);
    const prefix = Prefix.parse("10.244.0.7/32");
    const claim = { prefix, source: "local", owner: "endpoint/1", identity: 300 } as const;
    const pod = { namespace: "default", podName: "web", ownerUid: "uid-1" };
    ipcache.claim({ ...claim, ...pod, hostIp: undefined });
    inputs.flush();
    const second = worker();
    inputs.flush();
    assert.deepEqual(second.known, first.known);
    assert.deepEqual(second.known.get("identity/300"), {
      kind: "identity",
      id: 300,
      labels: ["k8s:app=web"],
      namedPorts: [{ name: "http", protocol: 6, port: 80 }],
    });
    assert.deepEqual(second.known.get("address/10.244.0.7/32"), {
      kind: "address",
      prefix: "10.244.0.7/32",
      identity: 300,
      hostIp: undefined,
      owner: "default/web/uid-1",
    });
    first.subscription[Symbol.dispose]();
    identities.delete("300");
    inputs.flush();
    assert.equal(second.known.has("identity/300"), false);
    assert.equal(first.known.has("identity/300"), true);
  }));

test("IP recycled from pod to pod of one identity and name: the new owner is told", () =>
  withApi(async (api, signal) => {
    const { worker, started, inputs, ipcache } = startAgent(api, signal);
    const { known } = worker();
    await started;
    const claim = {
      prefix: Prefix.parse("10.244.1.9/32"),
      source: "custom-resource" as const,
      owner: "ciliumendpoint/shop/cart",
      identity: 300,
      hostIp: undefined,
      namespace: "shop",
      podName: "cart",
    };
    const owners: unknown[] = [];
    for (const ownerUid of ["uid-1", "uid-2"]) {
      ipcache.claim({ ...claim, ownerUid });
      inputs.flush();
      const input = known.get("address/10.244.1.9/32");
      owners.push(input?.kind === "address" && input.owner);
    }
    assert.deepEqual(owners, ["shop/cart/uid-1", "shop/cart/uid-2"]);
  }));
