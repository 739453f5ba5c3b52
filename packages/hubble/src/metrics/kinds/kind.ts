// What a kind of metric is: made of its options once, then told every flow.
import type { Flow } from "../../model.ts";
import type { Context } from "../context.ts";
import { Family } from "../series.ts";

export type FlowMetric = {
  readonly families: readonly Family[];
  note(flow: Flow): void;
};

export type KindOptions = {
  readonly context: Context;
  /** The metric's own options, by name in lower case. */
  readonly options: ReadonlyMap<string, string>;
  /** Most series of one family. */
  readonly limit: number;
};

export type MetricKind = {
  /** Options besides those for contexts. */
  readonly options: readonly string[];
  /** Kinds whose families have the same names. */
  readonly excludes?: readonly string[];
  create(options: KindOptions): FlowMetric;
};

/** A family with the labels of the context in front of its own. */
export function family(
  { context, limit }: KindOptions,
  about: {
    readonly name: string;
    readonly help: string;
    readonly labels: readonly string[];
    readonly type?: "counter" | "histogram";
  },
): { family: Family; values: string[]; own: number } {
  const { name, help, labels, type = "counter" } = about;
  const labelNames = [...context.labelNames, ...labels];
  const { podLabels } = context;
  return {
    family: new Family({ name: `hubble_${name}`, help, type, labelNames, podLabels, limit }),
    values: labelNames.map(() => ""),
    own: context.labelNames.length,
  };
}
