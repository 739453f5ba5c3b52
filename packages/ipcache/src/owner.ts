// Who has an address: what a connection compares to find out whether its other end is still the same.
import type { IpcacheClaim } from "./model.ts";

/** Of addresses that nobody of the cluster has. */
export const worldOwner = "world";

/**
 * The one that an address belongs to, as text that changes when somebody else takes the address, even a pod of the same
 * name: "shop/cart/POD-UID", "node/node-2". Every node has the same text for a pod, local or not. An address with a name
 * is the world's as one without: names come and go while connections last.
 */
export function ownerOf({ source, owner, ownerUid, namespace, podName }: IpcacheClaim): string {
  if (source === "fqdn") return worldOwner;
  const name = podName === undefined ? owner : `${namespace}/${podName}`;
  return ownerUid === undefined ? name : `${name}/${ownerUid}`;
}

/** The text as the kernel compares it: 32 bits, never 0 (FNV-1a over UTF-16 units). */
export function ownerHash(owner: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < owner.length; index++)
    hash = Math.imul(hash ^ owner.charCodeAt(index), 0x01000193);
  return hash >>> 0 || 1;
}
