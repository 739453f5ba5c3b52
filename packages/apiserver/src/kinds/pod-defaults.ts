// What a pod's (or a template's) spec is filled in with where one value depends on another.
import { isRecord } from "../objects/json.ts";
import type { Fields } from "../objects/object.ts";

const containersOf = (spec: Fields): Fields[] =>
  ["initContainers", "containers"].flatMap((list) =>
    Array.isArray(spec[list]) ? spec[list].filter(isRecord) : [],
  );

/** What a pod and a template have in common: pull policies, and the account's older name. */
export function defaultPodSpec(spec: Fields): void {
  for (const container of containersOf(spec))
    container["imagePullPolicy"] ??= isFloating(String(container["image"] ?? ""))
      ? "Always"
      : "IfNotPresent";
  const account = spec["serviceAccountName"] || spec["serviceAccount"];
  if (account) Object.assign(spec, { serviceAccountName: account, serviceAccount: account });
}

/** What only a pod is filled in with: its account, and requests where only limits are given. A template stays as it was sent. */
export function completePodSpec(spec: Fields): void {
  spec["enableServiceLinks"] ??= true;
  spec["serviceAccountName"] ||= spec["serviceAccount"] || "default";
  spec["serviceAccount"] = spec["serviceAccountName"];
  for (const container of containersOf(spec)) {
    const { resources } = container;
    if (!isRecord(resources) || !isRecord(resources["limits"])) continue;
    const asked = isRecord(resources["requests"]) ? resources["requests"] : {};
    resources["requests"] = { ...resources["limits"], ...asked };
  }
}

/** An image without a tag, or with "latest": the name may mean another image tomorrow. */
function isFloating(image: string): boolean {
  if (image.includes("@")) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === "latest";
}

/** Guaranteed: every container's cpu and memory are limited, and asked for whole; BestEffort: nothing is asked for. */
export function qosClass(spec: Fields): "Guaranteed" | "Burstable" | "BestEffort" {
  const all = containersOf(spec).map(({ resources }) => (isRecord(resources) ? resources : {}));
  const amount = (resources: Fields, kind: string, name: string) => {
    const amounts = resources[kind];
    const value = isRecord(amounts) ? amounts[name] : undefined;
    return value === undefined || value === "0" || value === 0
      ? undefined
      : String(value as string);
  };
  const names = ["cpu", "memory"];
  const any = all.some((one) =>
    names.some((name) => amount(one, "requests", name) ?? amount(one, "limits", name)),
  );
  if (!any) return "BestEffort";
  const guaranteed = all.every((one) =>
    names.every((name) => {
      const limit = amount(one, "limits", name);
      return limit !== undefined && limit === amount(one, "requests", name);
    }),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}
