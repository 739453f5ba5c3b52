// apidiscovery.k8s.io APIGroupDiscoveryList: all that discovery tells in two answers, for clients that ask so
// (kubectl since 1.26).
import type { Kind } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { describe, type Described } from "./discovery-resources.ts";
import { versionsOf } from "./discovery.ts";

export type DiscoveryVersion = "v2" | "v2beta1";

/** The first form in an Accept header that we have; undefined: the old one. */
export function aggregatedVersion(accept: string | undefined): DiscoveryVersion | undefined {
  for (const range of (accept ?? "").split(",")) {
    const [type, ...rest] = range.split(";").map((part) => part.trim());
    const parameters = new Map(rest.map((part) => part.split("=", 2) as [string, string]));
    const version = parameters.get("v");
    const aggregated =
      parameters.get("g") === "apidiscovery.k8s.io" &&
      parameters.get("as") === "APIGroupDiscoveryList";
    if (type !== "application/json") continue;
    if (aggregated && (version === "v2" || version === "v2beta1")) return version;
    if (!aggregated) return undefined;
  }
  return undefined;
}

export function aggregatedType(version: DiscoveryVersion): string {
  return `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
}

/** @param part "core": what is under /api; "groups": what is under /apis */
export function aggregatedDiscovery(
  registry: Registry,
  part: "core" | "groups",
  version: DiscoveryVersion,
): object {
  const kinds = registry.all().filter((kind) => (kind.group === "") === (part === "core"));
  const groups = [...new Set(kinds.map((kind) => kind.group))].toSorted();
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map((name) =>
      groupOf(
        name,
        kinds.filter((kind) => kind.group === name),
      ),
    ),
  };
}

function groupOf(name: string, kinds: readonly Kind[]): object {
  return {
    metadata: { ...(name === "" ? {} : { name }), creationTimestamp: null },
    versions: versionsOf(kinds).map((version) => ({
      version,
      resources: kinds
        .filter((kind) => kind.versions.some((served) => served.name === version))
        .toSorted((a, b) => (a.plural < b.plural ? -1 : 1))
        .map((kind) => resourceOf(kind, version)),
      freshness: "Current",
    })),
  };
}

function resourceOf(kind: Kind, version: string): object {
  const [main, ...subresources] = describe(kind, version) as [Described, ...Described[]];
  const responseKind = (described: Described) => ({
    group: described.group ?? kind.group,
    version: described.version ?? version,
    kind: described.kind,
  });
  return {
    resource: main.name,
    responseKind: responseKind(main),
    scope: kind.namespaced ? "Namespaced" : "Cluster",
    singularResource: main.singularName,
    verbs: main.verbs,
    ...(main.shortNames ? { shortNames: main.shortNames } : {}),
    ...(main.categories ? { categories: main.categories } : {}),
    ...(subresources.length > 0
      ? {
          subresources: subresources.map((described) => ({
            subresource: described.name.slice(described.name.indexOf("/") + 1),
            responseKind: responseKind(described),
            verbs: described.verbs,
          })),
        }
      : {}),
  };
}
