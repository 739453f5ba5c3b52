// The agent. Reads as its component diagram: parts are made in order of dependency and stopped in reverse.
//
//   API server --watches--> pods, namespaces, nodes, identities, CiliumEndpoints
//                               |                         |
//   CNI plugin --socket--> endpoints <-- re-identifier    claims --> ipcache
//                               \___________ reconcilers ____________/
//                                               |
//                                        datapath (kernel)
//
// This file makes what can exist before the node is known; node/parts.ts makes the rest.
import "./heap.ts";
import { mkdirSync } from "node:fs";
import { hostname, release } from "node:os";
import { join } from "node:path";
import { IdentityAllocator } from "@tsilium/identity";
import { NodeDiscovery, NodePublisher } from "@tsilium/node";
import { createLog, PageServer, worst } from "@tsilium/runtime";
import { ConfigError, describeKeys } from "@tsilium/runtime/config.ts";
import manifest from "../../../package.json" with { type: "json" };
import { type CniCommands, CniService } from "./cni/service.ts";
import { keys } from "./config/keys.ts";
import { configView, type LoadedConfig, loadConfig } from "./config/load.ts";
import { Health } from "./health.ts";
import { kubeClient } from "./kube.ts";
import { Late } from "./late.ts";
import { Metrics } from "./metrics.ts";
import { LocalNode } from "./node/local.ts";
import { startNode } from "./node/parts.ts";
import type { NodeParts } from "./rest/parts.ts";
import { agentRoutes } from "./rest/routes.ts";
import { ApiServer } from "./rest/server.ts";
import { Startup } from "./startup.ts";
import { Watches } from "./watches.ts";

const { version } = manifest;

async function run({ values: config, sources }: LoadedConfig, stop: AbortSignal): Promise<void> {
  const nodeName = config["k8s-node-name"] || hostname();
  const runDir = config["run-dir"];
  mkdirSync(join(runDir, "state"), { recursive: true, mode: 0o700 });
  const log = createLog({ level: config["log-level"], base: { node: nodeName } });
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
  const healthBody = () => {
    const found = health.parts();
    const { ipv4, ipv6 } = nodeParts.current?.addresses ?? {};
    const node = {
      name: nodeName,
      // Absent in JSON until they are known.
      ipv4: ipv4?.toString(),
      ipv6: ipv6?.toString(),
      kernel: release(),
      uptimeSeconds: Math.round(process.uptime()),
    };
    return { state: worst(found), version, node, parts: found };
  };
  const api = parts.use(
    new ApiServer({
      routes: agentRoutes({
        version,
        health: healthBody,
        config: configView({ values: config, sources }),
        cni,
        metrics,
        parts: nodeParts,
      }),
      onServed: ({ method, path, status, durationMs }) =>
        metrics.apiProcessTime.observe(
          { method, path, return_code: String(status) },
          durationMs / 1000,
        ),
      onError: (error, served) => log.error({ error, ...served }, "a request failed"),
    }),
  );
  const pages = {
    "/healthz": async () => {
      const body = healthBody();
      return {
        status: body.state === "failed" ? 503 : 200,
        type: "application/json",
        body: JSON.stringify(body),
      };
    },
    "/metrics": async () => ({
      status: 200,
      type: metrics.registry.contentType,
      body: await metrics.registry.metrics(),
    }),
  };
  const healthServer = parts.use(new PageServer({ "/healthz": pages["/healthz"] }));
  const metricsServer = parts.use(new PageServer({ "/metrics": pages["/metrics"] }));
  health.register("agent", () => startup.health());
  await api.listen(join(runDir, "tsilium.sock"));
  if (config["agent-health-port"] > 0)
    await healthServer.listen(`127.0.0.1:${config["agent-health-port"]}`);
  if (config["prometheus-serve-addr"] !== "")
    await metricsServer.listen(config["prometheus-serve-addr"]);

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
  const localNode = new LocalNode({ name: nodeName, families, watches, discovery, publisher, log });
  health.register("watches", () => watches.health());

  // What is on this node
  const node = parts.use(
    await startNode({
      config,
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
    }),
  );
  nodeParts.set(node.routes);
  commands.set(node.commands);
  parts.defer(() => api.endStreams());
  parts.defer(() => cni.stop());
  startup.ready();

  await new Promise<void>((resolve) =>
    stop.addEventListener("abort", () => resolve(), { once: true }),
  );
  log.info({ reason: String(stop.reason) }, "stopping; what is in the kernel stays");
}

function load(): LoadedConfig {
  const args = process.argv.slice(2);
  if (args.includes("--help")) {
    process.stdout.write(
      `tsilium agent: connects the pods of this node\n\n${describeKeys(keys)}\n`,
    );
    process.exit(0);
  }
  try {
    return loadConfig(args, process.env);
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
