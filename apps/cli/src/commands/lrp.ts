// `tsilium lrp list`: local redirect policies, and what they redirect on a node now.
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { RedirectView } from "../api.ts";
import { agentContext } from "../context.ts";
import { type Column, printRows, withOutput } from "../output.ts";
import { type RedirectLine, redirectLines } from "../services/redirect-lines.ts";

const columns: readonly Column<RedirectLine>[] = [
  ["NAMESPACE", (line) => line.namespace],
  ["NAME", (line) => line.name],
  ["FRONTEND TYPE", (line) => line.type],
  ["SERVICE", (line) => line.service],
  ["REDIRECTS", (line) => line.redirect],
];

export function registerRedirectCommands(program: Command): void {
  const lrp = program.command("lrp").description("local redirect policies");
  withOutput(lrp.command("list").description("what each redirects on this node now, or why not"))
    .addHelpText(
      "after",
      `
Examples:
  tsilium --node node-2 lrp list
  tsilium lrp list -o json | jq '.[] | select(.frontends == [])'`,
    )
    .action(async (_options, command: Command) => {
      const rows = await getJson<RedirectView[]>(agentContext(command).socket, "/v1/lrp");
      await printRows(command, rows.flatMap(redirectLines), columns, rows);
    });
}
