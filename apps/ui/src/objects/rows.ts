// Kubernetes objects -> rows of the page's tables: only what a table shows.
import {
  type CiliumClusterwideNetworkPolicy,
  type CiliumEndpoint,
  type CiliumIdentity,
  type CiliumNetworkPolicy,
  type EndpointSlice,
  type KubeObject,
  type NetworkPolicy,
  objectKey,
  type Service,
} from "@tsilium/kube";

export type EndpointRow = {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly addresses: readonly string[];
  readonly identity: number;
  readonly labels: readonly string[];
  readonly state: string;
  /** Directions in which policies isolate it. */
  readonly isolated: readonly string[];
};

export function endpointRow(object: CiliumEndpoint): EndpointRow {
  const { status = {} } = object;
  const { networking, identity, policy } = status;
  return {
    key: objectKey(object),
    namespace: object.metadata.namespace ?? "",
    name: object.metadata.name ?? "",
    node: networking?.node ?? "",
    addresses: (networking?.addressing ?? []).flatMap(({ ipv4, ipv6 }) =>
      [ipv4 ?? "", ipv6 ?? ""].filter((address) => address !== ""),
    ),
    identity: identity?.id ?? 0,
    labels: identity?.labels ?? [],
    state: status.state ?? "",
    isolated: (["ingress", "egress"] as const).filter((name) => policy?.[name]?.enforcing === true),
  };
}

export type IdentityRow = {
  readonly key: string;
  readonly id: number;
  readonly namespace: string;
  readonly labels: readonly string[];
};

export function identityRow(object: CiliumIdentity): IdentityRow {
  const labels = object["security-labels"] ?? {};
  return {
    key: objectKey(object),
    id: Number(object.metadata.name),
    namespace: labels["k8s:io.kubernetes.pod.namespace"] ?? "",
    labels: Object.entries(labels)
      .map(([name, value]) => (value === "" ? name : `${name}=${value}`))
      .toSorted(),
  };
}

export type PolicyRow = {
  readonly key: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Whom it selects, as a label selector. */
  readonly selects: string;
  readonly ingress: number;
  readonly egress: number;
  readonly deny: number;
  /** Directions in which whom it selects is denied what no rule allows. */
  readonly isolates: readonly string[];
  /** "": as it should be. */
  readonly problem: string;
  readonly audit: boolean;
};

type Selector = {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
};

/** A policy may hold anything: its owner's mistakes are to be seen, not to break the table. */
type LooseSpec = {
  readonly podSelector?: Selector;
  readonly endpointSelector?: Selector;
  readonly nodeSelector?: Selector;
  readonly ingress?: readonly unknown[];
  readonly egress?: readonly unknown[];
  readonly ingressDeny?: readonly unknown[];
  readonly egressDeny?: readonly unknown[];
  readonly policyTypes?: readonly string[];
  readonly enableDefaultDeny?: Readonly<Record<string, boolean>>;
};

/** NetworkPolicy: by its types (ingress always, unless they say otherwise). Cilium's: by having rules, unless told. */
function isolates(spec: LooseSpec, direction: "ingress" | "egress", kind: string): boolean {
  if (kind === "NetworkPolicy") {
    const named = spec.policyTypes?.map((type) => type.toLowerCase());
    return named ? named.includes(direction) : direction === "ingress" || spec.egress !== undefined;
  }
  const hasRules = spec[direction] !== undefined || spec[`${direction}Deny`] !== undefined;
  return spec.enableDefaultDeny?.[direction] ?? hasRules;
}

export function policyRow(
  object: NetworkPolicy | CiliumNetworkPolicy | CiliumClusterwideNetworkPolicy,
  kind: string,
): PolicyRow {
  const loose = object as KubeObject & {
    readonly spec?: LooseSpec;
    readonly specs?: readonly LooseSpec[];
    readonly status?: {
      readonly conditions?: readonly {
        readonly type?: string;
        readonly status?: string;
        readonly message?: string;
      }[];
    };
  };
  const specs = [...(loose.spec ? [loose.spec] : []), ...(loose.specs ?? [])];
  const sum = (field: "ingress" | "egress" | "ingressDeny" | "egressDeny") =>
    specs.reduce((total, spec) => total + (spec[field]?.length ?? 0), 0);
  const invalid = loose.status?.conditions?.find(
    ({ type, status }) => type === "Valid" && status === "False",
  );
  return {
    key: `${kind}/${objectKey(object)}`,
    kind,
    namespace: object.metadata.namespace ?? "",
    name: object.metadata.name ?? "",
    selects: specs.map(selects).join(" or "),
    ingress: sum("ingress"),
    egress: sum("egress"),
    deny: sum("ingressDeny") + sum("egressDeny"),
    isolates: (["ingress", "egress"] as const).filter((direction) =>
      specs.some((spec) => isolates(spec, direction, kind)),
    ),
    problem: invalid ? (invalid.message ?? "not valid") : "",
    audit: object.metadata.annotations?.["policy.tsilium.io/enforcement"] === "audit",
  };
}

function selects({ podSelector, endpointSelector, nodeSelector }: LooseSpec): string {
  const selector = podSelector ?? endpointSelector ?? nodeSelector ?? {};
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const terms = [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) =>
      values.length > 0 ? `${key} ${operator} (${values.join(", ")})` : `${key} ${operator}`,
    ),
  ];
  const what = nodeSelector ? "nodes" : "pods";
  return terms.length > 0 ? `${what} ${terms.join(", ")}` : `all ${what}`;
}

export type ServiceRow = {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  readonly addresses: readonly string[];
  readonly ports: readonly string[];
  readonly ready: number;
  readonly backends: number;
};

/** @param slices of this service */
export function serviceRow(object: Service, slices: Iterable<EndpointSlice>): ServiceRow {
  const { spec, status } = object;
  const backends = new Map<string, boolean>();
  for (const { endpoints } of slices) {
    for (const { addresses, conditions, targetRef } of endpoints ?? []) {
      // A pod of two families is in a slice of each.
      const name = targetRef?.name ?? addresses[0];
      if (name !== undefined) backends.set(name, conditions?.ready !== false);
    }
  }
  const external = (status?.loadBalancer?.ingress ?? []).map(
    ({ ip, hostname }) => ip ?? hostname ?? "",
  );
  return {
    key: objectKey(object),
    namespace: object.metadata.namespace ?? "",
    name: object.metadata.name ?? "",
    type: spec.clusterIP === "None" ? "Headless" : (spec.type ?? "ClusterIP"),
    addresses: [...(spec.clusterIPs ?? []), ...(spec.externalIPs ?? []), ...external].filter(
      (address) => address !== "" && address !== "None",
    ),
    ports: (spec.ports ?? []).map(({ port, protocol, targetPort, nodePort }) => {
      const target = targetPort !== undefined && targetPort !== port ? `→${targetPort}` : "";
      return `${port}${target}/${protocol ?? "TCP"}${nodePort ? ` (node ${nodePort})` : ""}`;
    }),
    ready: [...backends.values()].filter(Boolean).length,
    backends: backends.size,
  };
}
