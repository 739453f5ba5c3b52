// The one queueing discipline we need: clsact, the hook for tc programs on kernels without tcx (before 6.6).
import type { Changes, Connection } from "./connection.ts";
import { resolve, type DeviceRef } from "./device.ts";
import { AttributeWriter, readAttributes, text } from "./attributes.ts";
import { NLM_F_CREATE } from "./message.ts";
import { RTM_DELQDISC, RTM_GETQDISC, RTM_NEWQDISC } from "./types.ts";

const TCA_KIND = 1;
// linux/pkt_sched.h: TC_H_CLSACT as parent, and its major number as handle.
const clsactParent = 0xffff_fff1;
const clsactHandle = 0xffff_0000;

/** A queueing discipline as the kernel reports it. */
export type Qdisc = {
  /** Interface index. */
  readonly device: number;
  readonly kind: string;
  readonly handle: number;
  readonly parent: number;
};

/** struct tcmsg and the kind. Pure. */
export function encodeQdisc(qdisc: Qdisc): Uint8Array {
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  view.setInt32(4, qdisc.device, true);
  view.setUint32(8, qdisc.handle, true);
  view.setUint32(12, qdisc.parent, true);
  return new AttributeWriter(header).text(TCA_KIND, qdisc.kind).bytes();
}

/** Reads RTM_NEWQDISC and RTM_DELQDISC. Pure. */
export function decodeQdisc(payload: Uint8Array): Qdisc | undefined {
  if (payload.length < 20) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return {
    device: view.getInt32(4, true),
    handle: view.getUint32(8, true),
    parent: view.getUint32(12, true),
    kind: text(readAttributes(payload.subarray(20)).get(TCA_KIND)) ?? "",
  };
}

const clsact = (device: number) =>
  encodeQdisc({ device, kind: "clsact", handle: clsactHandle, parent: clsactParent });

/** The changing half, which batches have as well. */
export class QdiscChanges {
  readonly #connection: Connection;
  readonly #changes: Changes;

  constructor(connection: Connection, changes: Changes) {
    this.#connection = connection;
    this.#changes = changes;
  }

  /** Gives the device a clsact; one that is there stays, with its filters. @throws NetlinkError ENODEV */
  ensureClsact(device: DeviceRef): void {
    const payload = clsact(resolve(this.#connection, device));
    const about = `add clsact to ${device}`;
    this.#changes.change({ type: RTM_NEWQDISC, flags: NLM_F_CREATE, payload, about });
  }

  /** Takes the clsact and every filter on it away; false when there is none, or no such device. */
  deleteClsact(device: number): boolean {
    return this.#changes.change({
      type: RTM_DELQDISC,
      payload: clsact(device),
      about: `delete clsact of ${device}`,
      already: ["ENOENT", "EINVAL", "ENODEV"],
    });
  }
}

/** The queueing disciplines of one network namespace. */
export class Qdiscs extends QdiscChanges {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super(connection, connection);
    this.#connection = connection;
  }

  list(): Qdisc[] {
    return this.#connection
      .dump({ type: RTM_GETQDISC, payload: new Uint8Array(20), about: "list qdiscs" })
      .map(({ payload }) => decodeQdisc(payload))
      .filter((qdisc) => qdisc !== undefined);
  }
}
