// Questions about rights (authorization.k8s.io, authentication.k8s.io): created, answered, never stored.
// `kubectl auth can-i` and `kubectl auth whoami` ask them.
import { isAllowed, rulesOf, type Verb } from "../auth/roles.ts";
import { badRequest } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import { builtin } from "./builtin.ts";
import type { Asker, Kind, Review } from "./kind.ts";
import { shape } from "./shape.ts";

const specOf = (object: ApiObject): Fields => (isRecord(object["spec"]) ? object["spec"] : {});
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** @throws ApiError BadRequest unless exactly one kind of attributes is asked about */
function access(spec: Fields, asker: Asker): object {
  const { resourceAttributes, nonResourceAttributes } = spec;
  if (isRecord(resourceAttributes) === isRecord(nonResourceAttributes))
    throw badRequest(
      "spec: exactly one of resourceAttributes and nonResourceAttributes must be set",
    );
  if (isRecord(nonResourceAttributes)) {
    const allowed =
      asker.groups.includes("system:masters") ||
      (asker.groups.includes("system:authenticated") && nonResourceAttributes["verb"] === "get");
    return { allowed };
  }
  const asked = resourceAttributes as Fields;
  const subresource = textOf(asked["subresource"]);
  const allowed = isAllowed(asker, {
    verb: textOf(asked["verb"]) as Verb,
    group: textOf(asked["group"]),
    resource: textOf(asked["resource"]) + (subresource === "" ? "" : `/${subresource}`),
    namespace: textOf(asked["namespace"]),
  });
  return { allowed };
}

/** The one whom a SubjectAccessReview asks about. */
function subjectOf(spec: Fields): Asker {
  const groups = Array.isArray(spec["groups"]) ? spec["groups"].map(textOf) : [];
  return { name: textOf(spec["user"]), groups };
}

const aboutSelf: Review = (object, asker) => ({ ...object, status: access(specOf(object), asker) });

const aboutSubject: Review = (object) => {
  const spec = specOf(object);
  if (textOf(spec["user"]) === "" && !Array.isArray(spec["groups"]))
    throw badRequest("spec: at least one of user or group must be specified");
  return { ...object, status: access(spec, subjectOf(spec)) };
};

const inNamespace: Review = (object, asker) => {
  const spec = specOf(object);
  const { resourceAttributes } = spec;
  const namespace = isRecord(resourceAttributes) ? textOf(resourceAttributes["namespace"]) : "";
  if (namespace !== object.metadata.namespace)
    throw badRequest("spec.resourceAttributes.namespace: must match metadata.namespace");
  return aboutSubject(object, asker);
};

const rules: Review = (object, asker) => ({
  ...object,
  status: {
    resourceRules: rulesOf(asker, textOf(specOf(object)["namespace"])),
    nonResourceRules: [
      { verbs: ["get"], nonResourceURLs: ["/api", "/api/*", "/apis", "/apis/*", "/healthz"] },
      { verbs: ["get"], nonResourceURLs: ["/livez", "/openapi/*", "/readyz", "/version"] },
    ],
    incomplete: false,
  },
});

const self: Review = (object, asker) => ({
  ...object,
  status: { userInfo: { username: asker.name, groups: asker.groups } },
});

function review(
  apiVersion: string,
  kind: string,
  options: { readonly namespaced?: true; readonly review: Review },
): Kind {
  const description = builtin({
    apiVersion,
    kind,
    plural: `${kind.toLowerCase()}s`,
    clusterWide: true,
    schema: shape.object({ spec: shape.anyObject }),
  });
  return { ...description, namespaced: options.namespaced === true, review: options.review };
}

const authorization = "authorization.k8s.io/v1";

export const reviews: readonly Kind[] = [
  review(authorization, "SelfSubjectAccessReview", { review: aboutSelf }),
  review(authorization, "SelfSubjectRulesReview", { review: rules }),
  review(authorization, "SubjectAccessReview", { review: aboutSubject }),
  review(authorization, "LocalSubjectAccessReview", { namespaced: true, review: inNamespace }),
  review("authentication.k8s.io/v1", "SelfSubjectReview", { review: self }),
];

/** Kinds whose questions anybody who is known may ask: they are about oneself. */
export function isAboutSelf(kind: Kind): boolean {
  return kind.review !== undefined && kind.kind.startsWith("Self");
}
