// Where the API server finds us, unless it is told.
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Reach } from "./configuration.ts";

/**
 * @param configured "" for this machine's address towards the API server, "namespace/name" of a Service, or a host
 * @throws Error when there is no way to the API server
 */
export async function reachOf(
  configured: string,
  { server, port }: { readonly server: string; readonly port: number },
): Promise<Reach> {
  const [namespace, name] = configured.split("/");
  if (namespace && name) return { service: { namespace, name } };
  const host = configured || (await localAddressTowards(server));
  return { url: `https://${isIPv6(host) ? `[${host}]` : host}:${port}` };
}

/** Names that a certificate must be good for. */
export function namesOfReach(reach: Reach): string[] {
  if ("url" in reach) return [new URL(reach.url).hostname.replace(/^\[|\]$/g, "")];
  const { namespace, name } = reach.service;
  return [`${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
}

/** The kernel picks it when a datagram socket is connected; nothing is sent. */
async function localAddressTowards(server: string): Promise<string> {
  const { hostname, port } = new URL(server);
  const host = hostname.replace(/^\[|\]$/g, "");
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("error", reject);
    socket.connect(Number(port || 443), host, resolve);
    await promise;
    return socket.address().address;
  } finally {
    socket.close();
  }
}
