// Neighbours (ARP and NDP tables): list, replace, delete.
import type { Address, Family, Mac } from "@tsilium/net";
import type { Changes, Connection } from "./connection.ts";
import { resolve, type DeviceRef } from "./device.ts";
import { NLM_F_CREATE, NLM_F_REPLACE } from "./message.ts";
import {
  decodeNeighbour,
  encodeNeighbour,
  neighbourHeader,
  type Neighbour,
  type NeighbourState,
} from "./neighbour-codec.ts";
import { RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH } from "./types.ts";

export type NeighbourSpec = {
  readonly device: DeviceRef;
  readonly address: Address;
  readonly mac?: Mac;
  /** Default "permanent". */
  readonly state?: NeighbourState;
  readonly proxy?: boolean;
  readonly router?: boolean;
  readonly externallyLearned?: boolean;
};

/** The changing half, which batches have as well. */
export class NeighbourChanges {
  readonly #connection: Connection;
  readonly #changes: Changes;

  constructor(connection: Connection, changes: Changes) {
    this.#connection = connection;
    this.#changes = changes;
  }

  /** Adds, or makes the entry that is there as described. @throws NetlinkError ENODEV */
  replace(spec: NeighbourSpec): void {
    this.#changes.change({
      type: RTM_NEWNEIGH,
      flags: NLM_F_CREATE | NLM_F_REPLACE,
      payload: encodeNeighbour(this.#row(spec)),
      about: `replace neighbour ${spec.address} on ${spec.device}`,
    });
  }

  /** False when there is no such entry, or no such device. */
  delete(spec: Pick<NeighbourSpec, "device" | "address" | "proxy">): boolean {
    return this.#changes.change({
      type: RTM_DELNEIGH,
      payload: encodeNeighbour(this.#row(spec)),
      about: `delete neighbour ${spec.address} on ${spec.device}`,
      already: ["ENOENT", "ENODEV"],
    });
  }

  #row(spec: NeighbourSpec): Neighbour {
    const { state = "permanent", proxy = false, router = false, externallyLearned = false } = spec;
    const device = resolve(this.#connection, spec.device);
    return { ...spec, device, state, proxy, router, externallyLearned };
  }
}

/** The neighbours of one network namespace. */
export class Neighbours extends NeighbourChanges {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super(connection, connection);
    this.#connection = connection;
  }

  /** Every resolved or pending neighbour of a device, a family, or all; proxied addresses are not listed. */
  list(filter: { readonly device?: DeviceRef; readonly family?: Family } = {}): Neighbour[] {
    const index =
      filter.device === undefined ? undefined : resolve(this.#connection, filter.device);
    const family = filter.family === undefined ? {} : { family: filter.family };
    return (
      this.#connection
        .dump({ type: RTM_GETNEIGH, payload: neighbourHeader(family), about: "list neighbours" })
        .map(({ payload }) => decodeNeighbour(payload))
        .filter((row) => row !== undefined)
        // Strict checking wants the device as an attribute; the table is small, so the filter is here.
        .filter(({ device }) => index === undefined || device === index)
    );
  }
}
