// The service "kubernetes" has no pods: its slice and its Endpoints list where the API server can be reached.
import {
  KubeError,
  resources,
  serviceNameLabel,
  type Endpoints,
  type EndpointSlice,
  type KubeObject,
  type Resource,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { skipMirrorLabel } from "./endpoint-mirror.ts";

type Where = { readonly address: string; readonly port: number };

/** Publishes the IPv4 ones, as they are now; nothing without one. */
export async function publishApiEndpoints(
  context: Pick<Context, "client" | "signal">,
  endpoints: readonly Where[],
): Promise<void> {
  const ipv4 = endpoints.filter(({ address }) => !address.includes(":"));
  const [first] = ipv4;
  if (!first) return;
  const addresses = ipv4.filter(({ port }) => port === first.port).map(({ address }) => address);
  const ports = [{ name: "https", protocol: "TCP", port: first.port }] as const;
  const slice: EndpointSlice = {
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { [serviceNameLabel]: "kubernetes" },
    },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports,
  };
  const whole: Endpoints = {
    metadata: { name: "kubernetes", namespace: "default", labels: { [skipMirrorLabel]: "true" } },
    subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports }],
  };
  await put(context, resources.endpointSlices, slice);
  await put(context, resources.endpoints, whole);
}

async function put<T extends KubeObject>(
  { client, signal }: Pick<Context, "client" | "signal">,
  resource: Resource<T>,
  object: T,
): Promise<void> {
  try {
    await client.create(resource, object, { signal });
  } catch (error) {
    if (!KubeError.isAlreadyExists(error)) throw error;
    await client.replace(resource, object, { signal });
  }
}
