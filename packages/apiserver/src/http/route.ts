// From a URL's path to what it names. Pure; knows the kinds, not what is stored.
import { ApiError, notServed } from "../errors.ts";
import { versionOf, type Subresource } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import type { Target } from "../verbs/target.ts";

export type Route =
  | { readonly to: "resource"; readonly target: Target }
  | { readonly to: "core-versions" }
  | { readonly to: "groups" }
  | { readonly to: "group"; readonly group: string }
  | { readonly to: "resources"; readonly group: string; readonly version: string }
  | { readonly to: "openapi-v2" }
  /** The index, or the document of "apis/apps/v1". */
  | { readonly to: "openapi-v3"; readonly document: string | undefined }
  | { readonly to: "version" }
  | { readonly to: "health" }
  | { readonly to: "paths" };

/** @throws ApiError NotFound for what is served nowhere. */
export function route(path: string, registry: Registry): Route {
  const parts = path
    .split("/")
    .filter((part) => part !== "")
    .map(decode);
  switch (parts[0]) {
    case undefined:
      return { to: "paths" };
    case "version":
      return { to: "version" };
    case "healthz":
    case "livez":
    case "readyz":
      return { to: "health" };
    case "openapi":
      if (parts[1] === "v2" && parts.length === 2) return { to: "openapi-v2" };
      if (parts[1] === "v3")
        return { to: "openapi-v3", document: parts.slice(2).join("/") || undefined };
      throw unknownPath();
    case "api":
      if (parts.length === 1) return { to: "core-versions" };
      return withinGroup("", parts.slice(1), registry);
    case "apis":
      if (parts.length === 1) return { to: "groups" };
      if (parts.length === 2) return { to: "group", group: parts[1] ?? "" };
      return withinGroup(parts[1] ?? "", parts.slice(2), registry);
    default:
      throw unknownPath();
  }
}

/** `parts` starts with the version. */
function withinGroup(group: string, parts: readonly string[], registry: Registry): Route {
  const [version = "", ...rest] = parts;
  if (rest.length === 0) return { to: "resources", group, version };
  // /namespaces/N/RESOURCE... is namespaced; /namespaces, /namespaces/N and its subresources are not.
  const [, namespace = "", plural = ""] = rest;
  const inNamespace =
    rest[0] === "namespaces" && rest.length >= 3 && registry.find(group, plural)?.namespaced;
  return inNamespace
    ? toResource({ group, version, namespace, parts: rest.slice(2) }, registry)
    : toResource({ group, version, namespace: "", parts: rest }, registry);
}

type Located = {
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  /** Plural, then maybe a name, then maybe a subresource. */
  readonly parts: readonly string[];
};

function toResource(located: Located, registry: Registry): Route {
  const [plural = "", name = "", subresource, ...more] = located.parts;
  const kind = registry.find(located.group, plural);
  if (!kind || !versionOf(kind, located.version) || more.length > 0) throw unknownPath();
  if (subresource !== undefined && !kind.subresources.has(subresource as Subresource))
    throw unknownPath();
  if (kind.namespaced && located.namespace === "" && name !== "") throw unknownPath();
  return {
    to: "resource",
    target: {
      kind,
      version: located.version,
      namespace: located.namespace,
      name,
      subresource: subresource as Subresource | undefined,
    },
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ApiError(400, "BadRequest", "the path is not valid percent-encoding");
  }
}

function unknownPath(): ApiError {
  return notServed();
}
