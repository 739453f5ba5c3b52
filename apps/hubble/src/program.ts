// The commands of `hubble`. Each loads what it needs when it runs, so that help and completion stay quick.
import { Command } from "commander";
import { pointToHelp } from "../../cli/src/help.ts";
import { registerCompletion } from "./commands/completion.ts";
import { registerConfig } from "./commands/config.ts";
import { acceptConfigOptions, type Context } from "./commands/context.ts";
import { registerList } from "./commands/list.ts";
import { registerObserve } from "./commands/observe.ts";
import { registerReflect } from "./commands/reflect.ts";
import { registerStatus } from "./commands/status.ts";
import { registerVersion } from "./commands/version.ts";
import { registerWatch } from "./commands/watch.ts";

/** @param context where what the command line says is collected. */
export function createProgram(context: Context): Command {
  const program = new Command("hubble")
    .description("Hubble: every flow in the cluster, seen, kept and explained")
    .enablePositionalOptions()
    .configureHelp({ sortSubcommands: true })
    .addHelpText("after", firstSteps);
  registerObserve(program, context);
  registerStatus(program, context);
  registerList(program, context);
  registerWatch(program, context);
  registerConfig(program, context);
  registerReflect(program, context);
  registerVersion(program);
  registerCompletion(program, context);
  for (const command of [program, ...program.commands])
    if (command.commands.length > 0 && command.name() !== "observe")
      acceptConfigOptions(command, context);
  pointToHelp(program);
  return program;
}

const firstSteps = `
It asks --server, else HUBBLE_SERVER, else what the configuration file says, else the relay of the lab that TSILIUM_LAB
names (or "lab"), else localhost:4245.

Examples:
  hubble status                                       is the server well, are all nodes there?
  hubble observe --follow                             what happens now
  hubble observe --verdict DROPPED --since 10m        what was denied, and by which policy
  hubble observe --pod shop/web --last 50 -o jsonpb   all that is known of each flow, for scripts

\`hubble observe --help\` has all filters and formats.
`;
