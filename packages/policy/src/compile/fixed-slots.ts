// The two slots that are always there.
import type { CompiledSlot, Direction, EntryVerdict } from "../model.ts";
import type { LiveSlot } from "./live-slot.ts";

export const unknownSlot = 0;
export const allowSlot = 1;

/** What a subject is held to in one direction; the unknown slot until the first is built. */
export type Held = LiveSlot | typeof unknownSlot | typeof allowSlot;

/** Rule number of what no rule decided; it is in no slot but these. */
export const noRule = 0;

/** A fixed slot in the form of others. */
export function fixedSlot(
  slot: typeof unknownSlot | typeof allowSlot,
  direction: Direction,
): CompiledSlot {
  const verdict: EntryVerdict = slot === allowSlot ? "allow" : "deny";
  return {
    slot,
    direction,
    otherwise: { verdict, rule: noRule },
    response: "drop",
    portLengths: [],
    usesCidr: false,
    defaultIgnoresCidr: false,
    knownPeersOnly: false,
    classes: [],
    cidrClasses: [],
    rules: [],
  };
}
