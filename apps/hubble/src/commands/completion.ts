// Shell completion: the scripts ask `hubble __complete -- WORDS...`, which walks the commands themselves, so that
// completion can never be out of date.
import { Argument, type Command, type Option } from "commander";
import type { Context } from "./context.ts";

const scripts: Record<string, string> = {
  // Not COMP_WORDS: bash breaks words at ":" and "=" too, as in trace:to-endpoint.
  bash: `_hubble() {
  local line=\${COMP_LINE:0:COMP_POINT} words IFS=$' \\t\\n'
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  local last=\${words[-1]}
  local before=\${last%"\${last##*[:=]}"}
  IFS=$'\\n'
  COMPREPLY=($(hubble __complete -- "\${words[@]:1}" 2>/dev/null))
  COMPREPLY=("\${COMPREPLY[@]#"$before"}")
}
complete -o default -F _hubble hubble
`,
  zsh: `#compdef hubble
_hubble() {
  local -a found
  found=("\${(@f)$(hubble __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if (( \${#found} )); then compadd -Q -a found; else _files; fi
}
compdef _hubble hubble
`,
  fish: `function __hubble_complete
  set -l words (commandline -opc) (commandline -ct)
  hubble __complete -- $words[2..-1] 2>/dev/null
end
complete -c hubble -a '(__hubble_complete)'
`,
};

export function registerCompletion(program: Command, context: Context): void {
  program
    .command("completion")
    .description("print a completion script: source <(hubble completion bash)")
    .addArgument(new Argument("<shell>").choices(Object.keys(scripts)))
    .action((shell: string) => {
      process.stdout.write(scripts[shell] as string);
    });
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .action((words: string[]) => {
      process.stdout.write(
        completions(program, context, words)
          .map((word) => `${word}\n`)
          .join(""),
      );
    });
}

/** What may stand where the last of the words is: subcommands, options, values of an option. */
export function completions(
  program: Command,
  context: Context,
  words: readonly string[],
): string[] {
  const last = words.at(-1) ?? "";
  const { command, awaited } = placeOf(program, words.slice(0, -1));
  return candidates(command, context, awaited, last).filter((word) => word.startsWith(last));
}

/** Where the words lead: to a command, or to an option whose value is next. */
function placeOf(
  program: Command,
  words: readonly string[],
): { command: Command; awaited: Option | undefined } {
  let command = program;
  let awaited: Option | undefined;
  for (const word of words) {
    if (awaited) awaited = undefined;
    else if (word.startsWith("-")) awaited = optionAwaiting(command, word);
    else command = command.commands.find((child) => namesOf(child).includes(word)) ?? command;
  }
  return { command, awaited };
}

function candidates(
  command: Command,
  context: Context,
  awaited: Option | undefined,
  last: string,
): string[] {
  if (awaited) return [...valuesOf(awaited, context)];
  const at = last.indexOf("=");
  if (last.startsWith("--") && at > 0) {
    const option = optionAwaiting(command, last.slice(0, at));
    return option ? valuesOf(option, context).map((value) => `${last.slice(0, at)}=${value}`) : [];
  }
  if (last.startsWith("-")) return ["--help", ...optionNames(command)];
  return [
    ...command
      .createHelp()
      .visibleCommands(command)
      .map((child) => child.name()),
    ...command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  ];
}

function optionAwaiting(command: Command, word: string): Option | undefined {
  return lineage(command)
    .flatMap((level) => level.options)
    .find(({ short, long, required }) => required && (word === short || word === long));
}

function optionNames(command: Command): string[] {
  const shown = lineage(command)
    .flatMap((level) => level.options)
    .filter((option) => !option.hidden);
  return [...new Set(shown.map(({ long }) => long ?? ""))].filter((name) => name !== "");
}

function valuesOf(option: Option, context: Context): readonly string[] {
  return option.argChoices ?? context.completions.get(option) ?? [];
}

function namesOf(command: Command): string[] {
  return [command.name(), ...command.aliases()];
}

function lineage(command: Command): Command[] {
  return command.parent ? [command, ...lineage(command.parent)] : [command];
}
