import { crc32c } from "./crc32c.ts";
import { concat, toBytes, type Layer, type PayloadLike } from "./layer.ts";
import { ipProtocol } from "./names.ts";

export type SctpFields = {
  readonly sport: number;
  readonly dport: number;
  /** Verification tag, 32 bits. Default 0, as in INIT. */
  readonly tag?: number;
  /** As they are, one after the other. */
  readonly chunks?: PayloadLike;
  /** Right when absent. */
  readonly checksum?: number;
};

/** An SCTP common header (RFC 9260, 3.1), 12 bytes, and chunks. */
export function sctpLayer(fields: SctpFields): Layer {
  return {
    ipProtocol: ipProtocol.sctp,
    encode(payload) {
      const packet = concat(new Uint8Array(12), toBytes(fields.chunks ?? ""), payload);
      const view = new DataView(packet.buffer);
      view.setUint16(0, fields.sport);
      view.setUint16(2, fields.dport);
      view.setUint32(4, fields.tag ?? 0);
      view.setUint32(8, fields.checksum ?? crc32c(packet), true);
      return packet;
    },
  };
}
