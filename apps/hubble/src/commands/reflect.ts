// `hubble reflect`: the server's API, as it describes itself.
import type { Command } from "commander";
import { addConfigOptions, type Context } from "./context.ts";

export function registerReflect(program: Command, context: Context): void {
  const command = program
    .command("reflect")
    .description("the server's API as it describes itself: a FileDescriptorProto a line");
  addConfigOptions(command, context, "Server");
  addConfigOptions(command, context, "Global").action(async () => {
    const { printReflection } = await import("../client/reflection.ts");
    await printReflection(context);
  });
}
