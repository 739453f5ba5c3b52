// Netlink messages (struct nlmsghdr, RFC 3549 section 2.3.2): a 16-byte header in host byte order, a payload,
// padding to 4. Pure. Host order is little-endian on everything this runs on.
import { constants } from "node:os";
import { readAttributes, text } from "./attributes.ts";

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

const headerSize = 16;

export type Message = {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
};

const align = (length: number) => (length + 3) & ~3;

/** The message's bytes, padded. The sender's port is left 0 for the kernel to fill in. */
export function encodeMessage({ type, flags, sequence, payload }: Message): Uint8Array {
  const bytes = new Uint8Array(align(headerSize + payload.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, headerSize + payload.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(payload, headerSize);
  return bytes;
}

/** The messages of one datagram, payloads as views into it. What follows a broken length is ignored. */
export function* decodeMessages(bytes: Uint8Array): Generator<Message, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + headerSize <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < headerSize || length > bytes.length - at) return;
    yield {
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      payload: bytes.subarray(at + headerSize, at + length),
    };
    at += align(length);
  }
}

/** What an NLMSG_ERROR or NLMSG_DONE says: errno 0 is success. */
export type Acknowledgement = { readonly errno: number; readonly detail: string };

/** Reads NLMSG_ERROR (struct nlmsgerr) and NLMSG_DONE, with the extended acknowledgement when there is one. */
export function decodeAcknowledgement(message: Message): Acknowledgement {
  const { payload, flags, type } = message;
  // The kernel never sends one this short; it is no success either.
  if (payload.length < 4)
    return { errno: type === NLMSG_DONE ? 0 : constants.errno.EBADMSG, detail: "" };
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const errno = -view.getInt32(0, true);
  if (!(flags & NLM_F_ACK_TLVS)) return { errno, detail: "" };
  const attributes = readAttributes(payload.subarray(attributesOffset(message, view)));
  return { errno, detail: text(attributes.get(NLMSGERR_ATTR_MSG)) ?? "" };
}

/** After the error come the header of the request and, unless capped or successful, its whole payload. */
function attributesOffset({ flags, type, payload }: Message, view: DataView): number {
  if (type === NLMSG_DONE) return 4;
  if (flags & NLM_F_CAPPED || payload.length < 8) return 4 + headerSize;
  return 4 + align(view.getUint32(4, true));
}
