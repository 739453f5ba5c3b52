// Positions that no policy tells from each other, before or after, are one block: what is found of one of them holds
// for all. A cluster of thousands of identities has as many blocks as its policies make differences.
import type { Direction } from "@tsilium/policy/model.ts";
import type { SlotView } from "../engine/slot-view.ts";
import type { Engines, Position } from "./positions.ts";

export type Block = {
  readonly members: readonly Position[];
  readonly slots: Readonly<Record<Direction, { readonly before: Side; readonly after: Side }>>;
};

/** undefined: no policy is about it. */
export type Side = SlotView | undefined;

export function blocksOf(engines: Engines, positions: readonly Position[]): Block[] {
  const before = new Marks();
  const after = new Marks();
  const held = positions.map((position) => {
    const slots = slotsOf(engines, position);
    for (const direction of ["ingress", "egress"] as const) {
      before.add(slots[direction].before);
      after.add(slots[direction].after);
    }
    return { position, slots };
  });
  const blocks = new Map<string, Block & { members: Position[] }>();
  for (const { position, slots } of held) {
    const { identity, cidrSets, families } = position;
    const key = [
      [slots.ingress, slots.egress].map(
        (pair) => `${numberOf(pair.before)} ${numberOf(pair.after)}`,
      ),
      before.of(identity, cidrSets.before),
      after.of(identity, cidrSets.after),
      [...families].toSorted(),
    ].join("|");
    const block = blocks.get(key);
    if (block) block.members.push(position);
    else blocks.set(key, { members: [position], slots });
  }
  return [...blocks.values()];
}

function slotsOf({ before, after }: Engines, { subject }: Position): Block["slots"] {
  const pair = (direction: Direction) => ({
    before: subject === undefined ? undefined : before.slotOf(subject, direction),
    after: subject === undefined ? undefined : after.slotOf(subject, direction),
  });
  return { ingress: pair("ingress"), egress: pair("egress") };
}

function numberOf(side: Side): number {
  return side?.slot.slot ?? 0;
}

/** What slots say of identities and of cidr sets, where they say anything. */
class Marks {
  readonly #slots = new Set<number>();
  readonly #identities = new Map<number, string[]>();
  readonly #cidrSets = new Map<number, string[]>();

  add(side: Side): void {
    if (!side || this.#slots.has(side.slot.slot)) return;
    const { slot, classes, cidrClasses } = side.slot;
    this.#slots.add(slot);
    for (const { identity, class: number, ignoresCidr } of classes)
      mark(this.#identities, identity, `${slot}:${number}${ignoresCidr ? "!" : ""}`);
    for (const { cidrSet, class: number } of cidrClasses)
      mark(this.#cidrSets, cidrSet, `${slot}:${number}`);
  }

  of(identity: number, cidrSet: number): string {
    return `${this.#identities.get(identity) ?? ""}/${this.#cidrSets.get(cidrSet) ?? ""}`;
  }
}

function mark(marks: Map<number, string[]>, key: number, text: string): void {
  const known = marks.get(key);
  if (known) known.push(text);
  else marks.set(key, [text]);
}
