// Links: list, get, add, set, delete.
import { constants } from "node:os";
import type { Changes, Connection } from "./connection.ts";
import { queryLink, resolve, type DeviceRef } from "./device.ts";
import { NetlinkError } from "./errors.ts";
import {
  decodeLink,
  encodeLink,
  encodeLinkQuery,
  type Link,
  type LinkAttributes,
} from "./link-codec.ts";
import type { LinkKind } from "./link-kind.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "./message.ts";
import { RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK } from "./types.ts";

/** A link to make. */
export type LinkSpec = Omit<LinkAttributes, "master"> & {
  readonly name: string;
  readonly kind: LinkKind;
  /** The bridge it becomes a port of. */
  readonly master?: DeviceRef;
};

/** What to change about a link; absent means as it is. */
export type LinkChange = Omit<LinkAttributes, "index" | "master"> & {
  /** The bridge it becomes a port of; null releases it. */
  readonly master?: DeviceRef | null;
};

/** The changing half, which batches have as well. */
export class LinkChanges {
  readonly #connection: Connection;
  readonly #changes: Changes;

  constructor(connection: Connection, changes: Changes) {
    this.#connection = connection;
    this.#changes = changes;
  }

  /**
   * Makes a link (and a veth's peer).
   * @throws NetlinkError EEXIST when a link of that name is there; EINVAL for `addrGenMode` together with
   * `netnsFd`: the kernel takes that setting only for links of this connection's namespace
   */
  add(spec: LinkSpec): void {
    const { addrGenMode, up, master, ...rest } = spec;
    const about = `add link ${spec.name}`;
    if (addrGenMode !== undefined && spec.netnsFd !== undefined)
      throw new NetlinkError(about, constants.errno.EINVAL, "addrGenMode in another namespace");
    // Creation ignores the mode, and going up is what generates addresses: so mode first, up second.
    const later =
      addrGenMode === undefined ? {} : { addrGenMode, ...(up === undefined ? {} : { up }) };
    this.#changes.change({
      type: RTM_NEWLINK,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      payload: encodeLink({
        ...rest,
        ...(up === undefined || addrGenMode !== undefined ? {} : { up }),
        ...this.#master(master),
      }),
      about,
    });
    if (addrGenMode !== undefined) this.set(spec.name, later);
  }

  /** Changes a link. @throws NetlinkError ENODEV */
  set(device: DeviceRef, change: LinkChange): void {
    const { master, ...rest } = change;
    this.#changes.change({
      type: RTM_NEWLINK,
      payload: encodeLink({ ...this.#address(device, change), ...rest, ...this.#master(master) }),
      about: `set link ${device}`,
    });
  }

  /** Deletes a link (a veth's peer goes with it); false when it is gone already. */
  delete(device: DeviceRef): boolean {
    return this.#changes.change({
      type: RTM_DELLINK,
      payload: encodeLink(typeof device === "number" ? { index: device } : { name: device }),
      about: `delete link ${device}`,
      already: ["ENODEV"],
    });
  }

  /**
   * Deletes every link of a group at once; false when it has none. The kernel waits for its grace periods once
   * per call, about 20 ms, however many links go. @throws NetlinkError EOPNOTSUPP when one cannot be deleted
   */
  deleteGroup(group: number): boolean {
    return this.#changes.change({
      type: RTM_DELLINK,
      payload: encodeLink({ group }),
      about: `delete links of group ${group}`,
      already: ["ENODEV"],
    });
  }

  /** A name addresses a link by itself, unless the message gives it a new one. */
  #address(device: DeviceRef, change: LinkChange): LinkAttributes {
    if (typeof device === "string" && change.name === undefined) return { name: device };
    return { index: resolve(this.#connection, device) };
  }

  #master(master: DeviceRef | null | undefined): { readonly master?: number } {
    if (master === undefined) return {};
    return { master: master === null ? 0 : resolve(this.#connection, master) };
  }
}

/** The links of one network namespace. */
export class Links extends LinkChanges {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super(connection, connection);
    this.#connection = connection;
  }

  /** Every link. */
  list(): Link[] {
    return this.#connection
      .dump({ type: RTM_GETLINK, payload: encodeLinkQuery(undefined), about: "list links" })
      .map(({ payload }) => decodeLink(payload))
      .filter((link) => link !== undefined);
  }

  /** One link; undefined when there is none. */
  get(device: DeviceRef): Link | undefined {
    return queryLink(this.#connection, device);
  }

  /** The link's index. @throws NetlinkError ENODEV */
  index(name: string): number {
    return resolve(this.#connection, name);
  }
}
