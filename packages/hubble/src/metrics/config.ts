// hubble-metrics, in Cilium's syntax: metrics separated by spaces, each NAME[:OPTION[=VALUE][;OPTION...]].
//   dns:query;ignoreAAAA drop:sourceContext=pod|ip httpV2:labelsContext=source_pod,source_namespace
// Commas separate metrics too, as in older releases and Helm values; "\," is a comma within a value, and so is one that
// is followed by the name of a label.
import { contextLabels } from "./context.ts";
import { MetricsConfigError } from "./error.ts";

/** A metric as configured, before anybody has looked whether there is such a metric or option. */
export type MetricConfig = {
  readonly name: string;
  /** By name in lower case, since case does not count; "" for an option without a value. */
  readonly options: ReadonlyMap<string, string>;
};

/** @throws MetricsConfigError */
export function parseMetrics(config: string | readonly string[]): MetricConfig[] {
  const text = typeof config === "string" ? config : config.join(",");
  const found = text.split(/\s+/).flatMap(splitWord).map(parseMetric);
  for (const [index, { name }] of found.entries())
    if (found.findIndex((other) => other.name === name) !== index)
      throw new MetricsConfigError(`hubble-metrics: ${name} is there twice`);
  return found;
}

function splitWord(word: string): string[] {
  const metrics: string[] = [];
  for (const piece of word.replaceAll("\\,", "\0").split(",")) {
    if (piece === "") continue;
    const last = metrics.at(-1);
    // The labels of a list may be followed by more options: "source_pod;sourceContext=ip".
    const continues = contextLabels.includes(piece.split(";")[0]?.trim() ?? "");
    if (last !== undefined && continues) metrics[metrics.length - 1] = `${last},${piece}`;
    else metrics.push(piece);
  }
  return metrics.map((metric) => metric.replaceAll("\0", ","));
}

function parseMetric(word: string): MetricConfig {
  const colon = word.indexOf(":");
  const name = colon < 0 ? word : word.slice(0, colon);
  const options = new Map<string, string>();
  for (const option of colon < 0 ? [] : word.slice(colon + 1).split(";")) {
    if (option === "") continue;
    const equals = option.indexOf("=");
    const key = equals < 0 ? option : option.slice(0, equals);
    options.set(key.toLowerCase(), equals < 0 ? "" : option.slice(equals + 1));
  }
  return { name, options };
}
