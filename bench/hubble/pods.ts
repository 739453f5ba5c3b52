// Two pods of one node in a lab, as the bench of ways between pods drives them.
import type { BenchLab } from "../lab/lab.ts";
import type { Variant } from "../path/variant.ts";

type EndpointView = {
  readonly pod?: { readonly name: string };
  readonly container: { readonly netns: string };
  readonly addressing: { readonly ipv4: string; readonly ipv6: string };
};

/** Makes the pods; both are on node-1. */
export async function podsOf(lab: BenchLab, name: string): Promise<Variant> {
  const namespace = "default";
  for (const pod of ["client", "server"])
    await lab.createPod({ name: pod, namespace, labels: { app: pod } }, "node-1");
  await lab.ready();
  const endpoints = await lab.ask<EndpointView[]>(
    "tsilium",
    "--node",
    "node-1",
    "endpoint",
    "list",
  );
  const of = (name: string) => {
    const found = endpoints.find(({ pod }) => pod?.name === name);
    if (!found) throw new Error(`no endpoint of ${name}`);
    return found;
  };
  const [client, server] = [of("client"), of("server")];
  return {
    name,
    clientNetns: client.container.netns,
    serverNetns: server.container.netns,
    serverAddress: { IPv4: server.addressing.ipv4, IPv6: server.addressing.ipv6 },
  };
}
