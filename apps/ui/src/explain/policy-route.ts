// A policy object as the API server has it now, with the rule that decided marked.
import {
  type KubeClient,
  KubeError,
  type KubeObject,
  type Resource,
  resources,
} from "@tsilium/kube";
import { type JsonRoute, RequestError } from "../http/server.ts";
import { markedYaml } from "./marked-yaml.ts";

const kinds: Readonly<Record<string, Resource>> = {
  NetworkPolicy: resources.networkPolicies,
  CiliumNetworkPolicy: resources.ciliumNetworkPolicies,
  CiliumClusterwideNetworkPolicy: resources.ciliumClusterwideNetworkPolicies,
  ClusterNetworkPolicy: resources.clusterNetworkPolicies,
};

/** "policy": `kind`, `namespace`, `name`; with `path` the lines of that part are told. */
export function policyRoute(client: KubeClient | undefined): JsonRoute {
  return async (parameters, signal) => {
    const kind = parameters.get("kind") ?? "";
    const resource = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
    const name = parameters.get("name") ?? "";
    const namespace = parameters.get("namespace") ?? "";
    const path = parameters.get("path") ?? undefined;
    if (!resource || name === "") throw new RequestError(400, "kind, name: which policy?");
    if (!client)
      throw new RequestError(
        404,
        "This server was started without an API server, so it cannot show the object: give it --kubeconfig.",
      );
    const object = await get(client, resource, { name, namespace, signal });
    const answer = markedYaml(shown(object, resource), path);
    const isGone = path !== undefined && !answer.marked;
    return {
      ...answer,
      ...(isGone
        ? { remark: `The object has changed since: there is no ${path} in it any longer.` }
        : {}),
    };
  };
}

async function get(
  client: KubeClient,
  resource: Resource,
  { name, namespace, signal }: { name: string; namespace: string; signal: AbortSignal },
): Promise<KubeObject> {
  try {
    return await client.get(resource, name, { namespace, signal });
  } catch (error) {
    if (KubeError.isNotFound(error))
      throw new RequestError(404, `${resource.kind} ${name} is not there any longer.`);
    throw new RequestError(502, `The API server: ${(error as Error).message}`);
  }
}

const notForPeople = [
  "creationTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "selfLink",
  "uid",
];
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** What its author wrote. */
function shown(object: KubeObject, resource: Resource): object {
  const { status: _, ...rest } = object as KubeObject & { status?: unknown };
  const metadata: Record<string, unknown> = { ...rest.metadata };
  for (const field of notForPeople) delete metadata[field];
  const { [lastApplied]: __, ...annotations } = rest.metadata.annotations ?? {};
  if (Object.keys(annotations).length > 0) metadata["annotations"] = annotations;
  else delete metadata["annotations"];
  const { group, version } = resource;
  return {
    apiVersion: rest.apiVersion ?? (group === "" ? version : `${group}/${version}`),
    kind: resource.kind,
    ...rest,
    metadata,
  };
}
