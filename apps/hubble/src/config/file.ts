// The configuration file: a YAML mapping of keys.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CommandError } from "../../../cli/src/failure.ts";

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the file is unless --config or HUBBLE_CONFIG says otherwise: ~/.config/hubble/config.yaml, or as it was once, ~/.hubble/config.yaml. */
export function defaultConfigFile(environment: Environment): string {
  const home = environment["HOME"] || homedir();
  const file = join(environment["XDG_CONFIG_HOME"] || join(home, ".config"), "hubble/config.yaml");
  const former = join(home, ".hubble/config.yaml");
  return !existsSync(file) && existsSync(former) ? former : file;
}

/** What the file says; nothing if there is none. @throws CommandError when it cannot be read, or is no mapping. */
export async function readConfigFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return {};
    throw new CommandError(`cannot read the configuration file: ${message}`, undefined, { cause });
  }
  const content = await parse(path, text);
  if (content === undefined || content === null) return {};
  if (typeof content === "object" && !Array.isArray(content))
    return content as Record<string, unknown>;
  throw new CommandError(`${path} is no mapping of keys to values`, wellFormed);
}

/** Writes the whole file, readable by its owner alone. */
export async function writeConfigFile(
  path: string,
  content: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { dump } = await import("js-yaml");
  const text = Object.keys(content).length === 0 ? "" : dump(content, { sortKeys: true });
  // Beside and renamed, so that nobody reads half of it, and a full disk leaves the old one.
  const written = `${path}.${process.pid}`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  writeFileSync(written, text, { mode: 0o600 });
  chmodSync(written, 0o600);
  renameSync(written, path);
}

async function parse(path: string, text: string): Promise<unknown> {
  const { load } = await import("js-yaml");
  try {
    return text.trim() === "" ? undefined : load(text);
  } catch (cause) {
    const [reason] = (cause as Error).message.split("\n");
    throw new CommandError(`${path} is no YAML: ${reason}`, wellFormed, { cause });
  }
}

const wellFormed =
  "Write lines such as `server: tls://relay.example:4245`, or use `hubble config set`.";
