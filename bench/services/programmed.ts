// How long services take from text or objects to the kernel, by who writes them and how many there are.
import type { Section } from "../report.ts";
import { median } from "../statistics.ts";

export type Programmed = {
  /** All, into a kernel that has none, milliseconds. */
  readonly allMs: number;
  /** One more, each. */
  readonly addMs: readonly number[];
};

/** By who writes, by number of services. */
export type ProgrammedBy = ReadonlyMap<string, ReadonlyMap<number, Programmed>>;

const aim = (name: string, text: string) => (name.startsWith("tsilium") ? text : "");

export function programmedSections(by: ProgrammedBy, sizes: readonly number[]): Section[] {
  const section = (
    title: string,
    note: string,
    pick: (one: Programmed) => string,
    goal: string,
  ) => ({
    title,
    note,
    columns: ["", ...sizes.map((size) => size.toLocaleString("en")), "aim"],
    rows: Array.from(by, ([name, bySize]) => [
      name,
      ...sizes.map((size) => {
        const programmed = bySize.get(size);
        return programmed ? pick(programmed) : "";
      }),
      aim(name, goal),
    ]),
  });
  return [
    section(
      "all services programmed, milliseconds",
      "From none, by number of services. Rules: from the command's start to its exit; tsilium: the agent's engine, from its tables of objects to the last write into the kernel's. Once.",
      ({ allMs }) => allMs.toFixed(allMs < 100 ? 1 : 0),
      "10,000: under 2,000",
    ),
    section(
      "one service more, milliseconds, median / worst",
      "When so many are there. iptables takes the lists of all services each time, as kube-proxy gives them; nft and tsilium take one service.",
      ({ addMs }) => `${median(addMs).toFixed(2)} / ${Math.max(...addMs).toFixed(2)}`,
      "50,000: under 5",
    ),
  ];
}
