// What the server serves, as clients ask before they start: /api, /apis, resource lists, /version.
import { notServed } from "../errors.ts";
import type { Kind } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { describe } from "./discovery-resources.ts";

/** The Kubernetes version whose API we follow, for clients that check it. */
export const versionInfo = {
  major: "1",
  minor: "30",
  gitVersion: "v1.30.0+tsilium",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: `node ${process.version}`,
  compiler: "v8",
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
};

export function coreVersions(): object {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: "" }],
  };
}

export function groupList(registry: Registry): object {
  const names = [...new Set(registry.all().map((kind) => kind.group))].filter(
    (group) => group !== "",
  );
  return {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: names.sort().map((name) => groupOf(name, registry)),
  };
}

/** @throws ApiError NotFound */
export function group(name: string, registry: Registry): object {
  return { kind: "APIGroup", apiVersion: "v1", ...groupOf(name, registry) };
}

function groupOf(
  name: string,
  registry: Registry,
): { readonly name: string } & Record<string, unknown> {
  const kinds = registry.all().filter((kind) => kind.group === name);
  const versions = versionsOf(kinds).map((version) => ({
    groupVersion: `${name}/${version}`,
    version,
  }));
  if (name === "" || versions.length === 0) {
    throw notServed();
  }
  return { name, versions, preferredVersion: versions[0] };
}

/** The versions that any of the kinds is served in, the preferred one first. */
export function versionsOf(kinds: readonly Kind[]): string[] {
  const names = kinds.flatMap((kind) => kind.versions.map((version) => version.name));
  return [...new Set(names)].sort(compareVersions);
}

/** Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then the rest by name. */
function compareVersions(left: string, right: string): number {
  const rank = (version: string): [number, number, number] => {
    const found = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (!found) return [0, 0, 0];
    const stage = found[2] === "alpha" ? 1 : found[2] === "beta" ? 2 : 3;
    return [stage, Number(found[1]), Number(found[3] ?? 0)];
  };
  const [a, b] = [rank(left), rank(right)];
  return b[0] - a[0] || b[1] - a[1] || b[2] - a[2] || (left < right ? -1 : 1);
}

/** @throws ApiError NotFound */
export function resourceList(group: string, version: string, registry: Registry): object {
  const kinds = registry
    .all()
    .filter(
      (kind) => kind.group === group && kind.versions.some((served) => served.name === version),
    );
  if (kinds.length === 0) {
    throw notServed();
  }
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: group === "" ? version : `${group}/${version}`,
    resources: kinds
      .flatMap((kind) => describe(kind, version))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}
