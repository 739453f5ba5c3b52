// What the kernel holds when the engine starts: an earlier agent's policy, or that of a worker that died. It stays in
// force until every subject has been switched to what is compiled anew; new numbers keep clear of it.
import type { AddressRow } from "@tsilium/ipcache";
import type { Prefix } from "@tsilium/net";
import { CidrView, contentKey } from "./cidr-view.ts";
import type { SubjectSlots } from "@tsilium/datapath/model.ts";
import type { KernelSurvey } from "./kernel.ts";
import { Slot } from "./slot.ts";

export type Remains = {
  readonly subjects: readonly SubjectSlots[];
  readonly slots: readonly Slot[];
  readonly identities: readonly number[];
  readonly addresses: readonly AddressRow[];
  /** Those that its policies named, by their text. */
  readonly prefixes: ReadonlyMap<string, Prefix>;
  /** Numbers from which on none is in use. */
  readonly firstRule: number;
  readonly firstSet: number;
};

export function remainsOf(survey: KernelSurvey): Remains {
  const contents = contentsOfSets(survey.addresses);
  const named = [...contents.values()].flat();
  const prefixes = new Map(named.map((prefix) => [prefix.toString(), prefix]));
  const slots = survey.slots.map(({ cidrClasses, proxyPorts, ...header }) => {
    const classes = new Map<string, number>();
    for (const { cidrSet, class: id } of cidrClasses) {
      const content = contents.get(cidrSet);
      if (content) classes.set(contentKey(content), id);
    }
    return Slot.left(header, new CidrView(prefixes, classes), proxyPorts);
  });
  // Slots may tell sets apart that no row has: of rows that were about to be written, or were.
  const sets = [...survey.addresses, ...survey.slots.flatMap(({ cidrClasses }) => cidrClasses)];
  return {
    subjects: survey.subjects,
    slots,
    identities: survey.identities,
    addresses: survey.addresses,
    prefixes,
    firstRule: survey.largestRule + 1,
    firstSet: sets.reduce((most, { cidrSet }) => Math.max(most, cidrSet), 0) + 1,
  };
}

/**
 * The prefixes that each set stood for. A row whose set is another than that of the row around it is of a prefix that a
 * policy named.
 */
export function contentsOfSets(
  rows: readonly { readonly prefix: Prefix; readonly cidrSet: number }[],
): Map<number, readonly Prefix[]> {
  const contents = new Map<number, readonly Prefix[]>([[0, []]]);
  if (rows.every(({ cidrSet }) => cidrSet === 0)) return contents;
  const around: { readonly prefix: Prefix; readonly cidrSet: number }[] = [];
  for (const row of rows.toSorted((a, b) => a.prefix.compare(b.prefix))) {
    while (around.at(-1)?.prefix.contains(row.prefix) === false) around.pop();
    const outer = around.at(-1)?.cidrSet ?? 0;
    if (!contents.has(row.cidrSet))
      contents.set(row.cidrSet, [...(contents.get(outer) ?? []), row.prefix]);
    around.push(row);
  }
  return contents;
}
