// What services cost an agent: time and CPU from objects to the kernel's tables, and memory.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Section } from "../../report.ts";
import type { Programmed } from "../programmed.ts";
import type { Found } from "./process.ts";

const additions = 200;
const timeoutMs = 120_000;

/** By number of services. */
type ControlBySize = ReadonlyMap<number, Found>;

const known = new Map<number, Found>();

export async function benchControl(sizes: readonly number[]): Promise<Section[]> {
  return [controlSection(await measureControl(sizes))];
}

/** One process after the other; each size once in the life of this process. @throws Error with what one of them said */
async function measureControl(sizes: readonly number[]): Promise<ControlBySize> {
  for (const size of sizes) if (!known.has(size)) known.set(size, await runProcess(size));
  return new Map(sizes.map((size) => [size, known.get(size) as Found]));
}

async function runProcess(size: number): Promise<Found> {
  const script = join(import.meta.dirname, "process.ts");
  const args = ["--expose-gc", script, String(size), String(additions)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: timeoutMs });
  return JSON.parse(stdout) as Found;
}

/** How long we take, by number of services. */
export async function programmedByUs(
  sizes: readonly number[],
): Promise<ReadonlyMap<number, Programmed>> {
  return await measureControl(sizes);
}

function controlSection(bySize: ControlBySize): Section {
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  const rows: readonly (readonly [string, (found: Found) => string])[] = [
    ["frontends in the kernel", ({ frontends }) => frontends.toLocaleString("en")],
    ["CPU ms, all of them", ({ allCpuMs }) => allCpuMs.toFixed(0)],
    ["CPU ms, one more", ({ addCpuMs }) => addCpuMs.toFixed(2)],
    ["VmRSS MB, without services", ({ bareBytes }) => megabytes(bareBytes)],
    ["VmRSS MB, with their objects", ({ objectBytes }) => megabytes(objectBytes)],
    ["VmRSS MB, with all that was made of them", ({ loadedBytes }) => megabytes(loadedBytes)],
  ];
  return {
    title: "services in an agent's process",
    note: `By number of services, each of an EndpointSlice with two endpoints: the agent's own engine brings them from its tables of objects into a kernel's, in a process of its own for each number. One more: from the objects' text to the kernel, mean of ${additions}.`,
    columns: ["", ...[...bySize.keys()].map((size) => size.toLocaleString("en"))],
    rows: rows.map(([sentence, text]) => [sentence, ...[...bySize.values()].map(text)]),
  };
}
