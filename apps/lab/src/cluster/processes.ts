// The command lines of the lab's long-running processes.
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";
import { keys as operatorKeys } from "../../../operator/src/config/config.ts";
import type { ProcessSpec } from "../processes/supervised.ts";
import { appCommand, builtProgram } from "../runner/runner.ts";
import {
  apiServerPort,
  fabricAddresses,
  hubblePort,
  type LabLayout,
  type NodeLayout,
  relayPort,
} from "../layout.ts";
import { hubbleFiles } from "./hubble-certificates.ts";
import { writeSettings } from "./settings-folder.ts";
import { clusterName, isHubblePlain, type Settings } from "./settings.ts";

/** Nothing of the user's own environment: what is configured is on the command line. */
function environment(): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", TSILIUM_ROOT: projectRoot() };
}

/** @param descriptors inherited listening sockets, the loopback's first */
export function apiServer(
  lab: LabLayout,
  descriptors: readonly number[],
  settings: Settings,
): ProcessSpec {
  const advertised = [fabricAddresses.ipv4, `[${fabricAddresses.ipv6}]`];
  return {
    name: "apiserver",
    command: [
      ...appCommand("apiserver", "apps/apiserver/src/main.ts"),
      "--data-dir",
      lab.apiserver,
      "--pki-dir",
      lab.pki,
      // For its own controllers; everybody else comes by the inherited sockets, whose ports stay.
      "--listen",
      "127.0.0.1:0",
      "--kubelet-socket",
      lab.kubeletSocket,
      // Who asked for what: two files of ten megabytes at most, for their owner alone.
      "--audit-log-path",
      join(lab.logs, "audit.log"),
      "--audit-log-maxsize",
      "10",
      "--audit-log-maxbackup",
      "1",
      ...descriptors.flatMap((_, at) => ["--listen-fd", String(3 + at)]),
      ...advertised.flatMap((address) => ["--advertise", `${address}:${apiServerPort}`]),
      // It judges policies before it stores them.
      ...(settings["enable-node-selector-labels"] === "true"
        ? ["--enable-node-selector-labels"]
        : []),
      // "30000,32767" as agents have it, "30000-32767" as API servers do.
      ...(settings["node-port-range"]
        ? ["--service-node-port-range", settings["node-port-range"].replace(",", "-")]
        : []),
    ],
    environment: environment(),
    cgroup: join(lab.cgroup, "control"),
    descriptors,
    logFile: join(lab.logs, "apiserver.log"),
  };
}

/** In the fabric's namespace, so that the ports of several labs' operators never meet. */
export function operator(lab: LabLayout, kubeconfig: string, settings: Settings): ProcessSpec {
  // The lab's API server judges policies itself, and does not reach the fabric, where a webhook would listen.
  const all = { "policy-webhook-serve-addr": "", ...settings };
  const known = Object.entries(all).filter(([key]) => Object.hasOwn(operatorKeys, key));
  return {
    name: "operator",
    command: [
      ...appCommand("operator", "apps/operator/src/main.ts"),
      "--kubeconfig",
      kubeconfig,
      ...known.flatMap(([key, value]) => [`--${key}`, value]),
    ],
    environment: environment(),
    cgroup: join(lab.cgroup, "control"),
    netns: lab.fabricNetns,
    logFile: join(lab.logs, "operator.log"),
  };
}

/** What the agent of a node finds in its config-dir, as in a mounted ConfigMap: CiliumNodeConfigs stand above it. */
export function agentSettings(
  lab: LabLayout,
  node: NodeLayout,
  settings: Settings,
): Record<string, string> {
  const hubble = hubbleFiles(lab);
  return {
    devices: "eth0",
    "bpf-objects": join(projectRoot(), "dist/bpf"),
    "hubble-listen-address": `:${hubblePort}`,
    "hubble-tls-cert-file": hubble.server(node.name).cert,
    "hubble-tls-key-file": hubble.server(node.name).key,
    "hubble-tls-client-ca-files": hubble.ca,
    ...settings,
  };
}

/** What a lab's agent is that of: nobody may set it otherwise. */
export function agentFlags(node: NodeLayout): Record<string, string> {
  return {
    kubeconfig: node.kubeconfig,
    "k8s-node-name": node.name,
    "run-dir": node.folder,
    "hubble-socket-path": node.hubbleSocket,
    "bpf-root": node.bpfRoot,
    // All that runs on the node is in there: the agent, pods, and what `lab node exec` starts.
    "cgroup-root": node.cgroup,
    "cni-conf-dir": node.cniConfDir,
    "cni-bin-dir": node.cniBinDir,
    "cni-plugin": join(projectRoot(), "dist/bin/tsilium-cni"),
  };
}

/** Writes the settings, which it starts with, into the node's folder; beside a config-dir of the user's they are flags. */
export function agent(lab: LabLayout, node: NodeLayout, settings: Settings): ProcessSpec {
  const { "config-dir": theirs, ...all } = agentSettings(lab, node, settings);
  const configDir = theirs ?? writeSettings(join(node.folder, "config"), all);
  const flags = Object.entries({ ...(theirs === undefined ? {} : all), ...agentFlags(node) });
  return {
    name: `agent/${node.name}`,
    command: [
      ...appCommand("agent", "apps/agent/src/main.ts"),
      "--config-dir",
      configDir,
      ...flags.flatMap(([key, value]) => [`--${key}`, value]),
    ],
    environment: environment(),
    cgroup: join(node.cgroup, "agent"),
    netns: node.netns,
    logFile: join(lab.logs, `agent-${node.name}.log`),
  };
}

/**
 * In the fabric's namespace, as the operator. It hears of nodes from every node's agent, so that any of them may be away.
 * @param nodes all of them
 */
export function relay(
  lab: LabLayout,
  nodes: readonly NodeLayout[],
  settings: Settings,
): ProcessSpec {
  const { ca, relayClient, relayServer } = hubbleFiles(lab);
  const towardsNodes = isHubblePlain(settings)
    ? ["--disable-client-tls"]
    : [
        "--tls-hubble-client-cert-file",
        relayClient.cert,
        "--tls-hubble-client-key-file",
        relayClient.key,
        "--tls-hubble-server-ca-files",
        ca,
      ];
  return {
    name: "relay",
    command: [
      ...appCommand("relay", "apps/relay/src/main.ts"),
      "--cluster-name",
      clusterName(settings),
      ...nodes.flatMap(({ hubbleSocket }) => ["--peer-service", `unix://${hubbleSocket}`]),
      "--listen-address",
      `unix://${lab.relaySocket}`,
      "--listen-address",
      `${fabricAddresses.ipv4}:${relayPort}`,
      "--tls-relay-server-cert-file",
      relayServer.cert,
      "--tls-relay-server-key-file",
      relayServer.key,
      "--tls-relay-client-ca-files",
      ca,
      ...towardsNodes,
    ],
    environment: environment(),
    cgroup: join(lab.cgroup, "control"),
    netns: lab.fabricNetns,
    logFile: join(lab.logs, "relay.log"),
  };
}

/** The world host's echo servers. */
export function worldEcho(lab: LabLayout): ProcessSpec {
  return {
    name: "world/echo",
    command: [builtProgram("echo"), "--pod", "world", "tcp/80", "udp/80", "tcp/8080", "udp/8080"],
    environment: environment(),
    cgroup: join(lab.cgroup, "world"),
    netns: lab.worldNetns,
    logFile: join(lab.logs, "world-echo.log"),
  };
}
