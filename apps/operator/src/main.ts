// The operator: several may run, one of them works (leader-election/seat.ts). Wiring only.
import type { LeaderElection } from "@tsilium/kube";
import {
  createLog,
  type Logger,
  type Page,
  PageServer,
  type PartHealth,
  worst,
} from "@tsilium/runtime";
import { ConfigError, describeKeys } from "@tsilium/runtime/config.ts";
import { keys, loadConfig, type OperatorConfig } from "./config/config.ts";
import { leadershipHealth, standbyMetrics } from "./leader-election/pages.ts";
import { takeSeat } from "./leader-election/seat.ts";
import { type Operator, startOperator } from "./operator.ts";

/** As long as somebody who stops the operator likes to wait. */
const releaseTimeoutMs = 2_000;

if (process.argv.includes("--help")) {
  console.log(`usage: operator [--key value]...\n${describeKeys(keys)}`);
} else {
  process.exitCode = await run(process.argv.slice(2));
}

/** Runs until SIGTERM or SIGINT, or until another operator leads. Answers the exit status. */
async function run(args: readonly string[]): Promise<number> {
  const config = readConfig(args);
  if (!config) return 2;
  const log = createLog({ level: config["log-level"], base: { subsystem: "operator" } });
  const stopping = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.once(name, () => stopping.abort(new Error(name)));
  try {
    using seat = takeSeat(config, log);
    const { client, election } = seat;
    const signal = AbortSignal.any([stopping.signal, election.lost]);
    let operator: Operator | undefined;
    await using _servers = await listen(config, log, { election, operator: () => operator });
    await election.acquire(stopping.signal);
    log.info({ holder: election.holder, transitions: election.transitions }, "leads");
    operator = await startOperator({
      client,
      config,
      mayWrite: () => election.assertLeading(),
      log,
      signal,
    });
    log.info("operator is ready");
    await aborted(signal);
    await operator.stop();
    // Nothing writes any more: the next one need not wait.
    await election.release(AbortSignal.timeout(releaseTimeoutMs));
    return endOf(election, stopping.signal, log);
  } catch (error) {
    if (isReason(error, stopping.signal)) return 0;
    log.fatal({ error }, "operator cannot go on");
    return 1;
  } finally {
    stopping.abort(new Error("ended"));
  }
}

/** An operator that lost its Lease ends, as one that failed: whatever keeps it running starts it anew, as a candidate. */
function endOf(election: LeaderElection, stop: AbortSignal, log: Logger): number {
  if (!election.lost.aborted) {
    log.info({ reason: (stop.reason as Error).message }, "operator has stopped");
    return 0;
  }
  const { message } = election.lost.reason as Error;
  log.error({ reason: message, holder: election.holder }, "operator has stopped: it leads no more");
  return 1;
}

/** Whether something ended because the signal said so. */
function isReason(error: unknown, { aborted, reason }: AbortSignal): boolean {
  return aborted && (error === reason || (error as Error).cause === reason);
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

type Shown = {
  readonly election: LeaderElection;
  /** Undefined: it waits, or starts. */
  readonly operator: () => Operator | undefined;
};

/** Both servers answer from the start, so that a probe tells "starting" from "dead". */
async function listen(config: OperatorConfig, log: Logger, shown: Shown): Promise<AsyncDisposable> {
  const pages = {
    metrics: { "/metrics": () => metricsOf(shown) },
    health: { "/healthz": () => healthOf(shown) },
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

async function metricsOf({ operator }: Shown): ReturnType<Page> {
  return operator()?.metrics.page() ?? standbyMetrics();
}

async function healthOf({ election, operator }: Shown): ReturnType<Page> {
  const parts = [leadershipHealth(election), ...partsOf(election, operator())];
  const status = worst(parts) === "failed" ? 503 : 200;
  return { status, type: "application/json", body: `${JSON.stringify(parts)}\n` };
}

/** One that waits for another to fail is as it should be. */
function partsOf({ isLeading }: LeaderElection, operator: Operator | undefined): PartHealth[] {
  if (operator) return operator.health();
  return isLeading ? [{ name: "operator", state: "failed", message: "starting" }] : [];
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
