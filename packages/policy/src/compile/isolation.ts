// The default deny of a slot: whether there is one, whose it is, and what the sender hears.
import type { DenyResponse, PolicySettings } from "../model.ts";
import type { DefaultDeny, DeciderOptions } from "./decider.ts";
import type { SlotRequest } from "./plan.ts";
import type { RuleLease } from "./rule-numbers.ts";
import type { SpecSide } from "./spec-record.ts";

/** Loudest first. */
const loudness: readonly DenyResponse[] = ["rst", "icmp", "drop"];

export function isolationOf(
  { sides, isolatedBy }: SlotRequest,
  { denyResponse }: PolicySettings,
  lease: RuleLease,
): DeciderOptions["defaultDeny"] {
  const denialBy = (by: readonly SpecSide[]): DefaultDeny | undefined => {
    if (by.length > 0) {
      const name = {
        kind: "default-deny",
        by: by.map(({ ref, path }) => ({ ref, path })),
      } as const;
      return { rule: lease.of(name), response: loudest(by) ?? denyResponse };
    }
    if (isolatedBy === undefined) return undefined;
    const rule = lease.of({ kind: "builtin", reason: isolatedBy });
    return { rule, response: denyResponse };
  };
  const isolating = sides.filter(({ isolates }) => isolates);
  return {
    full: denialBy(isolating),
    enforced: denialBy(isolating.filter(({ isAudit }) => !isAudit)),
  };
}

/** Several objects cause one default deny. The sender hears what any of them wants it to hear. */
function loudest(sides: readonly SpecSide[]): DenyResponse | undefined {
  return loudness.find((response) => sides.some((side) => side.response === response));
}
