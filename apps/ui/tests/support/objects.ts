// The objects of a scene, put into an API server.
import type { KubeClient, KubeObject, Resource } from "@tsilium/kube";
import { resources } from "@tsilium/kube";
import type { Scene } from "./scene.ts";

const { signal } = new AbortController();

export async function putShopObjects(client: KubeClient, scene: Scene): Promise<void> {
  const put = async <T extends KubeObject>(resource: Resource<T>, object: T) => {
    await client.create(resource, object, { signal });
  };
  const namespaces = new Set<string>();
  const services = new Map<string, number>();
  for (const { endpoints } of scene.parties.values())
    for (const { namespace } of endpoints) if (namespace !== "") namespaces.add(namespace);
  for (const { service, port } of scene.talks)
    if (service !== undefined) services.set(service, port);
  for (const name of namespaces) {
    if (name === "kube-system") continue;
    await put(resources.namespaces, { metadata: { name } });
  }
  for (const { endpoints, addresses } of scene.parties.values()) {
    const [first] = endpoints;
    if (!first || first.podName === "") continue;
    await put(resources.ciliumIdentities, {
      metadata: { name: String(first.identity) },
      "security-labels": Object.fromEntries(
        first.labels.map((label) => label.split("=") as [string, string]),
      ),
    });
    for (const [index, endpoint] of endpoints.entries()) {
      await put(resources.ciliumEndpoints, {
        metadata: { name: endpoint.podName, namespace: endpoint.namespace },
        status: {
          id: endpoint.id,
          identity: { id: endpoint.identity, labels: endpoint.labels },
          networking: {
            addressing: [{ ipv4: addresses[index] as string }],
            node: "172.18.0.2",
          },
          policy: {
            ingress: { enforcing: endpoint.namespace === "data", state: "enforcing" },
            egress: { enforcing: false, state: "" },
          },
          state: "ready",
        },
      });
    }
  }
  for (const [service, port] of services) {
    const [namespace = "", name = ""] = service.split("/");
    await put(resources.services, {
      metadata: { name, namespace },
      spec: { selector: { app: name }, ports: [{ port, protocol: "TCP" }] },
    });
    await put(resources.endpointSlices, {
      metadata: {
        name: `${name}-1`,
        namespace,
        labels: { "kubernetes.io/service-name": name },
      },
      addressType: "IPv4",
      ports: [{ port, protocol: "TCP" }],
      endpoints: [
        { addresses: ["10.244.0.9"], conditions: { ready: true } },
        { addresses: ["10.244.1.9"], conditions: { ready: name !== "kafka" } },
      ],
    });
  }
  if (!namespaces.has("shop")) return;
  await put(resources.networkPolicies, {
    metadata: { name: "default-deny", namespace: "data" },
    spec: { podSelector: {}, policyTypes: ["Ingress"] },
  });
  await put(resources.ciliumNetworkPolicies, {
    metadata: { name: "postgres", namespace: "data" },
    spec: {
      description: "who may ask the database",
      endpointSelector: { matchLabels: { app: "postgres" } },
      ingress: [
        {
          fromEndpoints: [
            { matchLabels: { app: "catalog", "k8s:io.kubernetes.pod.namespace": "shop" } },
          ],
          toPorts: [{ ports: [{ port: "5432", protocol: "TCP" }] }],
        },
        {
          fromEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": "monitoring" } }],
          toPorts: [{ ports: [{ port: "9187", protocol: "TCP" }] }],
        },
      ],
    },
  });
  await put(resources.ciliumNetworkPolicies, {
    metadata: { name: "payment", namespace: "shop" },
    spec: {
      endpointSelector: { matchLabels: { app: "payment" } },
      ingress: [
        {
          fromEndpoints: [{ matchLabels: { app: "checkout" } }],
          toPorts: [{ ports: [{ port: "50051", protocol: "TCP" }] }],
        },
      ],
      ingressDeny: [{ fromEndpoints: [{ matchLabels: { app: "frontend" } }] }],
    },
  });
}
