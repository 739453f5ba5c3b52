// Context options: which labels tell whom a flow was between. sourceContext=pod|ip is the label "source" with the first
// of these that is not empty, labelsContext=source_pod,... labels of their own.
import { type Flow, type FlowEndpoint, TrafficDirection } from "../model.ts";
import { MetricsConfigError } from "./error.ts";
import type { PodLabels } from "./series.ts";

/** One end of a flow, as seen by a metric. */
type End = "source" | "destination";
type Value = (flow: Flow, end: End) => string;

/** Labels from context options, in front of a metric's own. */
export type Context = {
  readonly labelNames: readonly string[];
  readonly podLabels: readonly PodLabels[];
  /** Writes a flow's values into the first places of `values`. @param swapped it is an answer: source is who asked */
  fill(values: string[], flow: Flow, swapped: boolean): void;
};

/** Options that every metric has. */
export const contextOptions: readonly string[] = [
  "sourceContext",
  "sourceEgressContext",
  "sourceIngressContext",
  "destinationContext",
  "destinationEgressContext",
  "destinationIngressContext",
  "labelsContext",
];

const ends: readonly End[] = ["source", "destination"];
const endLabels = ["ip", "pod", "namespace", "workload", "workload_kind", "app"] as const;
/** What labelsContext may list, in the order in which a metric has them. */
export const contextLabels: readonly string[] = [
  ...ends.flatMap((end) => endLabels.map((label) => `${end}_${label}`)),
  "traffic_direction",
];

/** @param options of a metric. @throws MetricsConfigError */
export function compileContext(options: ReadonlyMap<string, string>): Context {
  const values = makeValues();
  const labels = parseLabels(options.get("labelscontext"));
  const compiled = labels.map((label) => labelValue(label, values));
  const labelNames = [...labels];
  const podLabels: PodLabels[] = ends.flatMap((end) => {
    const [namespace, name] = [labels.indexOf(`${end}_namespace`), labels.indexOf(`${end}_pod`)];
    return namespace >= 0 && name >= 0 ? [{ kind: "apart" as const, namespace, name }] : [];
  });
  for (const end of ends) {
    const byDirection = ["", "ingress", "egress"].map((direction) =>
      parseContext(options.get(`${end}${direction}context`), values),
    );
    if (byDirection.every((found) => found === undefined)) continue;
    if (byDirection.some((found) => found?.namesPods))
      podLabels.push({ kind: "joined", label: labelNames.length });
    labelNames.push(end);
    const [any, ingress = any, egress = any] = byDirection.map((found) => found?.value);
    compiled.push((flow, swapped) => {
      const { direction } = flow;
      const value =
        direction === TrafficDirection.egress
          ? egress
          : direction === TrafficDirection.ingress
            ? ingress
            : any;
      return value?.(flow, swapped ? otherEnd(end) : end) ?? "";
    });
  }
  return {
    labelNames,
    podLabels,
    fill: (into, flow, swapped) => {
      for (let index = 0; index < compiled.length; index++)
        into[index] = (compiled[index] as (typeof compiled)[number])(flow, swapped);
    },
  };
}

const otherEnd = (end: End): End => (end === "source" ? "destination" : "source");

function parseLabels(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const wanted = text.split(",").map((label) => label.trim());
  for (const label of wanted)
    if (!contextLabels.includes(label))
      throw new MetricsConfigError(
        `labelsContext: "${label}" is no label: wanted ${contextLabels.join(", ")}`,
      );
  return contextLabels.filter((label) => wanted.includes(label));
}

function parseContext(
  text: string | undefined,
  values: Readonly<Record<string, Value>>,
): { value: Value; namesPods: boolean } | undefined {
  if (text === undefined) return undefined;
  const words = text.split("|").map((word) => word.trim().toLowerCase());
  const chain = words.map((word) => {
    const value = Object.hasOwn(values, word) ? values[word] : undefined;
    if (value) return value;
    throw new MetricsConfigError(
      `"${word}" is no context: wanted ${Object.keys(values).join(", ")}, or several with "|"`,
    );
  });
  const [only] = chain;
  const value: Value =
    chain.length === 1
      ? (only as Value)
      : (flow, end) => {
          for (const next of chain) {
            const found = next(flow, end);
            if (found !== "") return found;
          }
          return "";
        };
  return { value, namesPods: words.includes("pod") };
}

/** What contexts can be. Values of endpoints are made once per endpoint object. */
function makeValues(): Readonly<Record<string, Value>> {
  const workloadName = ofEndpoint(({ workloads }) => workloads[0]?.name ?? "");
  return {
    identity: ofEndpoint(({ labels }) => labels.join(",")),
    namespace: (flow, end) => flow[end].namespace,
    pod: ofEndpoint(({ namespace, podName }) => qualified(namespace, podName)),
    "pod-name": (flow, end) => flow[end].podName,
    dns: ({ sourceNames, destinationNames }, end) => {
      const names = end === "source" ? sourceNames : destinationNames;
      return names.length <= 1 ? (names[0] ?? "") : names.join(",");
    },
    ip: ({ ip }, end) => ip?.[end] ?? "",
    "reserved-identity": ofEndpoint(({ labels }) => reservedLabel(labels)),
    workload: ofEndpoint(({ namespace, workloads }) =>
      qualified(namespace, workloads[0]?.name ?? ""),
    ),
    "workload-name": workloadName,
    app: ofEndpoint(({ labels }) => appOf(labels)),
  };
}

function labelValue(
  label: string,
  values: Readonly<Record<string, Value>>,
): (flow: Flow, swapped: boolean) => string {
  if (label === "traffic_direction")
    return ({ direction }) =>
      direction === TrafficDirection.egress
        ? "egress"
        : direction === TrafficDirection.ingress
          ? "ingress"
          : "unknown";
  const [end, name] = label.split(/_(.*)/) as [End, (typeof endLabels)[number]];
  const byLabel: Record<(typeof endLabels)[number], Value | undefined> = {
    ip: values["ip"],
    pod: values["pod-name"],
    namespace: values["namespace"],
    workload: values["workload-name"],
    workload_kind: (flow, of) => flow[of].workloads[0]?.kind ?? "",
    app: values["app"],
  };
  const value = byLabel[name] as Value;
  return (flow, swapped) => value(flow, swapped ? otherEnd(end) : end);
}

function ofEndpoint(make: (endpoint: FlowEndpoint) => string): Value {
  const known = new WeakMap<FlowEndpoint, string>();
  return (flow, end) => {
    const endpoint = flow[end];
    let value = known.get(endpoint);
    if (value === undefined) known.set(endpoint, (value = make(endpoint)));
    return value;
  };
}

/** No namespace: of no pod. */
function qualified(namespace: string, name: string): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** kube-apiserver is told rather than where it is (host, remote-node, world). */
function reservedLabel(labels: readonly string[]): string {
  if (labels.includes("reserved:kube-apiserver")) return "reserved:kube-apiserver";
  return labels.find((label) => label.startsWith("reserved:")) ?? "";
}

const appLabels = ["k8s:app.kubernetes.io/name=", "k8s:k8s-app=", "k8s:app="];

function appOf(labels: readonly string[]): string {
  for (const label of labels) {
    const prefix = appLabels.find((each) => label.startsWith(each) && label.length > each.length);
    if (prefix !== undefined) return label.slice(prefix.length);
  }
  return "";
}
