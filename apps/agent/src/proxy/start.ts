// Starts what enforces policy at L7 on a node. Nothing runs before a policy needs it.
import { join } from "node:path";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { L7Record } from "@tsilium/hubble/decode/index.ts";
import { findStarted, proxyFolder } from "@tsilium/proxy/launch/index.ts";
import type { MovedConnection, ResolvedName, SecretStore } from "@tsilium/proxy/model.ts";
import type { Logger } from "@tsilium/runtime";
import type { Table } from "@tsilium/tables";
import type { AgentConfig } from "../config/keys.ts";
import type { Health } from "../health.ts";
import type { Metrics } from "../metrics.ts";
import { type ProxiesView, proxyView } from "../rest/proxy-views.ts";
import { prepareCgroups, proxyCgroups, type ProxyDatapath } from "./cgroups.ts";
import { EndpointAddresses } from "./endpoint-addresses.ts";
import { makeEngine, missing, pidFileOf } from "./engines.ts";
import { proxyHealth } from "./health.ts";
import { ProxyManager } from "./manager.ts";
import { ProxyMetrics } from "./metrics.ts";
import { type Acknowledgement, seatNames, type SeatView, type WantedRules } from "./model.ts";
import { NodeProxy } from "./node-proxy.ts";
import { RecordQueue } from "./records.ts";
import { Seat } from "./seat.ts";
import { endStrays, trimLogs } from "./strays.ts";

export type ProxiesOptions = {
  readonly config: AgentConfig;
  readonly nodeName: string;
  /** Of the agent. */
  readonly version: string;
  /** The node's cgroup v2 folder. */
  readonly cgroupRoot: string;
  readonly datapath: ProxyDatapath;
  readonly endpoints: Table<Endpoint>;
  readonly secrets: SecretStore & { want(wanted: WantedRules): void };
  /** Takes what proxies saw; false: nobody does. */
  readonly hubble: { l7(records: readonly L7Record[]): boolean };
  /** Told of every listener that holds what was wanted, or is known to let nothing through. */
  readonly onAcknowledged: (acks: readonly Acknowledgement[]) => void;
  /** Told of every name that a pod is about to know; `release` is owed for those with an id. */
  readonly onResolved: (
    answers: readonly ResolvedName[],
    release: (ids: readonly number[]) => void,
  ) => void;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Logger;
};

export type NodeProxies = AsyncDisposable & {
  /** Changes what is to be enforced; the first time it is all there is. */
  want(wanted: WantedRules): void;
  /** Resolves when these connections are held to their new rules, or are no more. */
  move(connections: readonly MovedConnection[]): Promise<void>;
  /** Has the DNS proxy tell again of names that it told of before. */
  forgetNames(): void;
  view(): Promise<ProxiesView>;
};

/** Starts no process yet. What runs from before goes on as it is, until it is told what is wanted now. */
export function startProxies(options: ProxiesOptions): NodeProxies {
  const { config, health, log } = options;
  if (config["enable-l7-proxy"]) return makeProxies(options);
  void endStrays(join(config["run-dir"], "proxy"), new Set(), log);
  health.register("proxy", () => ({
    state: "disabled",
    message: "enable-l7-proxy is false: rules at L7 allow nothing",
  }));
  return disabledProxies(options);
}

function makeProxies(options: ProxiesOptions): NodeProxies {
  const { config, datapath, endpoints, hubble, onAcknowledged, health, metrics, log } = options;
  const folder = proxyFolder(config["run-dir"]);
  const cgroups = proxyCgroups(options.cgroupRoot);
  const parts = new DisposableStack();
  const pidFiles = seatNames.map((name) => pidFileOf(name, { config, folder }));
  void endStrays(folder, new Set(pidFiles), log);
  parts.use(trimLogs(folder));
  const addresses = parts.use(new EndpointAddresses(endpoints));
  const queue = parts.use(
    new RecordQueue(
      (records) => hubble.l7(records),
      (address) => addresses.at(address),
    ),
  );
  let dns: NodeProxy | undefined;
  const manager = new ProxyManager({
    onAcknowledged,
    makeSeat: (name, acknowledged) => {
      const engine = makeEngine(name, {
        config,
        nodeName: options.nodeName,
        version: options.version,
        onProblems: (problems) => seat.noteProblems(problems),
        folder,
        cgroups,
        secrets: options.secrets,
        onRecords: (records, lost = 0) => {
          counted.note(records);
          queue.addLost(lost);
          queue.add(records);
        },
        onResolved: (answers, release) => {
          const at = performance.now();
          options.onResolved(answers, (ids) => {
            release(ids);
            if (performance.now() - at >= config["tofqdns-proxy-response-max-delay"])
              counted.noteLateUpdates(ids.length);
          });
        },
        log: log.child({ proxy: name }),
      });
      if (name === "dns" && engine instanceof NodeProxy) dns = engine;
      const seat: Seat = new Seat({
        name,
        engine,
        found: () => findStarted(pidFileOf(name, { config, folder })),
        prepare: () => {
          const problem = missing(name, config);
          if (problem !== undefined) throw new Error(problem);
          prepareCgroups(cgroups, datapath);
        },
        onAcknowledged: acknowledged,
        log,
      });
      return seat;
    },
  });
  const counted = new ProxyMetrics(metrics, {
    engine: config["l7-engine"],
    reports: () => manager.reports(),
    lost: () => queue.lost,
  });
  health.register("proxy", () => proxyHealth(manager.reports()));
  return {
    want: (wanted) => {
      // Asked for before engines look for them.
      options.secrets.want(wanted);
      manager.want(wanted);
    },
    move: (connections) => manager.move(connections),
    forgetNames: () => dns?.client.forgetNames(),
    view: async () => ({
      enabled: true,
      engine: config["l7-engine"],
      recordsLost: queue.lost,
      proxies: (await manager.views()).filter(isShown).map(proxyView),
    }),
    async [Symbol.asyncDispose]() {
      await manager[Symbol.asyncDispose]();
      parts.dispose();
    },
  };
}

function isShown({ state, listeners }: SeatView): boolean {
  return state !== "idle" || listeners.length > 0;
}

/** Nobody has rules for it: what is said all the same is acknowledged as in force nowhere. */
function disabledProxies({ config, onAcknowledged }: ProxiesOptions): NodeProxies {
  const problem = "enable-l7-proxy is false";
  return {
    want: ({ listeners }) =>
      onAcknowledged(listeners.map(({ port, version }) => ({ port, version, problem }))),
    move: () => Promise.resolve(),
    forgetNames: () => undefined,
    view: () =>
      Promise.resolve({
        enabled: false,
        engine: config["l7-engine"],
        recordsLost: 0,
        proxies: [],
      }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
