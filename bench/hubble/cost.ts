// What it costs two pods to be seen: the same way between pods in labs whose agents differ in nothing but how much they are
// told, every one in every round.
import { BenchLab, type LabOptions } from "../lab/lab.ts";
import { compare } from "../path/compare.ts";
import type { Kind } from "../path/netbench.ts";
import type { Section } from "../report.ts";
import { podsOf } from "./pods.ts";

const titles: readonly (readonly [Kind, string])[] = [
  ["rr", "Visibility: request/response over TCP (aim: default at most 1.02x)"],
  ["crr", "Visibility: connect/request/close over TCP (aim: default at most 1.02x)"],
];

const variants: readonly (readonly [string, LabOptions])[] = [
  ["Hubble off", { label: "off", settings: { "enable-hubble": "false" } }],
  ["on, default aggregation (medium)", { label: "medium" }],
  ["on, no aggregation", { label: "none", settings: { "monitor-aggregation": "none" } }],
];

export type CostOptions = {
  readonly rounds: number;
  /** Of one client run. */
  readonly durationMs: number;
};

export async function benchVisibility(options: CostOptions): Promise<Section[]> {
  await using labs = new AsyncDisposableStack();
  const ways = [];
  for (const [name, wanted] of variants) {
    const lab = labs.use(await BenchLab.up({ ...wanted, nodes: 1 }));
    ways.push(await podsOf(lab, name));
  }
  const sections: Section[] = [];
  for (const [kind, title] of titles)
    sections.push(await compare({ ...options, kind, variants: ways, title }));
  return sections;
}
