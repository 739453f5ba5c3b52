// Names on a node: takes up what an earlier agent knew, and starts rounds of collecting.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Datapath } from "@tsilium/datapath";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { defaultLimits, NameBook, refusalOf, selectorOf } from "@tsilium/fqdn";
import type { LocalIdentities } from "@tsilium/identity";
import type { Ipcache } from "@tsilium/ipcache";
import type { Service } from "@tsilium/kube";
import { Address, type Family, type Prefix } from "@tsilium/net";
import type { ResolvedName } from "@tsilium/proxy/model.ts";
import type { Logger } from "@tsilium/runtime";
import type { Table } from "@tsilium/tables";
import type { Stage } from "../barrier.ts";
import type { Health } from "../health.ts";
import type { Metrics } from "../metrics.ts";
import type { PolicyClient } from "../policy/client.ts";
import { OwnAddresses } from "../services/own-addresses.ts";
import { Clients } from "./clients.ts";
import { ClusterAddresses } from "./cluster-addresses.ts";
import { FqdnEngine } from "./engine.ts";
import { fqdnHealth } from "./health.ts";
import { registerFqdnMetrics } from "./metrics.ts";
import { NameFile, type OpenedNames } from "./name-file.ts";
import { Placer } from "./placer.ts";
import { type FqdnViews, fqdnViews } from "./views.ts";

export type FqdnOptions = {
  readonly config: FqdnConfig;
  /** Those that pods have. */
  readonly families: readonly Family[];
  readonly datapath: { readonly conntrack: Pick<Datapath["conntrack"], "destinations"> };
  readonly endpoints: Table<Endpoint>;
  readonly ipcache: Ipcache;
  /** Of this node; the one instance that makes numbers of the table of identities. */
  readonly localIdentities: LocalIdentities;
  readonly podCidrs: () => readonly Prefix[];
  readonly apiServer: Table<Address>;
  readonly services: Table<Service>;
  readonly policy: Pick<PolicyClient, "placed" | "status">;
  /** Told when names were forgotten on request: who tells answers is to tell them again. */
  readonly onCleaned: () => void;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Logger;
};

export type FqdnConfig = {
  readonly "run-dir": string;
  /** Seconds. */
  readonly "tofqdns-min-ttl": number;
  readonly "tofqdns-endpoint-max-ip-per-hostname": number;
  readonly "tofqdns-max-deferred-connection-deletes": number;
  /** Milliseconds. */
  readonly "tofqdns-gc-interval": number;
  readonly "tofqdns-proxy-response-max-delay": number;
};

export type NodeFqdn = AsyncDisposable & {
  /**
   * Names and patterns of every `toFQDNs` of every policy, from the policy worker once it is in step with the API server: until then, and
   * while there is no worker, those that are known stay.
   */
  setSelectors(texts: readonly string[]): void;
  /** Answers of the DNS proxy; `release` is called with the numbers of those that may go. */
  resolved(answers: readonly ResolvedName[], release: (ids: readonly number[]) => void): void;
  /** Names by which an endpoint (any, without one) learned an address, for people. */
  namesOf(address: string, endpoint?: number): readonly string[];
  readonly views: FqdnViews;
  /** After that of policy, which tells of selectors before it is done. */
  readonly stage: Stage;
};

/** What the REST API asks. */
/**
 * Claims the addresses that an earlier agent knew before it returns: policy is put in force only after all claims are
 * made. The datapath must be running.
 */
export function startFqdn(options: FqdnOptions): NodeFqdn {
  const { config, families, datapath, ipcache, log } = options;
  using parts = new DisposableStack();
  const ownAddresses = parts.use(OwnAddresses.follow(log));
  const cluster = new ClusterAddresses({ ...options, ownAddresses: ownAddresses.table });
  const book = new NameBook({
    limits: {
      ...defaultLimits,
      minTtlS: config["tofqdns-min-ttl"],
      addressesPerName: config["tofqdns-endpoint-max-ip-per-hostname"],
      deferredPerEndpoint: config["tofqdns-max-deferred-connection-deletes"],
    },
    refuse: (address) => refusalOf(address, (inner) => cluster.reasonFor(inner)),
  });
  const placer = parts.use(
    new Placer({
      identities: options.localIdentities,
      ipcache,
      families,
      policy: placedPolicy(options.policy),
    }),
  );
  const opened = openFile(config, log);
  if (opened) parts.use(opened.file);
  const engine = parts.use(
    new FqdnEngine({
      book,
      placer,
      clients: parts.use(new Clients(options.endpoints)),
      file: opened?.file,
      connected: (wanted) =>
        datapath.conntrack.destinations(Array.from(wanted, (text) => Address.parse(text))),
      patienceMs: config["tofqdns-proxy-response-max-delay"],
      now: Date.now,
      log,
    }),
  );
  parts.use(cluster.follow((prefix) => engine.recheck(prefix)));
  const nowMs = Date.now();
  const isWorthKeeping = ({ expiresMs }: { readonly expiresMs: number }) =>
    !opened?.isOfAnotherBoot || expiresMs > nowMs;
  engine.restore(opened?.records ?? [], isWorthKeeping);
  log.info({ names: book.size, selectors: book.selectors.length }, "names restored");
  const rewritten = engine.rewrite();
  const roundMs = Math.max(1_000, config["tofqdns-gc-interval"]);
  // How long nobody must have been connected: a round, however late its timer.
  const timer = setInterval(() => void engine.collect(0.9 * roundMs), roundMs).unref();
  parts.defer(() => clearInterval(timer));

  options.health.register("fqdn", () => {
    const health = fqdnHealth(engine.status());
    return opened?.problem === undefined
      ? health
      : { state: "degraded", message: `names were lost: ${opened.problem}; ${health.message}` };
  });
  registerFqdnMetrics(options.metrics, {
    counters: () => engine.counters,
    selectors: () => engine.selectors.length,
    identities: () => placer.identityCount,
    entries: () => book.entries(),
    now: Date.now,
  });
  const views = fqdnViews({ book, engine });
  const held = parts.move();
  return {
    setSelectors: (texts) => engine.setSelectors(texts.map(selectorOf)),
    resolved: (answers, release) => engine.resolved(answers, release),
    namesOf: (address, endpoint) => book.namesOf(address, endpoint),
    views: {
      ...views,
      clean: (filter) => {
        const cleaned = views.clean(filter);
        options.onCleaned();
        return cleaned;
      },
    },
    stage: {
      name: "names",
      settled: (signal) => placer.settled(signal),
      lag: () => placer.lag(),
    },
    async [Symbol.asyncDispose]() {
      await rewritten;
      held[Symbol.dispose]();
    },
  };
}

function placedPolicy(client: FqdnOptions["policy"]) {
  return {
    get isInStep() {
      const { down, report } = client.status();
      return down === undefined && report?.synced === true;
    },
    placed: (signal: AbortSignal) => client.placed(signal),
  };
}

/** undefined: the folder cannot be had, and names are gone with the agent. */
function openFile(config: FqdnConfig, log: Logger): OpenedNames | undefined {
  try {
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const opened = NameFile.open(join(config["run-dir"], "fqdn"), bootId);
    if (opened.problem !== undefined)
      log.error(
        { problem: opened.problem },
        "names of an earlier agent cannot be read and were set aside: nothing is known of names",
      );
    else if (opened.isTorn)
      log.warn("the last line of the file of names was not written to its end");
    return opened;
  } catch (error) {
    log.error({ error }, "names cannot be written down: they are gone when the agent ends");
    return undefined;
  }
}
