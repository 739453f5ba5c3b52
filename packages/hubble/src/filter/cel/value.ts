// Values of the Common Expression Language. int, uint and enums are bigint: the type checker has told them apart before.

/** google.protobuf.Timestamp: UNIX time. */
export class CelTime {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

/** google.protobuf.Duration. */
export class CelDuration {
  readonly ns: bigint;
  constructor(ns: bigint) {
    this.ns = ns;
  }
}

/** A message is an object of model.ts; undefined is a message that is not set, all of whose fields are empty. */
export type CelValue =
  | boolean
  | bigint
  | number
  | string
  | null
  | undefined
  | CelTime
  | CelDuration
  | readonly CelValue[]
  | ReadonlyMap<CelValue, CelValue>
  | object;

/** An expression that has no value for this flow. Thrown often, hence shared and without a stack of its own. */
export class CelFailure extends Error {
  override readonly name = "CelFailure";
}

export const failure = new CelFailure("no value");
/** The one failure that "||", "&&" and the macros do not swallow. */
export const exhausted = new CelFailure("too expensive");

/** What an evaluation may still cost; one unit is about one small operation. */
export type Meter = { left: number };

/** @throws CelFailure exhausted */
export function spend(meter: Meter, units: number): void {
  meter.left -= units;
  if (meter.left < 0) throw exhausted;
}

export function asBoolean(value: CelValue): boolean {
  if (typeof value === "boolean") return value;
  throw failure;
}

/** Values of one type; of two, false. Charges for the elements of lists and maps. */
export function isEqual(a: CelValue, b: CelValue, meter: Meter): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof CelTime) return b instanceof CelTime && a.ns === b.ns;
  if (a instanceof CelDuration) return b instanceof CelDuration && a.ns === b.ns;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    spend(meter, a.length);
    return a.every((item, index) => isEqual(item, b[index], meter));
  }
  if (!(a instanceof Map) || !(b instanceof Map) || a.size !== b.size) return false;
  spend(meter, a.size);
  for (const [key, value] of a) if (!b.has(key) || !isEqual(value, b.get(key), meter)) return false;
  return true;
}
