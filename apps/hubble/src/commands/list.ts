// `hubble list nodes|namespaces`
import { type Command, Option } from "commander";
import { addConfigOptions, type Context } from "./context.ts";

export function registerList(program: Command, context: Context): void {
  const list = program.command("list").description("nodes, and namespaces with flows");
  for (const [name, alias, description] of [
    ["nodes", "node", "nodes with a Hubble server, and how they are"],
    ["namespaces", "namespace", "namespaces with recent flows"],
  ] as const) {
    const output = new Option("-o, --output <format>", "table (the default), wide, json");
    context.completions.set(output, ["table", "wide", "json"]);
    const command = list.command(name).alias(alias).description(description);
    command.addOption(output.helpGroup("Format flags:"));
    addConfigOptions(command, context, "Server");
    addConfigOptions(command, context, "Global").action(
      async ({ output: format }: { output?: string }) => {
        const { printList } = await import("../client/list.ts");
        await printList(name, format ?? "table", context);
      },
    );
  }
}
