// Shell completion: the scripts ask `tsilium __complete -- WORDS...`, which walks the commands themselves,
// so that completion can never be out of date.
import { Argument, type Command } from "commander";

const scripts: Record<string, string> = {
  bash: `_tsilium() {
  local IFS=$'\\n'
  COMPREPLY=($(tsilium __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _tsilium tsilium
`,
  zsh: `#compdef tsilium
_tsilium() {
  local -a found
  found=("\${(@f)$(tsilium __complete -- "\${words[@]:1:$((CURRENT-1))}" 2>/dev/null)}")
  compadd -a found
}
compdef _tsilium tsilium
`,
  fish: `function __tsilium_complete
  set -l words (commandline -opc) (commandline -ct)
  tsilium __complete -- $words[2..-1] 2>/dev/null
end
complete -c tsilium -f -a '(__tsilium_complete)'
`,
};

export function registerCompletion(program: Command): void {
  program
    .command("completion")
    .description("print a completion script: source <(tsilium completion bash)")
    .addArgument(new Argument("<shell>").choices(Object.keys(scripts)))
    .action((shell: string) => {
      process.stdout.write(scripts[shell] as string);
    });
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .action((words: string[]) => {
      for (const word of completions(program, words)) console.log(word);
    });
}

/** What may stand where the last word is: subcommands, options, or an option's choices. */
function completions(program: Command, words: readonly string[]): string[] {
  const last = words.at(-1) ?? "";
  let command = program;
  let awaitedBy: string | undefined;
  for (const word of words.slice(0, -1)) {
    if (awaitedBy !== undefined) awaitedBy = undefined;
    else if (word.startsWith("-")) awaitedBy = takesValue(command, word) ? word : undefined;
    else
      command =
        command.commands.find((child) => child.name() === word || child.aliases().includes(word)) ??
        command;
  }
  return candidates(command, awaitedBy, last).filter((candidate) => candidate.startsWith(last));
}

function candidates(command: Command, awaitedBy: string | undefined, last: string): string[] {
  if (awaitedBy !== undefined) return [...(findOption(command, awaitedBy)?.argChoices ?? [])];
  const options = lineage(command).flatMap((level) => level.options);
  if (last.startsWith("-"))
    return [
      "--help",
      ...options.filter((option) => !option.hidden).map((option) => option.long ?? ""),
    ];
  const children = command
    .createHelp()
    .visibleCommands(command)
    .map((child) => child.name());
  return [
    ...children,
    ...command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  ];
}

function lineage(command: Command): Command[] {
  return command.parent ? [command, ...lineage(command.parent)] : [command];
}

function findOption(command: Command, flag: string) {
  return lineage(command)
    .flatMap((level) => level.options)
    .find(({ short, long }) => flag === short || flag === long);
}

function takesValue(command: Command, flag: string): boolean {
  const option = findOption(command, flag);
  return option !== undefined && (option.required || option.optional) && !flag.includes("=");
}
