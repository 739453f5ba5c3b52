// Against a real API server.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { resources } from "@tsilium/kube";
import { createLog } from "@tsilium/runtime";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { loadConfig } from "../load.ts";
import { nodeSettingsHealth } from "./health.ts";
import { resolveNodeSettings } from "./resolve.ts";

const log = createLog({ level: "fatal" });

async function withApi(
  body: (world: {
    readonly api: TestApi;
    readonly signal: AbortSignal;
    readonly file: string;
    readonly resolve: () => ReturnType<typeof resolveNodeSettings>;
    readonly add: (name: string, defaults: Record<string, string>) => Promise<void>;
  }) => Promise<void>,
  definitions = true,
): Promise<void> {
  await using api = await startTestApi({ definitions });
  const folder = mkdtempSync(join(tmpdir(), "tsilium-node-config-"));
  const signal = AbortSignal.timeout(20_000);
  const file = join(folder, "node-config.json");
  const resolve = () =>
    resolveNodeSettings({
      client: api.connect(),
      namespace: "kube-system",
      nodeName: "node-1",
      file,
      log,
      signal,
    });
  const add = async (name: string, defaults: Record<string, string>) => {
    await api.client.create(
      resources.ciliumNodeConfigs,
      {
        metadata: { name, namespace: "kube-system" },
        spec: { defaults, nodeSelector: { matchLabels: { pool: "fast" } } },
      },
      { signal },
    );
  };
  try {
    await body({ api, signal, file, resolve, add });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a cluster without the kind has no settings of nodes", () =>
  withApi(async ({ resolve }) => {
    assert.deepEqual(await resolve(), { overrides: [], problems: [] });
  }, false));

test("settings stand above the folder and below flags; what is wrong is told of, and nothing else suffers", () =>
  withApi(async ({ api, signal, file, resolve, add }) => {
    const metadata = { name: "node-1", labels: { pool: "fast" } };
    await api.client.create(resources.nodes, { metadata }, { signal });
    await add("fast", {
      mtu: "9000",
      "tunnel-port": "x",
      "tunnel-prot": "vxlan",
      "cluster-name": "c",
    });
    const settings = await resolve();
    const dir = join(file, "..", "config");
    mkdirSync(dir);
    writeFileSync(join(dir, "mtu"), "1400");
    writeFileSync(join(dir, "tunnel-port"), "4789");
    const loaded = loadConfig(["--config-dir", dir, "--cluster-name=mine"], {}, settings.overrides);
    const shown = ["mtu", "tunnel-port", "cluster-name"] as const;
    assert.deepEqual(
      shown.map((key) => `${loaded.values[key]} ${loaded.sources[key]}`),
      ["9000 cilium-node-config:kube-system/fast", "4789 config-dir", "mine flag"],
    );
    const health = nodeSettingsHealth(settings, loaded.ignored);
    assert.equal(health.state, "degraded");
    assert.deepEqual(health.message.split("; "), [
      'cilium-node-config:kube-system/fast: tunnel-port: wanted a whole number from 1 to 65535, got "x"',
      'cilium-node-config:kube-system/fast: unknown key "tunnel-prot", did you mean "tunnel-port"?',
      "cilium-node-config:kube-system/fast: cluster-name: the flag is stronger",
    ]);
  }));

test("a node that is not labelled so has none of them, and says so", () =>
  withApi(async ({ api, signal, resolve, add }) => {
    await api.client.create(resources.nodes, { metadata: { name: "node-1" } }, { signal });
    await add("fast", { mtu: "9000" });
    assert.deepEqual(nodeSettingsHealth(await resolve(), []), {
      state: "ok",
      message: "no CiliumNodeConfig is for this node",
    });
  }));

test("a first start waits for its Node; a later one without the API server goes on as the last did", () =>
  withApi(async ({ api, signal, file, resolve, add }) => {
    await add("fast", { mtu: "9000" });
    let resolved = false;
    const first = resolve().finally(() => (resolved = true));
    await sleep(200);
    assert.equal(resolved, false);
    const metadata = { name: "node-1", labels: { pool: "fast" } };
    await api.client.create(resources.nodes, { metadata }, { signal });
    const expected = [{ key: "mtu", text: "9000", source: "cilium-node-config:kube-system/fast" }];
    assert.deepEqual((await first).overrides, expected);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    await api.restart(async () => {
      const later = await resolve();
      assert.deepEqual(later.overrides, expected);
      assert.match(nodeSettingsHealth(later, []).message, /^1 keys of .*, as at the last start: /);
      writeFileSync(file, "{broken");
      const gaveUp = new AbortController();
      const never = resolveNodeSettings({
        client: api.connect(),
        namespace: "kube-system",
        nodeName: "node-1",
        file,
        log,
        signal: gaveUp.signal,
      });
      await sleep(100);
      gaveUp.abort(new Error("gave up"));
      await assert.rejects(never, /gave up/);
    });
  }));
