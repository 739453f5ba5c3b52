import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseDuration } from "./durations.ts";
import { timeFormatNamed, timeFormats, timePrinter } from "./formats.ts";
import { parseMoment } from "./moments.ts";

const second = 1_000_000_000n;

test("durations are read as Go reads them, and in days", () => {
  const rows: readonly (readonly [string, bigint | undefined])[] = [
    ["0", 0n],
    ["3s", 3n * second],
    ["4m", 240n * second],
    ["1h43m", 6_180n * second],
    ["1.5h", 5_400n * second],
    [".5s", second / 2n],
    ["5.s", 5n * second],
    ["-5m", -300n * second],
    ["+5m", 300n * second],
    ["250ms", 250_000_000n],
    ["1us2µs3μs", 6_000n],
    ["7ns", 7n],
    ["2d", 172_800n * second],
    ["1h 3m", undefined],
    ["1h43", undefined],
    ["", undefined],
    ["s", undefined],
    [".s", undefined],
    ["5", undefined],
    ["1e3s", undefined],
    ["99999999999999999999h", undefined],
    [`${"1s".repeat(40)}`, undefined],
  ];
  for (const [text, duration] of rows) assert.equal(parseDuration(text), duration, text);
});

test("durations are printed as Go prints them", () => {
  const rows: readonly (readonly [bigint, string])[] = [
    [0n, "0s"],
    [1n, "1ns"],
    [1_000n, "1µs"],
    [1_500n, "1.5µs"],
    [100_000_000n, "100ms"],
    [10n * second, "10s"],
    [100n * second, "1m40s"],
    [10_000n * second, "2h46m40s"],
    [301_515_181_665n, "5m1.515181665s"],
    [(1n << 63n) - 1n, "2562047h47m16.854775807s"],
    [1n << 63n, "9223372036854775808ns"],
  ];
  for (const [duration, text] of rows) assert.equal(formatDuration(duration), text);
});

/** 2026-11-26T10:00:00.5Z */
const now = BigInt(Date.UTC(2026, 10, 26, 10, 0, 0, 500)) * 1_000_000n;

test("--since and --until take durations, dates in every form of Cilium's, and times as flows are printed", () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["90s", "2026-11-26T09:58:30.5Z"],
    ["-1h", "2026-11-26T11:00:00.5Z"],
    ["2026-11-26", "2026-11-26T00:00:00Z"],
    ["2024-02-29", "2024-02-29T00:00:00Z"],
    ["2026-11-26T09Z", "2026-11-26T09:00:00Z"],
    ["2026-11-26T09+07:00", "2026-11-26T02:00:00Z"],
    ["2026-11-26T09:30Z", "2026-11-26T09:30:00Z"],
    ["2026-11-26T09:30-00:30", "2026-11-26T10:00:00Z"],
    ["2026-11-26T09:30:05Z", "2026-11-26T09:30:05Z"],
    ["2026-11-26T09:30:05.999Z", "2026-11-26T09:30:05.999Z"],
    ["2026-11-26T09:30:05.123456789+01:00", "2026-11-26T08:30:05.123456789Z"],
    ["Thu, 26 Nov 2026 09:30:05 +0000", "2026-11-26T09:30:05Z"],
    ["Thu, 26 Nov 2026 09:30:05 -0730", "2026-11-26T17:00:05Z"],
    ["Nov 26 09:59:01.250", "2026-11-26T09:59:01.25Z"],
    ["Nov  2 09:59:01.250", "2026-11-02T09:59:01.25Z"],
    // Tomorrow's only by a clock that is ahead; else it was last year.
    ["Nov 27 09:00:00.000", "2026-11-27T09:00:00Z"],
    ["Dec 31 23:59:59.999", "2025-12-31T23:59:59.999Z"],
    ["2026-02-30", undefined],
    ["2025-02-29", undefined],
    ["2026-13-01", undefined],
    ["2026-11-26T24Z", undefined],
    ["2026-11-26T09:60Z", undefined],
    ["2026-11-26T09:30:05+24:00", undefined],
    ["1969-12-31", undefined],
    ["Feb 30 00:00:00.000", undefined],
    ["yesterday", undefined],
    ["", undefined],
  ];
  const print = timePrinter("RFC3339Nano");
  for (const [text, moment] of rows) {
    const parsed = parseMoment(text, now);
    assert.equal(parsed === undefined ? undefined : print(parsed), moment, text);
  }
});

test("every time format prints as Go does, cutting off what it does not show", () => {
  const moment = BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) * 1_000_000n + 120_999_000n;
  const texts = Object.fromEntries(
    timeFormats.map((format) => [format, timePrinter(format)(moment)]),
  );
  assert.deepEqual(texts, {
    StampMilli: "Jan  2 03:04:05.120",
    YearMonthDay: "2026-01-02",
    YearMonthDayHour: "2026-01-02T03Z",
    YearMonthDayHourMinute: "2026-01-02T03:04Z",
    RFC3339: "2026-01-02T03:04:05Z",
    RFC3339Milli: "2026-01-02T03:04:05.12Z",
    RFC3339Micro: "2026-01-02T03:04:05.120999Z",
    RFC3339Nano: "2026-01-02T03:04:05.120999Z",
    RFC1123Z: "Fri, 02 Jan 2026 03:04:05 +0000",
  });
  assert.equal(timeFormatNamed("rfc3339nano"), "RFC3339Nano");
  assert.equal(timeFormatNamed("ANSIC"), undefined);
});

test("times that no protobuf timestamp has are N/A, and leave the next one right", () => {
  const print = timePrinter("StampMilli");
  assert.deepEqual(
    [-1n, 0n, -5n * second, 253_402_300_800n * second, 1n << 80n, 59_999_000_000n].map(print),
    ["N/A", "Jan  1 00:00:00.000", "N/A", "N/A", "N/A", "Jan  1 00:00:59.999"],
  );
});
