// `tsilium identity list|get`: numbers and the labels they stand for.
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { IdentityView } from "../api.ts";
import { agentContext } from "../context.ts";
import { type Column, printRows, withOutput } from "../output.ts";

const columns: readonly Column<IdentityView>[] = [
  ["ID", (row) => row.id],
  ["LABELS", (row) => row.labels.join(" ")],
];

export function registerIdentityCommands(program: Command): void {
  const identity = program.command("identity").description("security identities and their labels");
  withOutput(identity.command("list").description("list them, reserved ones too")).action(
    async (_options, command: Command) => {
      const rows = await getJson<IdentityView[]>(agentContext(command).socket, "/v1/identity");
      await printRows(command, rows, columns);
    },
  );
  withOutput(identity.command("get <id>").description("one identity")).action(
    async (id: string, _options, command: Command) => {
      const row = await getJson<IdentityView>(
        agentContext(command).socket,
        `/v1/identity/${encodeURIComponent(id)}`,
      );
      await printRows(command, [row], columns, row);
    },
  );
}
