// Names that follow from an attachment alone, so that whoever comes later finds the same interface again.
import { createHash } from "node:crypto";
import type { Attachment } from "./cni/environment.ts";

/**
 * Of the node's health endpoint, which is no container: no runtime can name one so (container IDs have no colon).
 * Cilium's name for its interface.
 */
export const healthAttachment: Attachment = { containerId: "reserved:health", ifName: "eth0" };
const healthInterface = "lxc_health";

/** Name of the host-side veth: "lxc" and 12 hex digits of the attachment's hash (15 bytes, IFNAMSIZ - 1). */
export function hostInterfaceName(attachment: Attachment): string {
  if (attachment.containerId === healthAttachment.containerId) return healthInterface;
  const hash = createHash("sha256").update(`${attachment.containerId}:${attachment.ifName}`);
  return `lxc${hash.digest("hex").slice(0, 12)}`;
}

/** Cilium's name for an attachment: "containerID:ifname". */
export function attachmentKey(attachment: Attachment): string {
  return `${attachment.containerId}:${attachment.ifName}`;
}
