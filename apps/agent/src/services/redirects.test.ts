// Against a real API server, with and without the policies' definition.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CiliumLocalRedirectPolicy, resources } from "@tsilium/kube";
import { createLog } from "@tsilium/runtime";
import { startTestApi } from "@tsilium/testkit/api-server.ts";
import { Barrier } from "../barrier.ts";
import { Watches } from "../watches.ts";
import { followRedirects, redirectTable } from "./redirects.ts";

const policy: CiliumLocalRedirectPolicy = {
  metadata: { name: "dns", namespace: "default" },
  spec: {
    redirectFrontend: { serviceMatcher: { serviceName: "kube-dns", namespace: "default" } },
    redirectBackend: {
      localEndpointSelector: { matchLabels: { app: "dns-cache" } },
      toPorts: [{ port: "53", protocol: "UDP" }],
    },
  },
};

test("policies are found by the service that they redirect, as long as they are there", async () => {
  await using api = await startTestApi();
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]);
  const watches = new Watches(api.connect(), createLog({ level: "fatal", base: {} }));
  const table = redirectTable();
  try {
    await followRedirects(watches, table, signal);
    const caughtUp = async ({ metadata }: CiliumLocalRedirectPolicy) => {
      const version = BigInt(metadata.resourceVersion ?? "");
      assert.deepEqual(await new Barrier(watches, []).pass(version, signal), []);
    };
    const { ciliumLocalRedirectPolicies: resource } = resources;
    await caughtUp(await api.client.create(resource, policy, { signal }));
    const [found] = table.by("service", "default/kube-dns");
    assert.deepEqual(found?.spec?.redirectBackend, policy.spec?.redirectBackend);
    assert.equal(table.by("namespace", "default").length, 1);
    await api.client.delete(resource, "dns", { namespace: "default", signal });
    await caughtUp(
      await api.client.create(
        resource,
        { ...policy, metadata: { name: "b", namespace: "default" } },
        { signal },
      ),
    );
    assert.deepEqual(
      table
        .values()
        .map(({ metadata }) => metadata.name)
        .toArray(),
      ["b"],
    );
  } finally {
    stop.abort(new Error("the test is over"));
  }
});

test("a cluster that has no such policies has none, and is complete", async () => {
  await using api = await startTestApi({ definitions: false });
  const stop = new AbortController();
  const watches = new Watches(api.connect(), createLog({ level: "fatal", base: {} }));
  const table = redirectTable();
  await followRedirects(watches, table, stop.signal);
  assert.equal(table.size, 0);
  stop.abort(new Error("the test is over"));
});
