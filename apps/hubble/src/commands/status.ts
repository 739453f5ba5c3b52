// `hubble status`: whether the server is well, and what it holds. Exit status 1 when it is not.
import { type Command, Option } from "commander";
import { addConfigOptions, type Context } from "./context.ts";

export function registerStatus(program: Command, context: Context): void {
  const output = new Option(
    "-o, --output <format>",
    "compact (the default), dict, json or jsonpb, table",
  );
  context.completions.set(output, ["compact", "dict", "json", "table"]);
  const command = program
    .command("status")
    .description("whether the server is well, and what it holds")
    .addOption(output.helpGroup("Format flags:"));
  addConfigOptions(command, context, "Server");
  addConfigOptions(command, context, "Global").action(
    async ({ output: format }: { output?: string }) => {
      const { printStatus } = await import("../client/status.ts");
      await printStatus(format ?? "compact", context);
    },
  );
}
