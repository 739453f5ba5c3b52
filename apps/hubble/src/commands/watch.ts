// `hubble watch peers`: Hubble servers of the cluster, and every change, until Ctrl-C.
import type { Command } from "commander";
import { addConfigOptions, type Context } from "./context.ts";

export function registerWatch(program: Command, context: Context): void {
  const watch = program.command("watch").description("what changes");
  const command = watch
    .command("peers")
    .alias("peer")
    .description("Hubble servers of the cluster, and every change, until Ctrl-C");
  addConfigOptions(command, context, "Server");
  addConfigOptions(command, context, "Global").action(async () => {
    const { watchPeers } = await import("../client/peers.ts");
    await watchPeers(context);
  });
}
