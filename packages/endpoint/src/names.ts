// Names that follow from an attachment alone, so that whoever comes later finds the same interface again.
import { createHash } from "node:crypto";
import type { Attachment } from "./cni/environment.ts";

/** Name of the host-side veth: "lxc" and 12 hex digits of the attachment's hash (15 bytes, IFNAMSIZ - 1). */
export function hostInterfaceName(attachment: Attachment): string {
  const hash = createHash("sha256").update(`${attachment.containerId}:${attachment.ifName}`);
  return `lxc${hash.digest("hex").slice(0, 12)}`;
}

/** Cilium's name for an attachment: "containerID:ifname". */
export function attachmentKey(attachment: Attachment): string {
  return `${attachment.containerId}:${attachment.ifName}`;
}
