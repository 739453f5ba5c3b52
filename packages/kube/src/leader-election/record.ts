// What a Lease says of who leads, and what it says once somebody takes or renews it. Pure.
//
//   nobody --take--> A --renew--> A --A is silent for the Lease's duration--> B takes it
//                     \--release--> nobody
import type { Lease } from "../types/core.ts";

/** Who a Lease names. `holder` is "" when nobody holds it. */
export type LeaderRecord = {
  readonly holder: string;
  /** How long a holder that is not heard of keeps it, as the holder itself promised. */
  readonly leaseDurationMs: number;
  /** How often it changed hands. */
  readonly transitions: number;
};

/** A Lease as somebody last saw it change. */
export type Observation = {
  readonly lease: Lease;
  /** By the observer's own clock (milliseconds): times in a Lease are of another machine's clock. */
  readonly changedAtMs: number;
};

/** @param fallbackMs the duration of a Lease that names none, or nonsense */
export function recordOf({ spec }: Lease, fallbackMs: number): LeaderRecord {
  const seconds = spec?.leaseDurationSeconds;
  const usable = typeof seconds === "number" && Number.isFinite(seconds) && seconds > 0;
  return {
    holder: spec?.holderIdentity ?? "",
    leaseDurationMs: usable ? seconds * 1000 : fallbackMs,
    transitions: spec?.leaseTransitions ?? 0,
  };
}

/**
 * What is seen now, with the moment since which it has not changed: a Lease that was written since the last look,
 * by whomever, counts from now on.
 */
export function observe(before: Observation | undefined, lease: Lease, nowMs: number): Observation {
  const same =
    before !== undefined &&
    before.lease.metadata.uid === lease.metadata.uid &&
    before.lease.metadata.resourceVersion === lease.metadata.resourceVersion;
  return { lease, changedAtMs: same ? before.changedAtMs : nowMs };
}

/** For how much longer its holder may be alive and write; 0 when it may be taken. */
export function heldForMs(observation: Observation, nowMs: number, fallbackMs: number): number {
  const { holder, leaseDurationMs } = recordOf(observation.lease, fallbackMs);
  if (holder === "") return 0;
  return Math.max(0, observation.changedAtMs + leaseDurationMs - nowMs);
}

export type Claim = {
  readonly identity: string;
  readonly leaseDurationMs: number;
  /** By the wall's clock, for people: nobody decides by it. */
  readonly date: Date;
};

/** The Lease as its holder writes it, first or again. `before` undefined: there is none yet. */
export function claimed(before: Lease["spec"], claim: Claim): NonNullable<Lease["spec"]> {
  const { identity, leaseDurationMs, date } = claim;
  const held = before?.holderIdentity === identity;
  return {
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
    acquireTime: (held && before?.acquireTime) || microTime(date),
    renewTime: microTime(date),
    leaseTransitions: (before?.leaseTransitions ?? 0) + (held || before === undefined ? 0 : 1),
  };
}

/** The Lease as its holder gives it back: nobody's, and free at once. */
export function released(before: Lease["spec"], date: Date): NonNullable<Lease["spec"]> {
  return {
    holderIdentity: "",
    leaseDurationSeconds: 1,
    acquireTime: microTime(date),
    renewTime: microTime(date),
    leaseTransitions: before?.leaseTransitions ?? 0,
  };
}

/** metav1.MicroTime: RFC 3339 with six digits of a second. */
function microTime(date: Date): string {
  return date.toISOString().replace(/Z$/, "000Z");
}
