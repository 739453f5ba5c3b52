// Names of a history's files: "flows-0000000000000001.v1" has flows from sequence 1 on, "flows-journal.v1" those that no
// segment has yet. The version of their format is part of the name, so that two versions never meet in one file.
import { readdir } from "node:fs/promises";
import { join } from "node:path";

export const streamNames = { flows: "flows", drops: "drops" } as const;
export type StreamName = (typeof streamNames)[keyof typeof streamNames];

export type HistoryFiles = {
  /** Paths of segments, oldest first. */
  readonly flows: readonly string[];
  readonly drops: readonly string[];
  /** How many there are of other versions. */
  readonly foreign: number;
};

const segmentPattern = /^(flows|drops)-(\d{16})\.v1$/;
const foreignPattern = /^(flows|drops)-(\d{16}|journal)\.v(?!1$)\d+$/;

export function segmentPath(folder: string, name: StreamName, firstSequence: number): string {
  return join(folder, `${name}-${String(firstSequence).padStart(16, "0")}.v1`);
}

export function journalPath(folder: string, name: StreamName): string {
  return join(folder, `${name}-journal.v1`);
}

/** @throws the system's error */
export async function listFiles(folder: string): Promise<HistoryFiles> {
  const names = (await readdir(folder)).toSorted();
  const found = { flows: [] as string[], drops: [] as string[] };
  let foreign = 0;
  for (const name of names) {
    const [, stream] = segmentPattern.exec(name) ?? [];
    if (foreignPattern.test(name)) foreign++;
    if (stream === "flows" || stream === "drops") found[stream].push(join(folder, name));
  }
  return { ...found, foreign };
}
