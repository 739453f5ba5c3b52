// Who could be at an end of a connection, as policy tells them apart: an identity, and what its addresses are to the
// policies before and after a change.
import type { Engine } from "../engine/engine.ts";
import type { Family } from "../model.ts";

export type Engines = { readonly before: Engine; readonly after: Engine };

export type Position = {
  readonly identity: number;
  /** undefined: policy holds nobody there. */
  readonly subject: number | undefined;
  readonly cidrSets: { readonly before: number; readonly after: number };
  readonly families: ReadonlySet<Family>;
  /** Where it is, as text. */
  readonly prefixes: readonly string[];
};

/** @param subjectOf the subject of an identity's pods */
export function positionsOf(
  { before, after }: Engines,
  subjectOf: (identity: number) => number | undefined,
): Position[] {
  const found = new Map<string, Position & { families: Set<Family>; prefixes: string[] }>();
  const seen = new Set<string>();
  for (const { prefix, identity } of [...before.addresses(), ...after.addresses()]) {
    const text = prefix.toString();
    if (seen.has(text)) continue;
    seen.add(text);
    const cidrSets = {
      before: before.whoHas(prefix.address).cidrSet,
      after: after.whoHas(prefix.address).cidrSet,
    };
    const key = `${identity} ${cidrSets.before} ${cidrSets.after}`;
    let position = found.get(key);
    if (!position) {
      const subject = subjectOf(identity);
      position = { identity, subject, cidrSets, families: new Set(), prefixes: [] };
      found.set(key, position);
    }
    position.families.add(prefix.family);
    position.prefixes.push(text);
  }
  return [...found.values()];
}
