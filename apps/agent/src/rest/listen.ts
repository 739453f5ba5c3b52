// Where the agent is asked from outside: the REST API and CNI on its socket, /healthz for the kubelet,
// /metrics for Prometheus. All of them answer from the start, so that "starting" can be told from "dead".
import { release } from "node:os";
import { join } from "node:path";
import { type Logger, PageServer, worst } from "@tsilium/runtime";
import type { CniService } from "../cni/service.ts";
import { configView, type LoadedConfig } from "../config/load.ts";
import type { Health } from "../health.ts";
import type { Late } from "../late.ts";
import type { Metrics } from "../metrics.ts";
import type { NodeParts } from "./parts.ts";
import { agentRoutes } from "./routes.ts";
import { ApiServer } from "./server.ts";

export type ListenOptions = {
  readonly version: string;
  readonly nodeName: string;
  readonly config: LoadedConfig;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly cni: CniService;
  readonly parts: Late<NodeParts>;
  readonly log: Logger;
};

export type Listening = AsyncDisposable & {
  /** Ends answers that would go on for ever. */
  readonly endStreams: () => void;
};

/** Resolves when all of them listen. @throws Error for an address that cannot be had */
export async function listen(options: ListenOptions): Promise<Listening> {
  const { version, config, metrics, cni, parts, log } = options;
  const { values } = config;
  await using servers = new AsyncDisposableStack();
  const health = () => healthBody(options);
  const api = servers.use(
    new ApiServer({
      routes: agentRoutes({ version, health, config: configView(config), cni, metrics, parts }),
      onServed: ({ method, path, status, durationMs }) =>
        metrics.apiProcessTime.observe(
          { method, path, return_code: String(status) },
          durationMs / 1000,
        ),
      onError: (error, served) => log.error({ error, ...served }, "a request failed"),
    }),
  );
  await api.listen(join(values["run-dir"], "tsilium.sock"));
  if (values["agent-health-port"] > 0) {
    const page = async () => {
      const body = health();
      const status = body.state === "failed" ? 503 : 200;
      return { status, type: "application/json", body: JSON.stringify(body) };
    };
    await servers
      .use(new PageServer({ "/healthz": page }))
      .listen(`127.0.0.1:${values["agent-health-port"]}`);
  }
  if (values["prometheus-serve-addr"] !== "") {
    await servers
      .use(new PageServer({ "/metrics": metrics.page }))
      .listen(values["prometheus-serve-addr"]);
  }
  const held = servers.move();
  return {
    endStreams: () => api.endStreams(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function healthBody({ version, nodeName, health, parts }: ListenOptions) {
  const found = health.parts();
  const { ipv4, ipv6 } = parts.current?.addresses ?? {};
  const node = {
    name: nodeName,
    // Absent in JSON until they are known.
    ipv4: ipv4?.toString(),
    ipv6: ipv6?.toString(),
    kernel: release(),
    uptimeSeconds: Math.round(process.uptime()),
  };
  return { state: worst(found), version, node, parts: found };
}
