// An endpoint for tests that look at a few of its fields.
import { Labels, Mac } from "@tsilium/net";
import type { Endpoint } from "../model.ts";

/** Pod shop/cart, ready, with identity 300 and no addresses, but for what is said otherwise. */
export function exampleEndpoint(fields: Partial<Endpoint> = {}): Endpoint {
  return {
    id: 7,
    state: "ready",
    containerId: "c",
    containerInterface: "eth0",
    network: "tsilium",
    interfaceName: "lxc0",
    ifindex: 3,
    netns: "/n",
    netnsCookie: 0n,
    mac: Mac.zero,
    nodeMac: Mac.zero,
    ipv4: undefined,
    ipv6: undefined,
    namespace: "shop",
    podName: "cart",
    podUid: "uid-1",
    labels: Labels.empty,
    identity: 300,
    createdAt: "",
    attachedAt: "",
    ...fields,
  };
}
