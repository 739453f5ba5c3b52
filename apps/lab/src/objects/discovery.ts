// Which kinds the API server has: from its own discovery documents, so that custom resources are found as well.
import type { KubeClient, Resource } from "@tsilium/kube";
import { LabError } from "../error.ts";

type ListedResource = {
  readonly name: string;
  readonly singularName?: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
};

export type DiscoveredKind = Resource & {
  /** Every word it answers to: plural, singular, short names. */
  readonly words: readonly string[];
};

/** @throws KubeError */
export async function discover(client: KubeClient, signal: AbortSignal): Promise<DiscoveredKind[]> {
  const groups = JSON.parse(await client.raw("/apis", { signal })) as {
    groups: { preferredVersion: { groupVersion: string } }[];
  };
  const paths = [
    "/api/v1",
    ...groups.groups.map((group) => `/apis/${group.preferredVersion.groupVersion}`),
  ];
  const lists = await Promise.all(
    paths.map(async (path) => kindsOf(JSON.parse(await client.raw(path, { signal })))),
  );
  return lists.flat();
}

function kindsOf(list: {
  readonly groupVersion: string;
  readonly resources: readonly ListedResource[];
}): DiscoveredKind[] {
  const at = list.groupVersion.lastIndexOf("/");
  const [group, version] = [
    list.groupVersion.slice(0, Math.max(at, 0)),
    list.groupVersion.slice(at + 1),
  ];
  return list.resources
    .filter(({ name }) => !name.includes("/"))
    .map(({ name, singularName, kind, namespaced, shortNames = [] }) => ({
      group,
      version,
      plural: name,
      kind,
      namespaced,
      words: [name, singularName || kind.toLowerCase(), ...shortNames],
    }));
}

/** The kind a word means: "po", "Pod", "deployments.apps". @throws LabError "unknown_kind" */
export function kindByWord(kinds: readonly DiscoveredKind[], word: string): DiscoveredKind {
  const [name = "", ...groupParts] = word.toLowerCase().split(".");
  const group = groupParts.join(".");
  const found = kinds.find(
    (kind) =>
      kind.words.includes(name) &&
      (group === "" || kind.group === group || `${kind.version}.${kind.group}` === group),
  );
  if (found) return found;
  const known = [...new Set(kinds.map(({ plural }) => plural))].toSorted().join(", ");
  throw new LabError("unknown_kind", `the API server has no kind "${word}"`, `It has ${known}.`);
}

/** The kind of a manifest; undefined when the server has not got it (yet). */
export function kindOf(
  kinds: readonly DiscoveredKind[],
  { apiVersion, kind }: { readonly apiVersion: string; readonly kind: string },
): DiscoveredKind | undefined {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  const found = kinds.find((known) => known.group === group && known.kind === kind);
  // The version asked for, not the preferred one: the server converts.
  return found && { ...found, version: apiVersion.slice(apiVersion.indexOf("/") + 1) };
}
