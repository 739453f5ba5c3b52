// `tsilium node list` and `tsilium ipam list`: nodes of the cluster, and addresses handed out on this one.
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { IpamView, NodeView } from "../api.ts";
import { agentContext } from "../context.ts";
import { type Column, printRows, withOutput } from "../output.ts";

const nodeColumns: readonly Column<NodeView>[] = [
  ["NAME", (row) => (row.local ? `${row.name} (this one)` : row.name)],
  ["ADDRESSES", (row) => addressesOf(row, "InternalIP")],
  ["POD CIDRS", (row) => row.podCIDRs.join(", ")],
  ["ROUTER", (row) => addressesOf(row, "CiliumInternalIP")],
];

const allocationColumns: readonly Column<IpamView["allocations"][number]>[] = [
  ["ADDRESS", (row) => row.address],
  ["OWNER", (row) => row.owner],
  ["POOL", (row) => row.pool],
  ["EXPIRES", (row) => row.expiresAt ?? "-"],
];

export function registerNodeCommands(program: Command): void {
  const node = program.command("node").description("nodes of the cluster");
  withOutput(node.command("list").description("list them, as the agent sees them")).action(
    async (_options, command: Command) => {
      await printRows(
        command,
        await getJson<NodeView[]>(agentContext(command).socket, "/v1/node"),
        nodeColumns,
      );
    },
  );
  const ipam = program.command("ipam").description("addresses handed out on a node");
  withOutput(ipam.command("list").description("list them with their owners")).action(
    async (_options, command: Command) => {
      const ipamView = await getJson<IpamView>(agentContext(command).socket, "/v1/ipam");
      await printRows(command, ipamView.allocations, allocationColumns, ipamView);
    },
  );
}

function addressesOf(row: NodeView, type: string): string {
  const found = row.addresses.filter((address) => address.type === type).map(({ ip }) => ip);
  return found.join(", ") || "-";
}
