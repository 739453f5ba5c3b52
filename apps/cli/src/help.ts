// How commands explain themselves: which options their help shows, and where a wrong use points to.
import { type Command, Help, type Option } from "commander";

/** Options of the words before this one; `lab` commands talk to no single agent and have a --name of their own. */
export function visibleGlobalOptions(this: Help, command: Command): Option[] {
  if (lineage(command).includes("lab")) return [];
  return Help.prototype.visibleGlobalOptions.call(this, command);
}

/** After a wrong use every command names its own help. */
export function pointToHelp(command: Command): void {
  const words = lineage(command).join(" ");
  command.showHelpAfterError(`(${words} --help says how it is used)`);
  command.commands.forEach(pointToHelp);
}

function lineage(command: Command): string[] {
  return command.parent ? [...lineage(command.parent), command.name()] : [command.name()];
}
