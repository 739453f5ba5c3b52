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

/** Sets an entry of a map, in one step; adds it where it is not there. Neither has a character that the line is parsed by. */
export async function putEntry(runtime: Runtime, map: string, entry: MapEntry): Promise<void> {
  const { key, value } = entry;
  // It says nothing when it has set it, and something when there is no such key.
  if ((await runtime.ask(`set map ${map} ${key} ${value}`)) === "") return;
  await runtime.tell(`add map ${map} ${key} ${value}`);
}

/** An entry that is gone is success. */
export async function removeEntry(runtime: Runtime, map: string, key: string): Promise<void> {
  const answer = await runtime.ask(`del map ${map} ${key}`);
  if (answer !== "" && !/not found/i.test(answer))
    throw new HaproxyError("refused", `HAProxy does not "del map": ${answer.slice(0, 300)}`);
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
  const payloads: string[] = [];
  let lines: string[] = [];
  let length = 0;
  for (const { key, value } of entries) {
    const line = `${key} ${value}`;
    if (!/^[!-~]+$/.test(key) || !/^[ -~]+$/.test(value))
      throw new HaproxyError("refused", "a map's entry is not of printable characters");
    if (line.length > longestPayload)
      throw new HaproxyError("refused", "a rule is too long for HAProxy");
    if (length + line.length + 1 > longestPayload) {
      payloads.push(lines.join("\n"));
      lines = [];
      length = 0;
    }
    lines.push(line);
    length += line.length + 1;
  }
  if (lines.length > 0) payloads.push(lines.join("\n"));
  return payloads;
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
