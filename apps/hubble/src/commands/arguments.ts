// Command lines as users of Cilium's `hubble` write them, made into such as commander takes. Go's flags have forms that
// commander has not: --follow=true, --ip-translation=false, -n=shop.
import type { Command } from "commander";
import { parseBoolean } from "../config/values.ts";

/** The arguments with every such form replaced. @param program with all its commands. */
export function commandArguments(program: Command, words: readonly string[]): string[] {
  const flags = flagsOf(program);
  const end = words.indexOf("--");
  const options = end < 0 ? words : words.slice(0, end);
  return [...options.flatMap((word) => rewritten(word, flags)), ...words.slice(options.length)];
}

type Flags = {
  /** "--follow", "-f": flags that take no value. */
  readonly alone: ReadonlySet<string>;
  /** "-n": short flags that take one. */
  readonly shortWithValue: ReadonlySet<string>;
};

function flagsOf(program: Command): Flags {
  const options = commandsOf(program).flatMap((command) => command.options);
  const named = (wanted: boolean) =>
    options
      .filter((option) => (option.isBoolean() || option.negate) === wanted)
      .flatMap(({ long, short }) => [long, short]);
  const known = (names: readonly (string | undefined)[]) =>
    names.filter((name) => name !== undefined);
  return {
    alone: new Set(known(named(true))),
    shortWithValue: new Set(known(named(false)).filter((name) => !name.startsWith("--"))),
  };
}

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

function rewritten(word: string, { alone, shortWithValue }: Flags): string[] {
  const at = word.indexOf("=");
  if (at < 0 || !word.startsWith("-")) return [word];
  const flag = word.slice(0, at);
  const value = word.slice(at + 1);
  if (shortWithValue.has(flag)) return [flag, value];
  if (!alone.has(flag)) return [word];
  // --ipv4=v4 says no more than --ipv4.
  if (parseBoolean(value) !== false) return [flag];
  const negation = `--no-${flag.slice(2)}`;
  return alone.has(negation) ? [negation] : [];
}
