// Hubble relay: once per cluster. Wiring only.
import { hostname } from "node:os";
import { type Relay, startRelay } from "@tsilium/hubble/relay/index.ts";
import { createLog, type Logger, PageServer, worst } from "@tsilium/runtime";
import { ConfigError, describeKeys } from "@tsilium/runtime/config.ts";
import manifest from "../../../package.json" with { type: "json" };
import { keys, loadConfig, type RelayConfig } from "./config.ts";
import { peerTlsOf, socketsOf } from "./sockets.ts";

const { version } = manifest;
const usage = `Hubble relay: one endpoint for the flows of all nodes (docs/hubble-relay.md)

usage: relay [--key value]...        keys may also be in the environment: TSILIUM_LISTEN_ADDRESS=:4245
`;

if (process.argv.includes("--help")) {
  console.log(`${usage}\n${describeKeys(keys)}`);
} else if (process.argv.includes("--version")) {
  console.log(version);
} else {
  process.exitCode = await run(process.argv.slice(2));
}

/** Runs until SIGTERM or SIGINT. Answers the exit status. */
async function run(args: readonly string[]): Promise<number> {
  const config = readConfig(args);
  if (!config) return 2;
  const log = createLog({ level: config["log-level"], base: { subsystem: "relay" } });
  const stopped = signalled();
  try {
    await using relay = await start(config, log);
    await using _pages = await listen(config, relay, log);
    log.info({ addresses: relay.server.addresses }, "relay is ready");
    log.info({ signal: await stopped }, "relay stops");
    return 0;
  } catch (error) {
    log.fatal({ error }, "relay cannot go on");
    return 1;
  }
}

function readConfig(args: readonly string[]): RelayConfig | undefined {
  try {
    return loadConfig(args, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) console.error(`relay: ${problem}`);
    return undefined;
  }
}

function start(config: RelayConfig, log: Logger): Promise<Relay> {
  return startRelay({
    peerServices: config["peer-service"],
    tls: peerTlsOf(config),
    clusterName: config["cluster-name"],
    dialTimeoutMs: config["dial-timeout"],
    retryTimeoutMs: config["retry-timeout"],
    sockets: socketsOf(config),
    nodeName: hostname(),
    version: `tsilium v${version}`,
    sortBufferLenMax: config["sort-buffer-len-max"],
    sortBufferDrainTimeoutMs: config["sort-buffer-drain-timeout"],
    log,
  });
}

async function listen(config: RelayConfig, relay: Relay, log: Logger): Promise<AsyncDisposable> {
  const pages = {
    metrics: { "/metrics": relay.metrics.page },
    health: { "/healthz": async () => healthOf(relay) },
  };
  await using servers = new AsyncDisposableStack();
  for (const server of ["metrics", "health"] as const) {
    const address = config[`${server}-listen-address`];
    if (address === "") continue;
    const port = await servers.use(new PageServer(pages[server])).listen(address);
    log.info({ server, address, port }, "listening");
  }
  return servers.move();
}

function healthOf(relay: Relay) {
  const parts = relay.health();
  const status = worst(parts) === "failed" ? 503 : 200;
  return { status, type: "application/json", body: `${JSON.stringify(parts)}\n` };
}

function signalled(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
}
