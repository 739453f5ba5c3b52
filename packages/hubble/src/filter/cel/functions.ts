// Operators and functions of CEL's standard definitions that expressions may use. Each charges for the work that grows
// with its arguments.
import {
  asBoolean,
  CelDuration,
  CelTime,
  type CelValue,
  failure,
  type Meter,
  spend,
} from "./value.ts";

const int64 = { least: -(2n ** 63n), greatest: 2n ** 63n - 1n };
const uint64 = { least: 0n, greatest: 2n ** 64n - 1n };

export type NumberType = "int" | "uint";

function inRange(value: bigint, type: NumberType): bigint {
  const { least, greatest } = type === "uint" ? uint64 : int64;
  if (value < least || value > greatest) throw failure;
  return value;
}

/** "+", "-", "*", "/", "%", as the checker let them through. `type`: of the result, where it is an integer. */
export function arithmetic(
  operator: string,
  type: NumberType,
): (a: CelValue, b: CelValue, meter: Meter) => CelValue {
  return (a, b, meter) => {
    if (typeof a === "bigint" && typeof b === "bigint")
      return inRange(integerResult(operator, a, b), type);
    if (typeof a === "number" && typeof b === "number") return doubleResult(operator, a, b);
    if (operator === "+") return sum(a, b, meter);
    if (operator === "-") return difference(a, b);
    throw failure;
  };
}

function integerResult(operator: string, a: bigint, b: bigint): bigint {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    default:
      if (b === 0n) throw failure;
      return operator === "/" ? a / b : a % b;
  }
}

function doubleResult(operator: string, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    default:
      return a / b;
  }
}

function sum(a: CelValue, b: CelValue, meter: Meter): CelValue {
  if (typeof a === "string" && typeof b === "string") {
    spend(meter, textCost(a) + textCost(b));
    return a + b;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    spend(meter, a.length + b.length);
    return [...(a as CelValue[]), ...(b as CelValue[])];
  }
  if (a instanceof CelDuration && b instanceof CelDuration) return new CelDuration(a.ns + b.ns);
  if (a instanceof CelTime && b instanceof CelDuration) return new CelTime(a.ns + b.ns);
  if (a instanceof CelDuration && b instanceof CelTime) return new CelTime(a.ns + b.ns);
  throw failure;
}

function difference(a: CelValue, b: CelValue): CelValue {
  if (a instanceof CelTime && b instanceof CelTime) return new CelDuration(a.ns - b.ns);
  if (a instanceof CelTime && b instanceof CelDuration) return new CelTime(a.ns - b.ns);
  if (a instanceof CelDuration && b instanceof CelDuration) return new CelDuration(a.ns - b.ns);
  throw failure;
}

/** "<", "<=", ">", ">=". */
export function comparison(operator: string): (a: CelValue, b: CelValue) => boolean {
  return (left, right) => {
    const a = ordered(left);
    const b = ordered(right);
    switch (operator) {
      case "<":
        return a < b;
      case "<=":
        return a <= b;
      case ">":
        return a > b;
      default:
        return a >= b;
    }
  };
}

function ordered(value: CelValue): string | number | bigint | boolean {
  if (value instanceof CelTime || value instanceof CelDuration) return value.ns;
  if (value === undefined || value === null || typeof value === "object") throw failure;
  return value;
}

export function negate(value: CelValue): CelValue {
  if (typeof value === "bigint") return inRange(-value, "int");
  if (typeof value === "number") return -value;
  throw failure;
}

export function not(value: CelValue): boolean {
  return !asBoolean(value);
}

/** Global functions of one argument. */
export const functions: Readonly<Record<string, (value: CelValue, meter: Meter) => CelValue>> = {
  size: sizeOf,
  int: toInt,
  uint: (value, meter) => inRange(toInteger(value, meter), "uint"),
  double: (value) => {
    if (typeof value === "bigint") return Number(value);
    if (typeof value === "number") return value;
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
    if (Number.isNaN(number)) throw failure;
    return number;
  },
  string: (value) => {
    if (typeof value === "string") return value;
    if (value === null || value === undefined || typeof value === "object") throw failure;
    return String(value);
  },
  bool: (value) => {
    if (typeof value === "boolean") return value;
    if (value === "true" || value === "True" || value === "TRUE" || value === "t" || value === "1")
      return true;
    if (
      value === "false" ||
      value === "False" ||
      value === "FALSE" ||
      value === "f" ||
      value === "0"
    )
      return false;
    throw failure;
  },
  timestamp: (value) => new CelTime(parseTime(value)),
  duration: (value) => new CelDuration(parseDuration(value)),
};

function toInt(value: CelValue, meter: Meter): bigint {
  return inRange(toInteger(value, meter), "int");
}

function toInteger(value: CelValue, meter: Meter): bigint {
  if (typeof value === "bigint") return value;
  if (value instanceof CelTime) return value.ns / 1_000_000_000n;
  if (typeof value === "number" && Number.isFinite(value)) return BigInt(Math.trunc(value));
  if (typeof value !== "string" || !/^-?[0-9]{1,20}$/.test(value)) throw failure;
  spend(meter, 1);
  return BigInt(value);
}

/** size(): characters, elements or entries. */
export function sizeOf(value: CelValue, meter: Meter): bigint {
  if (typeof value === "string") {
    spend(meter, textCost(value));
    let points = 0;
    for (const _ of value) points++;
    return BigInt(points);
  }
  if (Array.isArray(value)) return BigInt(value.length);
  if (value instanceof Map) return BigInt(value.size);
  throw failure;
}

/** RFC 3339, or a number of seconds. */
function parseTime(value: CelValue): bigint {
  if (typeof value === "bigint") return value * 1_000_000_000n;
  if (typeof value !== "string") throw failure;
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[-+]\d\d:\d\d)$/.exec(value);
  const ms = match ? Date.parse(`${match[1]}${match[3]}`) : Number.NaN;
  if (Number.isNaN(ms)) throw failure;
  return BigInt(ms) * 1_000_000n + BigInt((match?.[2] ?? "0").padEnd(9, "0"));
}

const unitNs: Readonly<Record<string, number>> = {
  h: 3_600e9,
  m: 60e9,
  s: 1e9,
  ms: 1e6,
  us: 1e3,
  µs: 1e3,
  ns: 1,
};

/** Go's "1h30m", "-1.5s". */
function parseDuration(value: CelValue): bigint {
  if (typeof value !== "string" || value.length > 100) throw failure;
  const body = value.replace(/^[-+]/, "");
  if (!/^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$/.test(body)) throw failure;
  let ns = 0n;
  for (const [, whole, fraction = "", unit = ""] of body.matchAll(
    /([0-9]+)(?:\.([0-9]*))?(ns|us|µs|ms|s|m|h)/g,
  )) {
    const scale = unitNs[unit] as number;
    ns += BigInt(whole as string) * BigInt(scale);
    ns += BigInt(Math.trunc(Number(`0.${fraction}0`) * scale));
  }
  return value.startsWith("-") ? -ns : ns;
}

/** Methods of one receiver and one argument, both strings. */
export const stringMethods: Readonly<Record<string, (text: string, part: string) => boolean>> = {
  contains: (text, part) => text.includes(part),
  startsWith: (text, part) => text.startsWith(part),
  endsWith: (text, part) => text.endsWith(part),
};

/** One unit for every ten characters, as in cel-go. */
export function textCost(text: string): number {
  return 1 + text.length / 10;
}

type TimeMethod = (value: CelTime | CelDuration) => bigint;

const ofDate =
  (part: (date: Date) => number, perUnitNs?: bigint): TimeMethod =>
  (value) => {
    if (value instanceof CelTime) return BigInt(part(new Date(Number(value.ns / 1_000_000n))));
    if (perUnitNs === undefined) throw failure;
    return value.ns / perUnitNs;
  };

/** Methods of timestamps (UTC), and of durations, where they count the whole. */
export const timeMethods: Readonly<Record<string, TimeMethod>> = {
  getFullYear: ofDate((date) => date.getUTCFullYear()),
  getMonth: ofDate((date) => date.getUTCMonth()),
  getDate: ofDate((date) => date.getUTCDate()),
  getDayOfMonth: ofDate((date) => date.getUTCDate() - 1),
  getDayOfWeek: ofDate((date) => date.getUTCDay()),
  getDayOfYear: ofDate((date) =>
    Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000),
  ),
  getHours: ofDate((date) => date.getUTCHours(), 3_600_000_000_000n),
  getMinutes: ofDate((date) => date.getUTCMinutes(), 60_000_000_000n),
  getSeconds: ofDate((date) => date.getUTCSeconds(), 1_000_000_000n),
  getMilliseconds: ofDate((date) => date.getUTCMilliseconds(), 1_000_000n),
};
