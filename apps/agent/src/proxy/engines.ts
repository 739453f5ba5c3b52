// What runs in each seat: HAProxy or Envoy for HTTP and TLS, our own proxies for DNS and Kafka.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ControlClient } from "@tsilium/proxy/control/index.ts";
import { EnvoyEngine } from "@tsilium/proxy/envoy/index.ts";
import { HaproxyEngine } from "@tsilium/proxy/haproxy/index.ts";
import { proxyUsers } from "@tsilium/proxy/launch/index.ts";
import type {
  L7Engine,
  ListenerProblem,
  ProxyRecord,
  ResolvedName,
  SecretStore,
} from "@tsilium/proxy/model.ts";
import type { Logger } from "@tsilium/runtime";
import type { AgentConfig } from "../config/keys.ts";
import type { ProxyCgroups } from "./cgroups.ts";
import { directionOf, type SeatName } from "./model.ts";
import { NodeProxy } from "./node-proxy.ts";
import { type NodeSeat, planNodeProxy } from "./node-proxies.ts";

export type EngineOptions = {
  readonly config: AgentConfig;
  /** `<run-dir>/proxy` */
  readonly folder: string;
  readonly cgroups: ProxyCgroups;
  readonly secrets: SecretStore;
  /** @param lost how many it could not keep besides */
  readonly onRecords: (records: readonly ProxyRecord[], lost?: number) => void;
  readonly onResolved: (
    answers: readonly ResolvedName[],
    release: (ids: readonly number[]) => void,
  ) => void;
  /** Listeners of an engine that let nothing through now, all of them: a secret came or went. */
  readonly onProblems: (problems: readonly ListenerProblem[]) => void;
  readonly nodeName: string;
  /** Of the agent. */
  readonly version: string;
  readonly log: Logger;
};

/** Engines take as many as their limit of open files has room for. */
const unlimited = 1_000_000;

type EngineSeat = Exclude<SeatName, NodeSeat>;

/** PID file of what runs in a seat, as things are configured. */
export function pidFileOf(
  name: SeatName,
  { config, folder }: Pick<EngineOptions, "config" | "folder">,
): string {
  const process = isEngine(name) ? `${config["l7-engine"]}-${directionOf(name)}` : name;
  return join(folder, `${process}.pid`);
}

/** Why what runs in a seat cannot be started; undefined: nothing is known that speaks against it. */
export function missing(name: SeatName, config: AgentConfig): string | undefined {
  const file = config["haproxy-path"];
  if (!isEngine(name) || config["l7-engine"] !== "haproxy" || existsSync(file)) return undefined;
  return `HAProxy was not found at ${file}: install it (Debian: haproxy) or set haproxy-path or l7-engine`;
}

function isEngine(name: SeatName): name is EngineSeat {
  return name === "engine-egress" || name === "engine-ingress";
}

/** Starts nothing. */
export function makeEngine(name: SeatName, options: EngineOptions): L7Engine {
  return isEngine(name) ? httpEngine(name, options) : nodeProxy(name, options);
}

function nodeProxy(seat: NodeSeat, options: EngineOptions): NodeProxy {
  const { onRecords, onResolved, log } = options;
  const { process, controlSocket } = planNodeProxy(seat, options);
  const client = new ControlClient({
    path: controlSocket,
    onRecords,
    onResolved: (answers) => onResolved(answers, (ids) => client.release(ids)),
    onError: (error) => log.debug({ error }, "the proxy's control socket"),
  });
  return new NodeProxy({
    direction: directionOf(seat),
    process,
    client,
    version: options.version,
  });
}

function httpEngine(name: EngineSeat, options: EngineOptions): L7Engine {
  const { config, cgroups, secrets, onRecords, onProblems } = options;
  const direction = directionOf(name);
  const common = {
    direction,
    runDir: config["run-dir"],
    cgroup: cgroups[direction],
    user: proxyUsers.engine[direction],
    maxConnections: config["proxy-max-connections"] || unlimited,
    secrets,
    onRecords,
    onProblems,
  };
  switch (config["l7-engine"]) {
    case "haproxy":
      return new HaproxyEngine({ ...common, command: config["haproxy-path"] });
    case "envoy":
      return new EnvoyEngine({
        ...common,
        command: config["envoy-path"],
        node: options.nodeName,
      });
  }
}
