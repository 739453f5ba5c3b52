// All rules that say the same of a packet as the one that decided. The kernel needs one; people want to know what else
// they would have to change.
import { tiers } from "../model.ts";
import { partiesByAddress } from "./cidr-classes.ts";
import type { LiveSlot } from "./live-slot.ts";
import type { PlannedRule } from "./plan.ts";
import { namedCuts } from "./port-entries.ts";
import { readCut, sizeOf } from "./port-cuts.ts";

export type PacketKind = {
  readonly identity: number;
  readonly cidrSet: number;
  readonly protocol: number;
  readonly port: number;
};

/** Numbers of such rules, the deciding one first. In the admin and baseline tiers the first match alone decides. */
export function rulesLike(slot: LiveSlot, deciding: number, packet: PacketKind): number[] {
  const { grouping, rules } = slot.plan;
  const { peer, cidr } = slot.kindOf(packet.identity, packet.cidrSet);
  const parties = [...peer.parties, ...partiesByAddress(cidr, peer.view)];
  const ranks = [
    ...grouping.everybody,
    ...parties.flatMap((party) => grouping.parties[party]?.ranks ?? []),
  ];
  const matching = [...new Set(ranks)]
    .sort((a, b) => a - b)
    .map((rank) => rules[rank] as PlannedRule)
    .filter((rule) => covers(rule, packet, namedCuts(rule, peer.namedPorts)));
  const first = matching.find(({ number }) => number === deciding);
  if (!first || tiers[first.tier] !== "normal") return [deciding];
  const alike = matching.filter(
    ({ tier, verdict, isAudit, l7 }) =>
      tier === first.tier &&
      verdict === first.verdict &&
      isAudit === first.isAudit &&
      l7?.kind !== "rules",
  );
  return [...new Set([deciding, ...alike.map(({ number }) => number)])];
}

function covers(
  { cuts, named }: PlannedRule,
  { protocol, port }: PacketKind,
  own: readonly number[],
): boolean {
  if (!cuts && named.length === 0) return true;
  return [...(cuts ?? []), ...own].some((cut) => {
    const block = readCut(cut);
    const last = block.port + sizeOf(block.length) - 1;
    return block.protocol === protocol && port >= block.port && port <= last;
  });
}
