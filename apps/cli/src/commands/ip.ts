// `tsilium ip list|get`: which address has which identity, and who says so.
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { ExplainedClaimView, IpView } from "../api.ts";
import { agentContext } from "../context.ts";
import { type Column, printRows, withOutput } from "../output.ts";
import { identityName } from "../reserved.ts";

const columns: readonly Column<IpView>[] = [
  ["PREFIX", (row) => row.prefix],
  ["IDENTITY", (row) => identityName(row.identity)],
  ["NODE", (row) => row.hostIp ?? "-"],
  ["SOURCE", (row) => row.source],
  ["OWNER", (row) => row.owner],
];

const explainedColumns: readonly Column<ExplainedClaimView>[] = [
  ["", (row) => (row.wins ? "*" : "")],
  ["PREFIX", (row) => row.prefix],
  ["IDENTITY", (row) => identityName(row.identity)],
  ["SOURCE", (row) => row.source],
  ["OWNER", (row) => row.owner],
  ["WHY NOT", (row) => row.lostTo],
];

export function registerIpCommands(program: Command): void {
  const ip = program.command("ip").description("addresses and their identities");
  withOutput(ip.command("list").description("the winning claim of every address")).action(
    async (_options, command: Command) => {
      await printRows(
        command,
        await getJson<IpView[]>(agentContext(command).socket, "/v1/ip"),
        columns,
      );
    },
  );
  withOutput(
    ip.command("get <address>").description("every claim on an address, the winner first"),
  ).action(async (address: string, _options, command: Command) => {
    const rows = await getJson<ExplainedClaimView[]>(
      agentContext(command).socket,
      `/v1/ip/${encodeURIComponent(address)}`,
    );
    if (rows.length === 0)
      console.error(`Nobody claims ${address}: to the datapath it is the world.`);
    await printRows(command, rows, explainedColumns);
  });
}
