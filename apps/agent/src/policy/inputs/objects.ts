// The objects that policies are written in, as the API server has them. They are parsed by the worker.
import { isDeepStrictEqual } from "node:util";
import { apiVersionOf, type KubeObject, objectKey, type Resource, resources } from "@tsilium/kube";
import type { PolicyKind, PolicyRef } from "@tsilium/policy/model.ts";
import { Table } from "@tsilium/tables";
import { intoTable } from "../../node/watches.ts";
import { trimPolicy } from "../../node/trim.ts";
import type { Watches } from "../../watches.ts";
import { type InputSource, tableSource } from "./source.ts";
import { followWhenDefined } from "../../when-defined.ts";

export type PolicyKinds = {
  /** enable-k8s-networkpolicy */
  readonly networkPolicies: boolean;
  /** enable-k8s-cluster-network-policy */
  readonly clusterNetworkPolicies: boolean;
};

/** Our own definitions are the operator's to install; until it has, nobody can say that there are no policies. */
const retry = { minMs: 50, maxMs: 1_000 } as const;

export class PolicyObjects {
  readonly #tables: Readonly<Record<PolicyKind, Table<KubeObject>>> = {
    NetworkPolicy: objectTable("networkpolicies"),
    CiliumNetworkPolicy: objectTable("ciliumnetworkpolicies"),
    CiliumClusterwideNetworkPolicy: objectTable("ciliumclusterwidenetworkpolicies"),
    ClusterNetworkPolicy: objectTable("clusternetworkpolicies"),
  };
  readonly #cidrGroups = objectTable("ciliumcidrgroups");

  /** Begins to follow. Resolves when all there is is known. @throws the signal's reason */
  async start(watches: Watches, kinds: PolicyKinds, signal: AbortSignal): Promise<void> {
    const follow = (resource: Resource, table: Table<KubeObject>) =>
      watches.start(table.name, resource, { ...reflection(resource, table), signal });
    const tables = this.#tables;
    await Promise.all([
      kinds.networkPolicies && follow(resources.networkPolicies, tables.NetworkPolicy),
      follow(resources.ciliumNetworkPolicies, tables.CiliumNetworkPolicy),
      follow(resources.ciliumClusterwideNetworkPolicies, tables.CiliumClusterwideNetworkPolicy),
      follow(resources.ciliumCidrGroups, this.#cidrGroups),
      kinds.clusterNetworkPolicies &&
        followWhenDefined<KubeObject>(watches, tables.ClusterNetworkPolicy.name, {
          ...reflection(resources.clusterNetworkPolicies, tables.ClusterNetworkPolicy),
          resource: resources.clusterNetworkPolicies,
          signal,
        }),
    ]);
  }

  get sources(): InputSource[] {
    const policies = Object.entries(this.#tables).map(([kind, table]) => {
      const ref = (object: KubeObject) => refOf(kind as PolicyKind, object);
      return tableSource(table, {
        present: (object) => ({ kind: "policy", ref: ref(object), object }),
        gone: (object) => ({ kind: "policy-gone", ref: ref(object) }),
      });
    });
    const groups = tableSource(this.#cidrGroups, {
      present: (object) => ({ kind: "cidr-group", name: objectKey(object), object }),
      gone: (object) => ({ kind: "cidr-group-gone", name: objectKey(object) }),
    });
    return [groups, ...policies];
  }
}

function objectTable(name: string): Table<KubeObject> {
  return new Table<KubeObject>({ name, key: objectKey, equals: readsTheSame });
}

/** Objects of a list do not say what they are. */
function reflection(resource: Resource, table: Table<KubeObject>) {
  const stamp = { apiVersion: apiVersionOf(resource), kind: resource.kind };
  const trim = (object: KubeObject) => ({ ...trimPolicy(object), ...stamp });
  return { retry, trim, handlers: intoTable(table) };
}

/** A write of its status, or of managed fields, makes no other policy. */
function readsTheSame(a: KubeObject, b: KubeObject): boolean {
  return isDeepStrictEqual(withoutVersion(a), withoutVersion(b));
}

function withoutVersion({ metadata, ...rest }: KubeObject) {
  return { ...rest, metadata: { ...metadata, resourceVersion: undefined } };
}

function refOf(kind: PolicyKind, { metadata }: KubeObject): PolicyRef {
  return { kind, namespace: metadata.namespace ?? "", name: metadata.name ?? "" };
}
