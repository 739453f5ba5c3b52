// Columns that many kinds share, and how ages and JSONPaths become cells.
import { isRecord } from "../objects/json.ts";
import type { ApiObject } from "../objects/object.ts";
import type { Column } from "../kinds/kind.ts";

export const nameColumn: Column = {
  name: "Name",
  type: "string",
  format: "name",
  value: (object) => object.metadata.name,
};

export const ageColumn: Column = {
  name: "Age",
  type: "string",
  value: (object) => age(object.metadata.creationTimestamp),
};

export function textColumn(
  name: string,
  value: (object: ApiObject) => unknown,
  priority = 0,
): Column {
  return { name, type: "string", priority, value: (object) => value(object) ?? "<none>" };
}

export function countColumn(name: string, value: (object: ApiObject) => unknown): Column {
  return { name, type: "integer", value: (object) => value(object) ?? 0 };
}

/** "45s", "3m10s", "7h", "12d": kubectl's way to tell a duration. */
export function age(since: string | undefined, nowMs = Date.now()): string {
  if (since === undefined) return "<unknown>";
  if (Number.isNaN(Date.parse(since))) return "<invalid>";
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(since)) / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return withRest(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return withRest(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  if (days < 8) return withRest(days, "d", hours % 24, "h");
  if (days < 365 * 2) return `${days}d`;
  return withRest(Math.floor(days / 365), "y", days % 365, "d");
}

function withRest(whole: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${whole}${unit}` : `${whole}${unit}${rest}${restUnit}`;
}

/**
 * The simple JSONPaths that printer columns use: ".spec.a.b", ".items[0].x", ".status.c[?(@.type==\"T\")].s",
 * ".metadata.annotations.a\\.b". Undefined when the path leads nowhere.
 */
export function jsonPath(path: string): (object: unknown) => unknown {
  const steps = [...path.matchAll(stepPattern)].map((match) => toStep(match));
  return (object) => steps.reduce<unknown>((value, step) => step(value), object);
}

const stepPattern =
  /\.((?:\\.|[^.[\]\\])+)|\['((?:[^'])+)'\]|\[(\d+)\]|\[\?\(@\.([\w.-]+)\s*==\s*["']([^"']*)["']\)\]/g;

function toStep(match: RegExpMatchArray): (value: unknown) => unknown {
  const [, dotted, quoted, index, filterField, filterValue] = match;
  if (index !== undefined)
    return (value) => (Array.isArray(value) ? value[Number(index)] : undefined);
  if (filterField !== undefined) {
    const read = jsonPath(`.${filterField}`);
    return (value) =>
      Array.isArray(value) ? value.find((item) => String(read(item)) === filterValue) : undefined;
  }
  const name = quoted ?? (dotted ?? "").replaceAll(/\\(.)/g, "$1");
  return (value) => (isRecord(value) ? value[name] : undefined);
}
