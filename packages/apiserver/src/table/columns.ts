// Columns that many kinds share, and how ages and JSONPaths become cells.
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
  return durationText((nowMs - Date.parse(since)) / 1000);
}

/** The same of a duration; of a negative one as of none. */
export function durationText(durationSeconds: number): string {
  const seconds = Math.max(0, Math.floor(durationSeconds));
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
