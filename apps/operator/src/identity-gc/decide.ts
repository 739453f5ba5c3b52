// When an identity that nobody uses goes, and how fast. Pure.
//
//   in use <---> unused --window--> marked --window--> deleted
//      ^                              |
//      '------ an agent takes the mark off: it needs the identity, though no CiliumEndpoint says so yet
import { allocatedIdentities } from "@tsilium/identity/model.ts";

export type IdentityFacts = {
  /** Whether a CiliumEndpoint names it. */
  readonly used: boolean;
  /** Since when this operator has known it unused, by its own clock. */
  readonly unusedSinceMs: number;
  /** What its mark says; absent: it has none. NaN: no time. */
  readonly markedAtMs?: number;
};

/** `mark`: says since when it is unused, and so announces its end. */
export type Verdict = "keep" | "mark" | "unmark" | "delete";

/**
 * A mark may be of another operator, whose clock was another's: what it says counts only after this one has itself seen
 * the identity unused for a window.
 */
export function judge(facts: IdentityFacts, nowMs: number, windowMs: number): Verdict {
  const { used, unusedSinceMs, markedAtMs } = facts;
  if (used) return markedAtMs === undefined ? "keep" : "unmark";
  if (nowMs - unusedSinceMs < windowMs) return "keep";
  if (markedAtMs === undefined) return "mark";
  // No time, or one that has not come: written by a clock that was ahead, or by hand.
  if (!(markedAtMs <= nowMs)) return "mark";
  return nowMs - markedAtMs >= windowMs ? "delete" : "keep";
}

const numbers = allocatedIdentities.last - allocatedIdentities.first + 1;
const shareOfAlarm = 0.5;
const shareOfNeed = 0.95;
const leastFactor = 1 / 30;

/**
 * By how much windows shrink as numbers run out: 1 until half are taken, a thirtieth when hardly any are left. Long windows
 * spare agents work; too long ones leave new pods without an identity.
 * @param count identities that there are
 */
export function haste(count: number): number {
  const share = count / numbers;
  if (share <= shareOfAlarm) return 1;
  if (share >= shareOfNeed) return leastFactor;
  return 1 - ((share - shareOfAlarm) / (shareOfNeed - shareOfAlarm)) * (1 - leastFactor);
}

/** As much as an API server and all agents' watches bear beside their work. */
const mostPerSecond = 500;
const leastPerSecond = 50;

/**
 * Deletions a second: twice what comes, so that a backlog shrinks whatever the churn, and enough to have done what is
 * due within a minute.
 * @param ceiling from identity-gc-rate-limit; undefined: none
 */
export function deletionsPerSecond(
  due: number,
  newPerSecond: number,
  ceiling: number | undefined,
): number {
  const wanted = Math.max(leastPerSecond, 2 * newPerSecond, due / 60);
  return Math.min(wanted, ceiling ?? mostPerSecond);
}
