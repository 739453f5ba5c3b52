// The page of flows: a server for browsers, between them and relay. Wiring only.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { KubeClient } from "@tsilium/kube";
import { createLog, type Logger, parseListenAddress } from "@tsilium/runtime";
import { ConfigError, describeKeys } from "@tsilium/runtime/config.ts";
import { keys, listenTls, loadConfig, readToken, type UiConfig } from "./config.ts";
import { loadAssets } from "./http/assets.ts";
import { relayTls } from "./relay/tls.ts";
import { type Ui, startUi } from "./ui.ts";

const usage = `Hubble UI: a page of the cluster's flows, for browsers

usage: ui [--key value]...        keys may also be in the environment: TSILIUM_RELAY=unix:///run/relay.sock
`;

if (process.argv.includes("--help")) {
  console.log(`${usage}\n${describeKeys(keys)}`);
} else {
  process.exitCode = await run(process.argv.slice(2));
}

/** Runs until SIGTERM or SIGINT. Answers the exit status. */
async function run(args: readonly string[]): Promise<number> {
  const config = readConfig(args);
  if (!config) return 2;
  const log = createLog({ level: config["log-level"], base: { subsystem: "ui" } });
  try {
    await using ui = await start(config, log);
    const stopped = stopSignal();
    const { port } = ui;
    const { host = "" } = parseListenAddress(config.listen);
    const scheme = config["listen-tls-cert-file"] === "" ? "http" : "https";
    const shownHost = host.includes(":") ? `[${host}]` : host;
    log.info(
      { url: `${scheme}://${shownHost}:${port}/`, relay: config.relay },
      "the page is served",
    );
    if (scheme === "http" && config["token-file"] !== "" && !/^(127\.|localhost|::1)/.test(host))
      log.warn("the token travels in clear: give listen-tls-cert-file");
    const reason = await stopped;
    // An open channel to who started us would keep this process, and who waits for its end.
    if (process.connected) process.disconnect?.();
    log.info({ reason }, "ui has stopped");
    return 0;
  } catch (error) {
    log.fatal({ error }, "ui cannot go on");
    return 1;
  }
}

function start(config: UiConfig, log: Logger): Promise<Ui> {
  const { host = "::", port } = parseListenAddress(config.listen);
  const token = readToken(config);
  const tls = listenTls(config);
  const client = kubeClient(config);
  return startUi({
    relay: { address: config.relay, tls: relayTls(config) },
    client,
    assets: loadAssets(config["page-folder"] === "" ? builtPage() : config["page-folder"]),
    listen: { host, port },
    names: config.host,
    tls,
    token,
    log,
  });
}

/** dist/js/ui.mjs and apps/ui/src/main.ts both find dist/ui. */
function builtPage(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.endsWith("js") ? join(here, "../ui") : join(here, "../../../dist/ui");
}

function kubeClient({ kubeconfig }: UiConfig): KubeClient | undefined {
  if (kubeconfig !== "") return KubeClient.fromKubeconfig(kubeconfig);
  return process.env["KUBERNETES_SERVICE_HOST"] === undefined ? undefined : KubeClient.inCluster();
}

function readConfig(args: readonly string[]): UiConfig | undefined {
  try {
    return loadConfig(args, process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) console.error(problem);
    return undefined;
  }
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
    // `tsilium lab ui` that was killed leaves nobody behind.
    process.once("disconnect", () => resolve("who started it is gone"));
  });
}
