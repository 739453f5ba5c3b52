// What each group may do. Fixed in code: the RBAC resources of Kubernetes are not served.
import type { User } from "./user.ts";

export type Verb =
  | "get"
  | "list"
  | "watch"
  | "create"
  | "update"
  | "patch"
  | "delete"
  | "deletecollection";

export type Access = {
  readonly verb: Verb;
  readonly group: string;
  /** "pods" or "pods/status". */
  readonly resource: string;
  /** "": none, or all of them. */
  readonly namespace: string;
};

type Rule = {
  readonly verbs: readonly Verb[] | "*";
  readonly resources: readonly string[] | "*";
  /** Absent: everywhere. */
  readonly namespaces?: readonly string[];
};

const read = ["get", "list", "watch"] as const;
const write = ["create", "update", "patch", "delete"] as const;

/** Resources are "plural.group" (core: "plural"), with "/subresource" where one is meant. */
const roles: Readonly<Record<string, readonly Rule[]>> = {
  "system:masters": [{ verbs: "*", resources: "*" }],
  /** Kubelets, of the lab and real ones: nodes and the pods bound to them. */
  "system:nodes": [
    {
      verbs: read,
      resources: ["nodes", "pods", "services", "namespaces", "endpointslices.discovery.k8s.io"],
    },
    { verbs: ["get"], resources: ["configmaps", "secrets"] },
    { verbs: ["create", "update", "patch"], resources: ["nodes", "nodes/status", "events"] },
    { verbs: ["update", "patch"], resources: ["pods/status"] },
    { verbs: ["create", "delete"], resources: ["pods"] },
    { verbs: [...read, ...write], resources: ["leases.coordination.k8s.io"] },
  ],
  "tsilium:agents": [
    {
      verbs: read,
      resources: [
        "pods",
        "nodes",
        "namespaces",
        "services",
        "endpointslices.discovery.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "networkpolicies.networking.k8s.io",
        "clusternetworkpolicies.policy.networking.k8s.io",
        "*.cilium.io",
      ],
    },
    // policy-secrets-namespace: what L7 rules take from Secrets, and no other Secret.
    { verbs: read, resources: ["secrets"], namespaces: ["cilium-secrets"] },
    { verbs: ["patch"], resources: ["nodes", "nodes/status", "pods/status"] },
    {
      verbs: write,
      resources: [
        "ciliumnodes.cilium.io",
        "ciliumnodes.cilium.io/status",
        "ciliumendpoints.cilium.io",
        "ciliumendpoints.cilium.io/status",
      ],
    },
    { verbs: ["create", "update", "patch"], resources: ["ciliumidentities.cilium.io", "events"] },
    {
      verbs: ["update", "patch"],
      resources: [
        "ciliumnetworkpolicies.cilium.io/status",
        "ciliumclusterwidenetworkpolicies.cilium.io/status",
      ],
    },
  ],
  "tsilium:operators": [
    {
      verbs: read,
      resources: [
        "pods",
        "nodes",
        "namespaces",
        "services",
        "endpointslices.discovery.k8s.io",
        "clusternetworkpolicies.policy.networking.k8s.io",
        "*.cilium.io",
      ],
    },
    {
      verbs: [...read, ...write],
      resources: ["customresourcedefinitions.apiextensions.k8s.io", "leases.coordination.k8s.io"],
    },
    { verbs: write, resources: ["*.cilium.io", "*.cilium.io/status"] },
    {
      verbs: ["update", "patch"],
      resources: ["clusternetworkpolicies.policy.networking.k8s.io/status"],
    },
    { verbs: ["patch"], resources: ["nodes", "nodes/status", "services/status"] },
    { verbs: ["create", "patch"], resources: ["events"] },
    // enable-policy-secrets-sync: what policies name, each watched by its name, is copied to policy-secrets-namespace.
    { verbs: ["list", "watch"], resources: ["secrets"] },
    {
      verbs: ["get", "create", "update", "delete"],
      resources: ["secrets"],
      namespaces: ["cilium-secrets"],
    },
    { verbs: ["create"], resources: ["namespaces"] },
  ],
};

export function isAllowed(user: User, access: Access): boolean {
  const [plural = "", subresource] = access.resource.split("/");
  const suffix = subresource === undefined ? "" : `/${subresource}`;
  const exact = `${access.group === "" ? plural : `${plural}.${access.group}`}${suffix}`;
  const wholeGroup = `*.${access.group}${suffix}`;
  return user.groups.some((group) =>
    (Object.hasOwn(roles, group) ? (roles[group] as readonly Rule[]) : []).some(
      ({ verbs, resources, namespaces }) =>
        (namespaces === undefined || namespaces.includes(access.namespace)) &&
        (verbs === "*" || verbs.includes(access.verb)) &&
        (resources === "*" || resources.includes(exact) || resources.includes(wholeGroup)),
    ),
  );
}

/** What a user may do in a namespace, as a SelfSubjectRulesReview tells it. */
export function rulesOf(user: User, namespace: string): object[] {
  return user.groups
    .flatMap((group) => (Object.hasOwn(roles, group) ? (roles[group] as readonly Rule[]) : []))
    .filter(({ namespaces }) => namespaces === undefined || namespaces.includes(namespace))
    .flatMap(({ verbs, resources }) => {
      if (resources === "*") return [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }];
      const byGroup = new Map<string, string[]>();
      for (const qualified of resources) {
        const [path = "", subresource] = qualified.split("/");
        const dot = path.indexOf(".");
        const group = dot < 0 ? "" : path.slice(dot + 1);
        const plural = dot < 0 ? path : path.slice(0, dot);
        const name = subresource === undefined ? plural : `${plural}/${subresource}`;
        byGroup.set(group, [...(byGroup.get(group) ?? []), name]);
      }
      return [...byGroup].map(([group, names]) => ({
        verbs: verbs === "*" ? ["*"] : [...verbs],
        apiGroups: [group],
        resources: names,
      }));
    });
}
