// Which ports change their verdict between two blocks, as few spans as say it.
import type { Direction } from "@tsilium/policy/model.ts";
import { type SlotDecision, type SlotPeer, type SlotView, spansOf } from "../engine/slot-view.ts";
import { type Verdict, worse } from "../explanation.ts";
import { setWords } from "../l7/words.ts";
import type { Block, Side } from "./blocks.ts";
import type { Position } from "./positions.ts";

export type Decided = {
  readonly verdict: Verdict;
  /** Rule numbers of that engine, of the directions that made it so. */
  readonly rules: readonly number[];
  /** Through a proxy: what it lets through; absent: everything gets through, or nothing. */
  readonly requests?: readonly string[];
};

export type SpanChange = {
  /** IP protocol number; or all but these, which rules name. */
  readonly protocol: number | { readonly allBut: readonly number[] };
  readonly first: number;
  readonly last: number;
  readonly before: Decided;
  readonly after: Decided;
};

/** A protocol that no policy names. */
const otherProtocol = 253;

type View = { readonly slot: SlotView; readonly peer: SlotPeer };
type Pair = Readonly<Record<Direction, View | undefined>>;

/** Ports and protocols whose verdict is another than it was for connections from one block to the other. */
export function changedSpans(from: Block, to: Block): SpanChange[] {
  const before = pairOf("before", from, to);
  const after = pairOf("after", from, to);
  const views = [before, after].flatMap(({ ingress, egress }) => [ingress, egress]);
  const used = views.filter((view) => view !== undefined);
  const protocols = [...new Set(used.flatMap(({ slot }) => slot.protocols))].toSorted(
    (a, b) => a - b,
  );
  return [...protocols, otherProtocol].flatMap((protocol) => {
    const edges = used.flatMap(({ slot, peer }) => slot.portEdges(peer, protocol));
    const changes = spansOf(edges).flatMap(({ first, last }): SpanChange[] => {
      const was = decide(before, protocol, first);
      const is = decide(after, protocol, first);
      if (isSame(was, is)) return [];
      const named = protocol === otherProtocol ? { allBut: protocols } : protocol;
      return [{ protocol: named, first, last, before: was, after: is }];
    });
    return changes.reduce(joined, []);
  });
}

function pairOf(time: "before" | "after", from: Block, to: Block): Pair {
  const [sender, receiver] = [first(from), first(to)];
  return {
    egress: viewOf(from.slots.egress[time], receiver, time),
    ingress: viewOf(to.slots.ingress[time], sender, time),
  };
}

function viewOf(side: Side, peer: Position, time: "before" | "after"): View | undefined {
  return side && { slot: side, peer: { identity: peer.identity, cidrSet: peer.cidrSets[time] } };
}

function decide(pair: Pair, protocol: number, port: number): Decided {
  const decisions = (["egress", "ingress"] as const).flatMap((direction) => {
    const view = pair[direction];
    if (!view) return [];
    const decision = view.slot.decide(view.peer, protocol, port);
    const { verdict: word, rule } = decision;
    return [{ verdict: verdicts[word], rule, requests: requestsOf(direction, decision) }];
  });
  const verdict = decisions.map((decision) => decision.verdict).reduce(worse, "allowed");
  const deciding = decisions.filter((decision) => decision.verdict === verdict);
  const requests = verdict === "denied" ? [] : decisions.flatMap((decision) => decision.requests);
  return {
    verdict,
    rules: deciding.map(({ rule }) => rule),
    ...(requests.length === 0 ? {} : { requests }),
  };
}

const verdicts = { allow: "allowed", redirect: "allowed", deny: "denied", audit: "audit" } as const;

/** "egress http GET /public": what a proxy lets through. */
function requestsOf(direction: Direction, { ruleSet }: SlotDecision): readonly string[] {
  return ruleSet ? setWords(ruleSet).map((words) => `${direction} ${words}`) : [];
}

/** The same verdict, and the same requests. */
export function isSame(one: Decided, other: Decided): boolean {
  const textOf = ({ requests = [] }: Decided) => requests.toSorted().join("\n");
  return one.verdict === other.verdict && textOf(one) === textOf(other);
}

/** Neighbours that change in the same way are one. */
function joined(changes: readonly SpanChange[], next: SpanChange): SpanChange[] {
  const last = changes.at(-1);
  const isOne =
    last !== undefined &&
    last.last + 1 === next.first &&
    isSame(last.before, next.before) &&
    isSame(last.after, next.after);
  return isOne ? [...changes.slice(0, -1), { ...last, last: next.last }] : [...changes, next];
}

function first({ members }: Block): Position {
  return members[0] as Position;
}
