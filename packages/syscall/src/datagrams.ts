// Many datagrams in one system call: recvmmsg(2) and sendmmsg(2) over memory that is laid out once.
//
//   arena: | struct mmsghdr x count | struct iovec x count | names | controls | data |
import { addressOf, declareNonBlocking } from "./libc.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC } from "./constants.ts";

const libcRecvmmsg = declareNonBlocking(
  "int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)",
);
const libcSendmmsg = declareNonBlocking(
  "int sendmmsg(int fd, void *messages, unsigned int count, int flags)",
);

const headerSize = 64;
const vectorSize = 16;
/** Room for struct sockaddr_in6. */
const nameSize = 32;

// Fields of struct mmsghdr.
const nameLengthAt = 8;
const controlLengthAt = 40;
const flagsAt = 48;
const lengthAt = 56;

export type DatagramOptions = {
  /** Datagrams in one call. */
  readonly count: number;
  /** Bytes of control messages of each. */
  readonly controlSize: number;
};

/** The memory of a call's messages, and where in it things are. */
class Messages {
  readonly view: DataView;
  readonly bytes: Buffer;
  readonly names: number;
  readonly controls: number;
  readonly data: number;
  readonly address: bigint;
  readonly controlSize: number;

  constructor({ count, controlSize }: DatagramOptions, dataSize: number) {
    this.names = count * (headerSize + vectorSize);
    this.controls = this.names + count * nameSize;
    this.controlSize = (controlSize + 7) & ~7;
    this.data = this.controls + count * this.controlSize;
    this.bytes = Buffer.from(new ArrayBuffer(this.data + dataSize));
    this.view = new DataView(this.bytes.buffer);
    this.address = addressOf(this.bytes);
    for (let index = 0; index < count; index++) this.#point(index, count);
  }

  vectorAt(index: number, count: number): number {
    return count * headerSize + index * vectorSize;
  }

  #point(index: number, count: number): void {
    const at = index * headerSize;
    const pointer = (offset: number) => this.address + BigInt(offset);
    this.view.setBigUint64(at, pointer(this.names + index * nameSize), true);
    this.view.setBigUint64(at + 16, pointer(this.vectorAt(index, count)), true);
    this.view.setBigUint64(at + 24, 1n, true);
    if (this.controlSize > 0)
      this.view.setBigUint64(at + 32, pointer(this.controls + index * this.controlSize), true);
  }
}

/** Receives; what it hands out is valid until the next `receive`. */
export class DatagramReceiver {
  readonly #messages: Messages;
  readonly #count: number;
  readonly #buffers: readonly Buffer[];
  readonly #names: readonly Buffer[];
  readonly #controls: readonly Buffer[];
  #used: number;

  /** @param options.size longest datagram taken whole. */
  constructor(options: DatagramOptions & { readonly size: number }) {
    const { count, size } = options;
    const messages = new Messages(options, count * size);
    const { view, bytes, address, data, names, controls, controlSize } = messages;
    const slots = Array.from({ length: count }, (_, index) => index);
    this.#messages = messages;
    this.#count = count;
    this.#buffers = slots.map((index) =>
      bytes.subarray(data + index * size, data + (index + 1) * size),
    );
    this.#names = slots.map((index) =>
      bytes.subarray(names + index * nameSize, names + (index + 1) * nameSize),
    );
    this.#controls = slots.map((index) =>
      bytes.subarray(controls + index * controlSize, controls + (index + 1) * controlSize),
    );
    for (const index of slots) {
      const vector = messages.vectorAt(index, count);
      view.setBigUint64(vector, address + BigInt(data + index * size), true);
      view.setBigUint64(vector + 8, BigInt(size), true);
    }
    // All of the headers are to be set before the first call.
    this.#used = count;
  }

  /** How many datagrams came, 0 when there is none. @throws SyscallError ECONNREFUSED, ... of connected sockets */
  receive(fd: number): number {
    const { view, bytes, controlSize } = this.#messages;
    for (let index = 0; index < this.#used; index++) {
      const at = index * headerSize;
      view.setUint32(at + nameLengthAt, nameSize, true);
      view.setUint32(at + controlLengthAt, controlSize, true);
    }
    this.#used = 0;
    // Given up on, the headers are as the call left them: none was used.
    const received = libcRecvmmsg(fd, bytes, this.#count, MSG_DONTWAIT, null) ?? 0;
    this.#used = received;
    return received;
  }

  /** The datagram's whole slot: only `lengthOf` bytes of it are the datagram's. */
  bufferOf(index: number): Buffer {
    return this.#buffers[index] as Buffer;
  }

  lengthOf(index: number): number {
    return this.#messages.view.getUint32(index * headerSize + lengthAt, true);
  }

  /** Whether the datagram was longer than its slot. */
  isCut(index: number): boolean {
    return (this.#messages.view.getUint32(index * headerSize + flagsAt, true) & MSG_TRUNC) !== 0;
  }

  /** The sender: a slot that begins with its sockaddr bytes. */
  nameOf(index: number): Buffer {
    return this.#names[index] as Buffer;
  }

  /** Control messages: a slot that begins with them, and how long they are. */
  controlOf(index: number): Buffer {
    return this.#controls[index] as Buffer;
  }

  controlLengthOf(index: number): number {
    return this.#messages.view.getUint32(index * headerSize + controlLengthAt, true);
  }
}

/** Collects datagrams for one socket and sends them together. */
export class DatagramSender {
  readonly #messages: Messages;
  readonly #count: number;
  readonly #controlSize: number;
  readonly #dataSize: number;
  #pending = 0;
  #usedBytes = 0;

  /** @param options.dataSize bytes of all datagrams of one call together. */
  constructor(options: DatagramOptions & { readonly dataSize: number }) {
    this.#count = options.count;
    this.#controlSize = options.controlSize;
    this.#dataSize = options.dataSize;
    this.#messages = new Messages(options, options.dataSize);
  }

  get pending(): number {
    return this.#pending;
  }

  /** Whether one more datagram of that length fits before the next `flush`. */
  hasRoom(length: number): boolean {
    return this.#pending < this.#count && this.#usedBytes + length <= this.#dataSize;
  }

  /**
   * One more datagram: the caller fills in the places answered (receiver's sockaddr, control messages, data), which are
   * offsets into `bytes`. Only after `hasRoom`.
   */
  add(length: number, nameLength: number): { name: number; control: number; data: number } {
    const { view, names, controls, data, address, controlSize } = this.#messages;
    const index = this.#pending++;
    const at = index * headerSize;
    const dataAt = data + this.#usedBytes;
    this.#usedBytes += (length + 7) & ~7;
    view.setUint32(at + nameLengthAt, nameLength, true);
    view.setUint32(at + controlLengthAt, this.#controlSize, true);
    const vector = this.#messages.vectorAt(index, this.#count);
    view.setBigUint64(vector, address + BigInt(dataAt), true);
    view.setBigUint64(vector + 8, BigInt(length), true);
    return {
      name: names + index * nameSize,
      control: controls + index * controlSize,
      data: dataAt,
    };
  }

  /** All of the memory; `add` says where. */
  get bytes(): Buffer {
    return this.#messages.bytes;
  }

  get view(): DataView {
    return this.#messages.view;
  }

  /**
   * Sends what was added, and answers how many the kernel did not take: datagrams get lost, and each failure is of one
   * alone.
   */
  flush(fd: number): number {
    const { bytes } = this.#messages;
    let lost = 0;
    for (let sent = 0; sent < this.#pending;) {
      const rest = bytes.subarray(sent * headerSize);
      let taken: number | undefined;
      try {
        taken = libcSendmmsg(fd, rest, this.#pending - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      } catch {
        taken = undefined;
      }
      if (taken === undefined) lost++;
      sent += taken ?? 1;
    }
    this.#pending = 0;
    this.#usedBytes = 0;
    return lost;
  }
}
