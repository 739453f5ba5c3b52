// The agent. Reads as its component diagram: parts are made in order of dependency and stopped in reverse.
//
//   API server --watches--> pods, namespaces, nodes, identities, CiliumEndpoints     services
//                               |                         |                              |
//   CNI plugin --socket--> endpoints <-- re-identifier    claims --> ipcache           writer
//                               \___________ reconcilers ____________/                   |
//                                               |    ___________________________________/
//                                        datapath (kernel)
//
// This file makes what can exist before the node is known; node/parts.ts makes the rest.
import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { IdentityAllocator } from "@tsilium/identity";
import { NodeDiscovery, NodePublisher } from "@tsilium/node";
import { createLog } from "@tsilium/runtime";
import { ConfigError, describeKeys, type Override } from "@tsilium/runtime/config.ts";
import manifest from "../../../package.json" with { type: "json" };
import { type CniCommands, CniService } from "./cni/service.ts";
import { type AgentConfig, keys } from "./config/keys.ts";
import { type LoadedConfig, loadConfig } from "./config/load.ts";
import { nodeSettingsHealth } from "./config/node-config/health.ts";
import { type ResolvedSettings, resolveNodeSettings } from "./config/node-config/resolve.ts";
import { Health } from "./health.ts";
import { chooseIpam } from "./ipam/start.ts";
import { kubeClient } from "./kube.ts";
import { Late } from "./late.ts";
import { Metrics } from "./metrics.ts";
import { LocalNode } from "./node/local.ts";
import { startNode } from "./node/parts.ts";
import { listen } from "./rest/listen.ts";
import type { NodeParts } from "./rest/parts.ts";
import { Startup } from "./startup.ts";
import { Watches } from "./watches.ts";

const { version } = manifest;

async function run(common: LoadedConfig, stop: AbortSignal): Promise<void> {
  const nodeName = common.values["k8s-node-name"] || hostname();
  const runDir = common.values["run-dir"];
  mkdirSync(join(runDir, "state"), { recursive: true, mode: 0o700 });

  // What this node does otherwise than others
  const nodeSettings = await settingsOf(nodeName, common.values, stop);
  const loaded = load(nodeSettings.overrides);
  const config = loaded.values;
  const log = createLog({ level: config["log-level"], base: { node: nodeName } });
  for (const problem of [...nodeSettings.problems, ...loaded.ignored])
    log.warn({ problem }, "a setting for this node is ignored");
  const startup = new Startup(log);
  await using parts = new AsyncDisposableStack();

  // What is asked from outside
  const health = new Health();
  const metrics = new Metrics(version);
  const commands = new Late<CniCommands>(() => startup.current);
  const nodeParts = new Late<NodeParts>(() => startup.current);
  const cni = new CniService({
    commands: commands.promise,
    startingMessage: () => startup.current,
    log: log.child({ part: "cni" }),
    onServed: (command, code, durationMs) =>
      metrics.cniProcessTime.observe({ command, code: String(code) }, durationMs / 1000),
  });
  health.register("agent", () => startup.health());
  health.register("node configuration", () => nodeSettingsHealth(nodeSettings, loaded.ignored));
  const listening = parts.use(
    await listen({
      version,
      nodeName,
      config: loaded,
      health,
      metrics,
      cni,
      parts: nodeParts,
      log,
    }),
  );

  // What the API server tells
  const client = parts.use(kubeClient(config));
  const watches = new Watches(client, log.child({ part: "watches" }));
  const identities = new IdentityAllocator({
    client,
    log: log.child({ part: "identities" }),
    observer: watches.observe("identities"),
  });
  const discovery = new NodeDiscovery({
    client,
    localName: nodeName,
    observer: watches.observe("nodes"),
  });
  const publisher = parts.use(
    new NodePublisher({ client, nodes: discovery.table, log: log.child({ part: "node" }) }),
  );
  const families = ([4, 6] as const).filter((family) => config[`enable-ipv${family}`]);
  const ipamSource = chooseIpam({
    config,
    nodeName,
    families,
    client,
    watches,
    discovery,
    stateDir: join(runDir, "state"),
    log: log.child({ part: "ipam" }),
  });
  const localNode = new LocalNode({
    name: nodeName,
    families,
    watches,
    publisher,
    ipam: ipamSource,
    log,
  });
  health.register("watches", () => watches.health());

  // What is on this node
  const node = parts.use(
    await startNode({
      config,
      version,
      nodeName,
      families,
      log,
      startup,
      stop,
      health,
      metrics,
      client,
      watches,
      identities,
      discovery,
      publisher,
      localNode,
      ipamSource,
    }),
  );
  nodeParts.set(node.routes);
  commands.set(node.commands);
  parts.defer(() => listening.endStreams());
  parts.defer(() => cni.stop());
  startup.ready();
  node.startHubble();

  await new Promise<void>((resolve) =>
    stop.addEventListener("abort", () => resolve(), { once: true }),
  );
  log.info({ reason: String(stop.reason) }, "stopping; what is in the kernel stays");
}

/** With a client of its own: the agent's is made of the settings that this one asks for. */
async function settingsOf(
  nodeName: string,
  config: AgentConfig,
  signal: AbortSignal,
): Promise<ResolvedSettings> {
  using client = kubeClient(config);
  return await resolveNodeSettings({
    client,
    namespace: config["k8s-namespace"],
    nodeName,
    file: join(config["run-dir"], "state", "node-config.json"),
    log: createLog({ level: config["log-level"], base: { node: nodeName } }),
    signal,
  });
}

function load(overrides: readonly Override[] = []): LoadedConfig {
  const args = process.argv.slice(2);
  if (args.includes("--help")) {
    process.stdout.write(
      `tsilium agent: connects the pods of this node (docs/configuration.md)\n\n${describeKeys(keys)}\n`,
    );
    process.exit(0);
  }
  if (args.includes("--version")) {
    process.stdout.write(`${version}\n`);
    process.exit(0);
  }
  try {
    return loadConfig(args, process.env, overrides);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) process.stderr.write(`agent: ${problem}\n`);
    process.exit(2);
  }
}

const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.on(signal, () => stopping.abort(signal));
try {
  await run(load(), stopping.signal);
} catch (error) {
  // Whatever it waited for when it was told to stop ends with that.
  if (!stopping.signal.aborted) throw error;
}
process.exit(0);
