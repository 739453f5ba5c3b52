// The time that a view shows: what happens now, or a range of the past.
import { durationMs, timeMs } from "../../src/shared/filters.ts";
import { age, dateClock } from "../ui/text.ts";

export type Range =
  /** `spanMs`: how much of what has just been is shown with it. */
  | { readonly kind: "live"; readonly spanMs: number }
  | { readonly kind: "past"; readonly sinceMs: number; readonly untilMs: number };

export const liveSpanMs = 300_000;
/** Of a past that has no beginning in the URL. */
const pastSpanMs = 3_600_000;

export const presets = ["5m", "15m", "1h", "6h", "24h"] as const;

/** With an end it is the past. Times that cannot be read count as not given. */
export function rangeOf(query: URLSearchParams, nowMs: number): Range {
  const since = query.get("since") ?? "";
  const until = query.get("until") ?? "";
  const untilMs = timeMs(until, nowMs);
  const sinceMs = timeMs(since, nowMs);
  if (untilMs === undefined) {
    const spanMs = sinceMs === undefined ? liveSpanMs : nowMs - sinceMs;
    return { kind: "live", spanMs: Math.min(Math.max(spanMs, 60_000), 3_600_000) };
  }
  const begin = sinceMs ?? untilMs - pastSpanMs;
  return { kind: "past", sinceMs: Math.min(begin, untilMs - 1_000), untilMs };
}

/** "Live", "Last 15 min", "26 Nov 10:00:00 – 10:30:00" */
export function rangeText(query: URLSearchParams, nowMs: number): string {
  const since = query.get("since") ?? "";
  const until = query.get("until") ?? "";
  if (timeMs(until, nowMs) === undefined) return "Live";
  const span = durationMs(since);
  if (until === "now" && span !== undefined) return `Last ${age(span)}`;
  const range = rangeOf(query, nowMs);
  if (range.kind === "live") return "Live";
  return `${dateClock(range.sinceMs)} – ${dateClock(range.untilMs)}`;
}
