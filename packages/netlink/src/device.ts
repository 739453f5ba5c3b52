// How callers name an interface: by index, or by name where the connection can ask for the index.
import { constants } from "node:os";
import type { Connection } from "./connection.ts";
import { NetlinkError } from "./errors.ts";
import { decodeLink, encodeLinkQuery, type Link } from "./link-codec.ts";
import { RTM_GETLINK } from "./types.ts";

/** An interface's index or its name. A name costs one more round trip. */
export type DeviceRef = number | string;

/** The link, or undefined when there is none. */
export function queryLink(connection: Connection, device: DeviceRef): Link | undefined {
  const message = connection.query({
    type: RTM_GETLINK,
    payload: encodeLinkQuery(device),
    about: `get link ${device}`,
    already: ["ENODEV"],
  });
  return message && decodeLink(message.payload);
}

/** The interface's index. @throws NetlinkError ENODEV */
export function resolve(connection: Connection, device: DeviceRef): number {
  if (typeof device === "number") return device;
  const link = queryLink(connection, device);
  if (!link) throw new NetlinkError(`find link ${device}`, constants.errno.ENODEV);
  return link.index;
}
