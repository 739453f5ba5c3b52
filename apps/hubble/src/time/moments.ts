// Moments as --since and --until take them.
import { parseDuration } from "./durations.ts";

/** What --since and --until take, for help and errors. */
export const momentForms =
  "a duration before now (90s, 1h30m, 2d), 2006-01-02, 2006-01-02T15Z, 2006-01-02T15:04Z, 2006-01-02T15:04:05.999+07:00 (RFC 3339), " +
  "Mon, 02 Jan 2006 15:04:05 -0700 (RFC 1123), or Jan  2 15:04:05.000 as flows are printed; without a zone: UTC";

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const weekday = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const iso =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d\d:\d\d))?$/;
const rfc1123 = new RegExp(
  `^${weekday}, (\\d{1,2}) (${months.join("|")}) (\\d{4}) (\\d\\d):(\\d\\d):(\\d\\d) ([+-]\\d\\d):?(\\d\\d)$`,
);
const stamp = new RegExp(
  `^(${months.join("|")}) {1,2}(\\d{1,2}) (\\d\\d):(\\d\\d):(\\d\\d)(?:\\.(\\d{1,9}))?$`,
);

/** The moment as UNIX time in nanoseconds; undefined for what is none. */
export function parseMoment(text: string, nowNs: bigint): bigint | undefined {
  const duration = parseDuration(text);
  if (duration !== undefined) return nowNs - duration;
  return parseIso(text) ?? parseRfc1123(text) ?? parseStamp(text, nowNs);
}

function parseIso(text: string): bigint | undefined {
  const match = iso.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone = "Z"] =
    match;
  return instant([year, month, day, hour, minute, second].map(Number), fraction, zone);
}

function parseRfc1123(text: string): bigint | undefined {
  const match = rfc1123.exec(text);
  if (!match) return undefined;
  const [, day, month = "", year, hour, minute, second, zoneHours = "", zoneMinutes = ""] = match;
  const fields = [year, months.indexOf(month) + 1, day, hour, minute, second].map(Number);
  return instant(fields, "", `${zoneHours}:${zoneMinutes}`);
}

/** These have no year: the last one in which it was not in the future (but for clocks that differ). */
function parseStamp(text: string, nowNs: bigint): bigint | undefined {
  const match = stamp.exec(text);
  if (!match) return undefined;
  const [, month = "", day, hour, minute, second, fraction = ""] = match;
  const year = new Date(Number(nowNs / 1_000_000n)).getUTCFullYear();
  const rest = [months.indexOf(month) + 1, day, hour, minute, second].map(Number);
  const thisYear = instant([year, ...rest], fraction, "Z");
  const oneDayNs = 86_400_000_000_000n;
  if (thisYear !== undefined && thisYear <= nowNs + oneDayNs) return thisYear;
  return instant([year - 1, ...rest], fraction, "Z");
}

function instant(fields: readonly number[], fraction: string, zone: string): bigint | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = fields;
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(ms);
  // Date.UTC would take the 31st of February for the 3rd of March.
  const valid =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60;
  const offset = offsetMs(zone);
  if (!valid || year < 1970 || offset === undefined) return undefined;
  return BigInt(ms - offset) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

function offsetMs(zone: string): number | undefined {
  if (zone === "Z") return 0;
  const [hours = 0, minutes = 0] = zone.slice(1).split(":").map(Number);
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
