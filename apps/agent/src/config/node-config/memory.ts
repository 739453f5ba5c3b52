// The settings of the last start, for a start without the API server.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { NodeSettings } from "./decide.ts";

/** Replaces the file in one step. @throws Error of node:fs */
export function remember(file: string, settings: NodeSettings): void {
  const next = `${file}.next`;
  writeFileSync(next, `${JSON.stringify(settings)}\n`, { mode: 0o600 });
  renameSync(next, file);
}

/** Undefined when there is no such file, or not one of ours. */
export function remembered(file: string): NodeSettings | undefined {
  try {
    const found: unknown = JSON.parse(readFileSync(file, "utf8"));
    return isSettings(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

function isSettings(value: unknown): value is NodeSettings {
  const { overrides, problems } = Object(value);
  return (
    Array.isArray(overrides) &&
    overrides.every(
      (each) =>
        typeof each?.key === "string" &&
        typeof each.text === "string" &&
        typeof each.source === "string" &&
        each.source.startsWith("cilium-node-config:"),
    ) &&
    Array.isArray(problems) &&
    problems.every((each) => typeof each === "string")
  );
}
