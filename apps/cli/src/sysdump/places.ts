// Where a dump finds what it is made of: a lab with its nodes, or this machine's agent.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { runningLab } from "../../../lab/src/state.ts";
import { getJson } from "../agent-client.ts";
import type { ConfigView } from "../api.ts";
import { agentContext } from "../context.ts";

export type NodePlace = {
  readonly name: string;
  /** Of its agent. */
  readonly socket: string;
  readonly hubbleSocket: string;
  readonly bpffs: string;
  /** Path of its network namespace; undefined: ours. */
  readonly netns: string | undefined;
  /** Folder of its proxies' logs; not there before the first proxy is. */
  readonly proxyLogs: string;
};

export type Places = {
  readonly nodes: readonly NodePlace[];
  /** Undefined: no API server is known. */
  readonly kubeconfig: string | undefined;
  /** Folder of logs, where there is one. */
  readonly logs: string | undefined;
};

const hostSocket = "/var/run/tsilium/tsilium.sock";

/**
 * The lab that is meant, whole, unless an agent of this machine is.
 * @throws CommandError, LabError
 */
export async function findPlaces(command: Command): Promise<Places> {
  const { socket, node } = command.optsWithGlobals<{ socket?: string; node?: string }>();
  if (socket || (!process.env["TSILIUM_LAB"] && !node && existsSync(hostSocket)))
    return ofAgent(command);
  return ofLab(process.env["TSILIUM_LAB"] ?? "lab");
}

function ofLab(name: string): Places {
  const { lab, state } = runningLab(name);
  return {
    nodes: state.nodes.map((each) => {
      const node = lab.node(Number(each.replace(/^node-/, "")));
      return {
        ...node,
        bpffs: node.bpfRoot,
        proxyLogs: join(dirname(node.socket), "proxy"),
      };
    }),
    kubeconfig: lab.kubeconfig,
    logs: lab.logs,
  };
}

async function ofAgent(command: Command): Promise<Places> {
  const { socket, bpffs } = agentContext(command);
  // An agent that is away is worth a dump, too.
  const config = await getJson<ConfigView>(socket, "/v1/config").catch(() => undefined);
  const text = (key: string) => {
    const value = config?.[key]?.value;
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  return {
    nodes: [
      {
        name: text("k8s-node-name") ?? "node",
        socket,
        hubbleSocket: text("hubble-socket-path") ?? join(dirname(socket), "hubble.sock"),
        bpffs: text("bpf-root") ?? bpffs,
        netns: undefined,
        proxyLogs: join(text("run-dir") ?? dirname(socket), "proxy"),
      },
    ],
    kubeconfig: process.env["KUBECONFIG"] ?? text("kubeconfig"),
    logs: undefined,
  };
}
