// `tsilium config [KEY]`: the agent's configuration as it is in force.
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { ConfigView } from "../api.ts";
import { agentContext } from "../context.ts";
import { CommandError } from "../failure.ts";
import { printRows, withOutput } from "../output.ts";

export function registerConfig(program: Command): void {
  withOutput(
    program.command("config").argument("[key]").description("the agent's configuration in force"),
  ).action(async (key: string | undefined, _options, command: Command) => {
    const config = await getJson<ConfigView>(agentContext(command).socket, "/v1/config");
    const entries = Object.entries(config).filter(([name]) => key === undefined || name === key);
    if (entries.length === 0)
      throw new CommandError(`no configuration key ${key}`, "`tsilium config` lists them.");
    await printRows(
      command,
      entries,
      [
        ["KEY", ([name]) => name],
        ["VALUE", ([, { value }]) => text(value)],
        ["FROM", ([, { source }]) => source],
      ],
      Object.fromEntries(entries),
    );
  });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
