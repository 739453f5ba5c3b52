// Nanoseconds since 1970 <-> google.protobuf.Timestamp and its text.
import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { checkedTime } from "./reader.ts";

const second = 1_000_000_000n;

export function timestampFromNs(timeNs: bigint): Timestamp {
  const seconds = floorSeconds(timeNs);
  return create(TimestampSchema, { seconds, nanos: Number(timeNs - seconds * second) });
}

/** Of an absent time: 0. @throws CodecError "time" for one outside of years 1 to 9999 */
export function nsFromTimestamp(time: Timestamp | undefined): bigint {
  return time === undefined ? 0n : checkedTime(time.seconds, time.nanos);
}

/** RFC 3339 in UTC with 0, 3, 6 or 9 digits, as protobuf's JSON has it: "2026-11-26T08:12:01.500Z". */
export function timeText(timeNs: bigint): string {
  const seconds = floorSeconds(timeNs);
  const nanos = Number(timeNs - seconds * second);
  const date = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${date}${fraction(nanos)}Z`;
}

function fraction(nanos: number): string {
  if (nanos === 0) return "";
  const digits = String(nanos).padStart(9, "0");
  if (digits.endsWith("000000")) return `.${digits.slice(0, 3)}`;
  return digits.endsWith("000") ? `.${digits.slice(0, 6)}` : `.${digits}`;
}

function floorSeconds(timeNs: bigint): bigint {
  const quotient = timeNs / second;
  return timeNs < 0n && quotient * second !== timeNs ? quotient - 1n : quotient;
}
