// `tsilium service list|get`: what the agent has made of Services, pods' host ports and local redirect policies.
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { ServiceView } from "../api.ts";
import { agentContext } from "../context.ts";
import { CommandError } from "../failure.ts";
import { type Column, facts, printRows, printStructured, table, withOutput } from "../output.ts";
import { type ServiceLine, serviceFacts, serviceLines } from "../services/service-lines.ts";

const columns: readonly Column<ServiceLine>[] = [
  ["ID", (line) => line.id],
  ["FRONTEND", (line) => line.frontend],
  ["SERVICE TYPE", (line) => line.type],
  ["BACKEND", (line) => line.backend],
  ["NAME", (line) => line.name],
];

export function registerServiceCommands(program: Command): void {
  const service = program
    .command("service")
    .description("services: their addresses, and who is behind them");
  withOutput(service.command("list").description("every address and port with its backends"))
    .option("-n, --namespace <namespace>", "only services of this namespace")
    .addHelpText(
      "after",
      `
/i after an address: for clients of the cluster; without: for those from outside, where the two differ.

Examples:
  tsilium service list
  tsilium --node node-2 service list -n demo
  tsilium service list -o json | jq '.[] | select(.backends == [])'`,
    )
    .action(async ({ namespace }: { namespace?: string }, command: Command) => {
      const all = await getJson<ServiceView[]>(agentContext(command).socket, "/v1/service");
      const rows = all.filter((row) => namespace === undefined || row.namespace === namespace);
      await printRows(command, rows.flatMap(serviceLines), columns, rows);
    });
  withOutput(
    service.command("get <id>").description("one address, by its number; or all of a service"),
  )
    .addHelpText(
      "after",
      `
Examples:
  tsilium service get 12
  tsilium service get demo/web -o yaml`,
    )
    .action(async (id: string, _options, command: Command) => {
      const rows = await find(agentContext(command).socket, id);
      const [first] = rows;
      if (await printStructured(command, id.includes("/") ? rows : first)) return;
      const lines = rows.flatMap(serviceLines);
      process.stdout.write(`${facts(serviceFacts(rows))}\n${table(lines, columns)}`);
    });
}

/** @param id a frontend's number, or "namespace/service" @throws CommandError */
async function find(socket: string, id: string): Promise<ServiceView[]> {
  if (!id.includes("/"))
    return [await getJson<ServiceView>(socket, `/v1/service/${encodeURIComponent(id)}`)];
  const all = await getJson<ServiceView[]>(socket, "/v1/service");
  const rows = all.filter((row) => `${row.namespace}/${row.name}` === id);
  if (rows.length > 0) return rows;
  throw new CommandError(
    `the agent serves no address of a service "${id}"`,
    "`tsilium service list` has those that it serves; `tsilium status` may say what is wrong with others.",
  );
}
