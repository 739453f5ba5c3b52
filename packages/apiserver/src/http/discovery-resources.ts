// How discovery names a kind's resource and its subresources.
import { deletableTogether, type Kind, type Subresource } from "../kinds/kind.ts";

/** A resource or a subresource, as both forms of discovery tell it. */
export type Described = {
  /** "pods", "pods/status" */
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly kind: string;
  /** Where the body's type is of another group than the resource. */
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
};

type Body = Pick<Described, "kind" | "group" | "version"> & { readonly verbs: readonly string[] };

/** Subresources whose body is not the object itself. */
const bodies: Readonly<Record<string, Body>> = {
  binding: { kind: "Binding", verbs: ["create"] },
  scale: { kind: "Scale", group: "autoscaling", version: "v1", verbs: ["get", "patch", "update"] },
  eviction: { kind: "Eviction", group: "policy", version: "v1", verbs: ["create"] },
  log: { kind: "Pod", verbs: ["get"] },
  exec: { kind: "PodExecOptions", verbs: ["create", "get"] },
  attach: { kind: "PodAttachOptions", verbs: ["create", "get"] },
  portforward: { kind: "PodPortForwardOptions", verbs: ["create", "get"] },
};

/** The resource, then its subresources by name. */
export function describe(kind: Kind, version: string): Described[] {
  const main: Described = {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: verbsOf(kind),
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
  };
  const subresources = subresourcesOf(kind, version).map((name): Described => {
    const body = Object.hasOwn(bodies, name) ? bodies[name] : undefined;
    return {
      name: `${kind.plural}/${name}`,
      singularName: "",
      namespaced: kind.namespaced,
      ...(body ?? { kind: kind.kind, verbs: ["get", "patch", "update"] }),
    };
  });
  return [main, ...subresources.toSorted((a, b) => (a.name < b.name ? -1 : 1))];
}

/** Versions of a custom kind may differ in their subresources. */
function subresourcesOf(kind: Kind, _version: string): readonly Subresource[] {
  return [...kind.subresources];
}

function verbsOf(kind: Kind): readonly string[] {
  if (kind.review) return ["create"];
  return [
    "create",
    "delete",
    ...(deletableTogether(kind) ? ["deletecollection"] : []),
    "get",
    "list",
    "patch",
    "update",
    "watch",
  ];
}
