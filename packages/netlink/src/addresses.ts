// Interface addresses: list, add, replace, delete.
import { Prefix, type Address, type Family } from "@tsilium/net";
import {
  addressHeader,
  decodeAddress,
  encodeAddress,
  type InterfaceAddress,
} from "./address-codec.ts";
import type { Changes, Connection } from "./connection.ts";
import { resolve, type DeviceRef } from "./device.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "./message.ts";
import type { Scope } from "./scope.ts";
import { RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR } from "./types.ts";

/** An address to put on an interface. */
export type AddressSpec = {
  readonly device: DeviceRef;
  readonly address: Address;
  /** Prefix length; a host's (32, 128) when absent. */
  readonly length?: number;
  readonly peer?: Address;
  readonly broadcast?: Address;
  /** Default: "link" for link-local addresses, "host" for loopback, else "universe". */
  readonly scope?: Scope;
  readonly label?: string;
  /** IPv6: usable at once, without a second or two of duplicate address detection. */
  readonly noDad?: boolean;
  readonly noPrefixRoute?: boolean;
};

/** The changing half, which batches have as well. */
export class AddressChanges {
  readonly #connection: Connection;
  readonly #changes: Changes;

  constructor(connection: Connection, changes: Changes) {
    this.#connection = connection;
    this.#changes = changes;
  }

  /** @throws NetlinkError EEXIST when the interface has it */
  add(spec: AddressSpec): void {
    this.#write("add", spec, NLM_F_CREATE | NLM_F_EXCL);
  }

  /** Adds, or makes the address that is there as described. */
  replace(spec: AddressSpec): void {
    this.#write("replace", spec, NLM_F_CREATE | NLM_F_REPLACE);
  }

  /** False when the interface has not got the address, or is gone. */
  delete(spec: AddressSpec): boolean {
    return this.#changes.change({
      type: RTM_DELADDR,
      payload: encodeAddress(this.#row(spec)),
      about: `delete address ${describe(spec)}`,
      already: ["EADDRNOTAVAIL", "ENODEV"],
    });
  }

  #write(verb: string, spec: AddressSpec, flags: number): void {
    const payload = encodeAddress(this.#row(spec));
    this.#changes.change({
      type: RTM_NEWADDR,
      flags,
      payload,
      about: `${verb} address ${describe(spec)}`,
    });
  }

  #row(spec: AddressSpec): InterfaceAddress {
    const { address, length = Prefix.host(address).length, noDad, noPrefixRoute } = spec;
    return {
      ...spec,
      device: resolve(this.#connection, spec.device),
      length,
      scope: spec.scope ?? defaultScope(address),
      noDad: noDad ?? false,
      noPrefixRoute: noPrefixRoute ?? false,
      tentative: false,
      dadFailed: false,
      deprecated: false,
      permanent: false,
    };
  }
}

/** The interface addresses of one network namespace. */
export class Addresses extends AddressChanges {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super(connection, connection);
    this.#connection = connection;
  }

  /** Every address, or those of a device or family. @throws NetlinkError ENODEV for a device that is gone */
  list(filter: { readonly device?: DeviceRef; readonly family?: Family } = {}): InterfaceAddress[] {
    const { device, family } = filter;
    const header = addressHeader({
      ...(family === undefined ? {} : { family }),
      ...(device === undefined ? {} : { device: resolve(this.#connection, device) }),
    });
    return this.#connection
      .dump({ type: RTM_GETADDR, payload: header, about: "list addresses" })
      .map(({ payload }) => decodeAddress(payload))
      .filter((row) => row !== undefined);
  }
}

function defaultScope(address: Address): Scope {
  if (address.isLinkLocal) return "link";
  return address.isLoopback ? "host" : "universe";
}

const describe = ({ address, length, device }: AddressSpec) =>
  `${address}${length === undefined ? "" : `/${length}`} on ${device}`;
