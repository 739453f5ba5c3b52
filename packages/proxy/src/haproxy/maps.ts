// Maps of a running HAProxy: rules live in there, so that changing them drops nothing. A new version of a map is built
// beside the one in force and replaces it in one step.
import { HaproxyError } from "./error.ts";
import { longestPayload, type Runtime } from "./runtime.ts";

/** Neither has a line end; a key has no blank either. */
export type MapEntry = { readonly key: string; readonly value: string };

/** Puts these entries, in this order, in the place of all that the map has. @throws HaproxyError; then it has what it had */
export async function replaceMap(
  runtime: Runtime,
  map: string,
  entries: readonly MapEntry[],
): Promise<void> {
  const payloads = payloadsOf(entries);
  const [, version] = await runtime.expect(`prepare map ${map}`, /^New version created: (\d+)$/);
  try {
    for (const payload of payloads) await runtime.tell(`add map @${version} ${map}`, payload);
    await runtime.tell(`commit map @${version} ${map}`);
  } catch (error) {
    await runtime.ask(`clear map @${version} ${map}`).catch(() => undefined);
    throw error;
  }
}

/** Changes single entries of a map, each in one step. Neither keys nor values have a character that the line is parsed by. */
export async function changeEntries(
  runtime: Runtime,
  map: string,
  changes: { readonly added: MapEntry[]; readonly set: MapEntry[]; readonly removed: string[] },
): Promise<void> {
  const commands = [
    ...changes.added.map(({ key, value }) => `add map ${map} ${key} ${value}`),
    ...changes.set.map(({ key, value }) => `set map ${map} ${key} ${value}`),
    ...changes.removed.map((key) => `del map ${map} ${key}`),
  ];
  for (const line of joined(commands, ";")) await runtime.tell(line);
}

/** How many entries maps have, by file. */
export async function mapSizes(runtime: Runtime): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const line of (await runtime.ask("show map")).split("\n")) {
    const [, file, count] = /^\d+ \((\S+)\) .*entry_cnt=(\d+)/.exec(line) ?? [];
    if (file !== undefined) sizes.set(file, Number(count));
  }
  return sizes;
}

function payloadsOf(entries: readonly MapEntry[]): string[] {
  const lines = entries.map(({ key, value }) => {
    if (!/^[!-~]+$/.test(key) || !/^[ -~]+$/.test(value))
      throw new HaproxyError("refused", "a map's entry is not of printable characters");
    const line = `${key} ${value}`;
    if (line.length > longestPayload)
      throw new HaproxyError("refused", "a rule is too long for HAProxy");
    return line;
  });
  return joined(lines, "\n");
}

/** Texts put together, as many as HAProxy takes at once. */
function joined(texts: readonly string[], separator: string): string[] {
  const found: string[] = [];
  let together: string[] = [];
  let length = 0;
  for (const text of texts) {
    if (length + text.length + 1 > longestPayload) {
      found.push(together.join(separator));
      together = [];
      length = 0;
    }
    together.push(text);
    length += text.length + 1;
  }
  if (together.length > 0) found.push(together.join(separator));
  return found.filter((text) => text !== "");
}

/** Whether HAProxy looks into a map at all, for each request: most of the time some have no entry. */
export async function setFlag(
  runtime: Runtime,
  name: "moved" | "specs",
  on: boolean,
): Promise<void> {
  // The command is experimental in HAProxy 2.6, says so, and says nothing of its own.
  const answer = await runtime.ask(
    `experimental-mode on; set var proc.${name} bool(${on ? "true" : "false"})`,
  );
  const known = await runtime.ask(`get var proc.${name}`);
  if (!known.includes(`<${on ? 1 : 0}>`))
    throw new HaproxyError("refused", `HAProxy does not "set var": ${answer.slice(0, 300)}`);
}
