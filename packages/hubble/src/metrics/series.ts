// A metric's series, for counting tens of thousands of flows a second: prom-client finds a series by sorting and
// joining its labels, which takes longer than all the rest that is done for a flow. Here values are looked up one
// after the other, in the order of the label names. A Series object is something that prom-client's registry prints.
import type { Metric, Registry } from "prom-client";

/** Cilium's histograms have the bounds of Prometheus' Go client; seconds. */
const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** OpenMetrics' link from a number to a trace. `timestamp` in seconds. */
export type Exemplar = {
  readonly labelSet: Readonly<Record<string, string>>;
  readonly value: number;
  readonly timestamp: number;
};

/** One combination of label values. */
export type Series = {
  readonly values: readonly string[];
  /** A counter's; a histogram's sum. */
  value: number;
  exemplar: Exemplar | undefined;
  /** Observations up to each bound, and above the last; undefined: a counter. */
  readonly buckets: Float64Array | undefined;
  readonly bucketExemplars: (Exemplar | undefined)[] | undefined;
};

/** Labels of a metric that name a pod: together, or namespace and name apart. */
export type PodLabels =
  | { readonly kind: "joined"; readonly label: number }
  | { readonly kind: "apart"; readonly namespace: number; readonly name: number };

type Tree = Map<string, Tree | Series>;

export type FamilyOptions = {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "histogram";
  readonly labelNames: readonly string[];
  readonly podLabels: readonly PodLabels[];
  /** Most series. */
  readonly limit: number;
};

type PrintedValue = {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
  readonly exemplar?: Exemplar;
};

export class Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "histogram";
  readonly aggregator = "sum";
  readonly labelNames: readonly string[];
  readonly #options: FamilyOptions;
  #tree: Tree = new Map();
  #series: Series[] = [];
  /** What was to be counted when there were `limit` series already. */
  refused = 0;

  constructor(options: FamilyOptions) {
    this.name = options.name;
    this.help = options.help;
    this.type = options.type;
    this.labelNames = options.labelNames;
    this.#options = options;
  }

  register(registry: Registry): this {
    registry.registerMetric(this as unknown as Metric);
    return this;
  }

  get size(): number {
    return this.#series.length;
  }

  /** Counts one. @param values in the order of the label names; the caller may use the array again */
  count(values: readonly string[], exemplar?: Exemplar): void {
    const series = this.#find(values);
    if (!series) return;
    series.value++;
    if (exemplar) series.exemplar = exemplar;
  }

  /** Counts an observation of a histogram. */
  observe(values: readonly string[], seconds: number, exemplar?: Exemplar): void {
    const series = this.#find(values);
    if (!series?.buckets || !series.bucketExemplars) return;
    series.value += seconds;
    let bucket = 0;
    while (bucket < durationBounds.length && seconds > (durationBounds[bucket] as number)) bucket++;
    series.buckets[bucket] = (series.buckets[bucket] as number) + 1;
    if (exemplar) series.bucketExemplars[bucket] = exemplar;
  }

  /** Removes the series of pods. @param isGone by namespace and name */
  removePods(isGone: (pod: string) => boolean): void {
    const { podLabels } = this.#options;
    if (podLabels.length === 0) return;
    const kept = this.#series.filter(
      ({ values }) => !podLabels.some((labels) => isGone(podOf(values, labels))),
    );
    if (kept.length === this.#series.length) return;
    this.#series = kept;
    this.#tree = new Map();
    for (const series of kept) this.#place(series);
  }

  /** prom-client's, for the registry. */
  async get(): Promise<{ name: string; help: string; type: string; values: PrintedValue[] }> {
    const { name, help, type } = this;
    return { name, help, type, values: this.#series.flatMap((series) => this.#print(series)) };
  }

  #find(values: readonly string[]): Series | undefined {
    let at: Tree | Series | undefined = this.#tree;
    for (const value of values) {
      at = (at as Tree).get(value);
      if (at === undefined) return this.#add(values);
    }
    // Without any label the tree has no place for the one series that there is.
    return values.length > 0 ? (at as Series) : (this.#series[0] ?? this.#add(values));
  }

  #add(values: readonly string[]): Series | undefined {
    if (this.#series.length >= this.#options.limit) {
      this.refused++;
      return undefined;
    }
    const isHistogram = this.type === "histogram";
    const series: Series = {
      values: [...values],
      value: 0,
      exemplar: undefined,
      buckets: isHistogram ? new Float64Array(durationBounds.length + 1) : undefined,
      bucketExemplars: isHistogram
        ? Array.from({ length: durationBounds.length + 1 }, () => undefined)
        : undefined,
    };
    this.#series.push(series);
    this.#place(series);
    return series;
  }

  #place(series: Series): void {
    let at = this.#tree;
    for (const value of series.values.slice(0, -1)) {
      let next = at.get(value) as Tree | undefined;
      if (!next) at.set(value, (next = new Map()));
      at = next;
    }
    const last = series.values.at(-1);
    if (last !== undefined) at.set(last, series);
  }

  #print(series: Series): PrintedValue[] {
    const labels = Object.fromEntries(
      this.labelNames.map((name, index) => [name, series.values[index] as string]),
    );
    const { buckets, bucketExemplars, value, exemplar } = series;
    if (!buckets) return [{ labels, value, ...(exemplar ? { exemplar } : {}) }];
    let sum = 0;
    const printed = [...durationBounds, "+Inf"].map((le, index): PrintedValue => {
      sum += buckets[index] as number;
      const exemplar = bucketExemplars?.[index];
      const metricName = `${this.name}_bucket`;
      return {
        metricName,
        labels: { le, ...labels },
        value: sum,
        ...(exemplar ? { exemplar } : {}),
      };
    });
    return [
      ...printed,
      { metricName: `${this.name}_sum`, labels, value },
      { metricName: `${this.name}_count`, labels, value: sum },
    ];
  }
}

/** "namespace/name". */
function podOf(values: readonly string[], labels: PodLabels): string {
  return labels.kind === "joined"
    ? (values[labels.label] as string)
    : `${values[labels.namespace]}/${values[labels.name]}`;
}
