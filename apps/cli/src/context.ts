// Which agent a command talks to: --socket; else --node in the lab that TSILIUM_LAB names; else this
// machine's own agent; else the only node that makes sense in the lab, node-1.
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { Command } from "commander";
import { labContext } from "../../lab/src/context.ts";
import { CommandError } from "./failure.ts";

export type AgentContext = {
  /** The agent's unix socket. */
  readonly socket: string;
  /** Root of the node's pins, for commands that read maps without the agent. */
  readonly bpffs: string;
  readonly node: string | undefined;
};

const hostSocket = "/var/run/tsilium/tsilium.sock";
const hostPins = "/sys/fs/bpf/tsilium";

/** @throws CommandError when there is no such agent, saying what to start. */
export function agentContext(command: Command): AgentContext {
  const { node, socket } = command.optsWithGlobals<{ node?: string; socket?: string }>();
  if (socket)
    return { socket, bpffs: process.env["TSILIUM_BPF_ROOT"] ?? hostPins, node: undefined };
  // `tsilium lab node exec` sets the node for the commands it runs.
  const wanted = node ?? process.env["TSILIUM_NODE"];
  if (!wanted && existsSync(hostSocket))
    return { socket: hostSocket, bpffs: hostPins, node: undefined };
  const lab = process.env["TSILIUM_LAB"] ?? "lab";
  const name = wanted ?? "node-1";
  const context = labContext(lab, name);
  if (!existsSync(context.bpffs) && !existsSync(context.socket)) {
    if (process.geteuid?.() !== 0) {
      throw new CommandError(
        `no agent to be seen: what an agent has in ${dirname(hostSocket)} belongs to root`,
        "Try again with sudo.",
      );
    }
    throw new CommandError(
      `no agent: neither ${hostSocket} nor node ${name} of lab ${lab} exists`,
      "Start a lab with `tsilium lab up`, or name the agent with --node or --socket.",
    );
  }
  return { socket: context.socket, bpffs: context.bpffs, node: name };
}
