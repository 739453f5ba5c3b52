// The operator: once per cluster. Wiring only.
import { KubeClient } from "@tsilium/kube";
import { createLog, type Logger, type Page, PageServer, worst } from "@tsilium/runtime";
import { ConfigError, describeKeys } from "@tsilium/runtime/config.ts";
import { keys, loadConfig, type OperatorConfig } from "./config/config.ts";
import { type Operator, startOperator } from "./operator.ts";

if (process.argv.includes("--help")) {
  console.log(`usage: operator [--key value]...\n${describeKeys(keys)}`);
} else {
  process.exitCode = await run(process.argv.slice(2));
}

/** Runs until SIGTERM or SIGINT. Answers the exit status. */
async function run(args: readonly string[]): Promise<number> {
  const config = readConfig(args);
  if (!config) return 2;
  const log = createLog({ level: config["log-level"], base: { subsystem: "operator" } });
  const stopping = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.once(name, () => stopping.abort(new Error(name)));
  const { signal } = stopping;
  try {
    using client = clientOf(config);
    let operator: Operator | undefined;
    await using _servers = await listen(config, log, () => operator);
    operator = await startOperator({ client, config, log, signal });
    log.info("operator is ready");
    await aborted(signal);
    await operator.stop();
    log.info({ reason: (signal.reason as Error).message }, "operator has stopped");
    return 0;
  } catch (error) {
    if (signal.aborted) return 0;
    log.fatal({ error }, "operator cannot go on");
    return 1;
  }
}

function readConfig(args: readonly string[]): OperatorConfig | undefined {
  try {
    return loadConfig(args, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) console.error(problem);
    return undefined;
  }
}

function clientOf({ kubeconfig }: OperatorConfig): KubeClient {
  return kubeconfig === "" ? KubeClient.inCluster() : KubeClient.fromKubeconfig(kubeconfig);
}

/** Both servers answer from the start, so that a probe tells "starting" from "dead". */
async function listen(
  config: OperatorConfig,
  log: Logger,
  operator: () => Operator | undefined,
): Promise<AsyncDisposable> {
  const pages = {
    metrics: { "/metrics": () => metricsOf(operator()) },
    health: { "/healthz": () => healthOf(operator()) },
  };
  const addresses = {
    metrics: config["operator-prometheus-serve-addr"],
    health: config["operator-api-serve-addr"],
  };
  await using servers = new AsyncDisposableStack();
  for (const server of ["metrics", "health"] as const) {
    const address = addresses[server];
    if (address === "") continue;
    const port = await servers.use(new PageServer(pages[server])).listen(address);
    log.info({ server, address, port }, "listening");
  }
  return servers.move();
}

async function metricsOf(operator: Operator | undefined): ReturnType<Page> {
  return operator?.metrics.page() ?? { status: 200, type: "text/plain", body: "" };
}

async function healthOf(operator: Operator | undefined): ReturnType<Page> {
  const parts = operator?.health() ?? [
    { name: "operator", state: "failed", message: "starting" } as const,
  ];
  const status = worst(parts) === "failed" ? 503 : 200;
  return { status, type: "application/json", body: `${JSON.stringify(parts)}\n` };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
