// A netlink socket and the conversation over it: requests with acknowledgement, dumps, batches. Synchronous:
// the kernel answers within the send call, so a round trip is 6-20 us.
//
//   change:  request(seq) ----> kernel        batch:  r(1) r(2) ... r(50) --one send--> kernel
//            ack(seq)     <----                       ack(1) ... ack(50)  <--
import { constants } from "node:os";
import {
  AF_NETLINK,
  bind,
  close,
  isSyscallError,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  recvfrom,
  sendto,
  setsockopt,
  sockaddrNetlink,
  socket,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  SO_RCVTIMEO,
} from "@tsilium/syscall";
import { NetlinkError } from "./errors.ts";
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeMessage,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Message,
} from "./message.ts";

export type Request = {
  readonly type: number;
  readonly flags?: number;
  readonly payload: Uint8Array;
  /** In words, for errors: "add link lxc1". */
  readonly about: string;
  /** Errors that mean the world is already as asked ("ENODEV" for a delete). */
  readonly already?: readonly string[];
};

/** Something that carries out changes: the connection at once, a batch later. */
export interface Changes {
  /** True when the change was made (or queued), false when there was nothing to do. @throws NetlinkError */
  change(request: Request): boolean;
}

/** Above about 50 acknowledgements the socket's receive queue overflows and the conversation is lost. */
const maxBatch = 50;

/** A message never exceeds this: dumps come in pieces of at most 32 KiB (NLMSG_GOODSIZE and its like). */
const receiveSize = 65_536;

/** How long the kernel may keep us: changes wait for the RTNL lock, which busy machines hold for long. Seconds. */
const receiveTimeoutS = 30;

/** A dump that raced with a change is asked for again, so often at most. */
const dumpAttempts = 10;

export class Connection implements Changes, Disposable {
  readonly fd: number;
  readonly #buffer = new Uint8Array(receiveSize);
  #sequence = 0;

  /** Opens a socket in the network namespace the thread is in now; it stays there. @throws SyscallError */
  constructor(protocol: number) {
    this.fd = socket(AF_NETLINK, SOCK_RAW, protocol);
    try {
      bind(this.fd, sockaddrNetlink());
      setsockopt(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
      setsockopt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
      setsockopt(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
      const timeval = new Uint8Array(new BigInt64Array([BigInt(receiveTimeoutS), 0n]).buffer);
      setsockopt(this.fd, SOL_SOCKET, SO_RCVTIMEO, timeval);
    } catch (error) {
      close(this.fd);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }

  change(request: Request): boolean {
    const [outcome] = this.#exchange([request]);
    if (outcome instanceof NetlinkError) throw outcome;
    return outcome as boolean;
  }

  /**
   * Sends all requests, up to 50 per system call, and reads every answer. All are carried out, in order, also
   * after one has failed; then the first failure is thrown.
   */
  changeAll(requests: readonly Request[]): void {
    let firstFailure: NetlinkError | undefined;
    for (let from = 0; from < requests.length; from += maxBatch)
      for (const outcome of this.#exchange(requests.slice(from, from + maxBatch)))
        if (outcome instanceof NetlinkError) firstFailure ??= outcome;
    if (firstFailure) throw firstFailure;
  }

  /** A request that is answered by one message; undefined for an error named in `already`. @throws NetlinkError */
  query(request: Request): Message | undefined {
    const sequence = this.#send([request]);
    for (;;)
      for (const message of this.#receive(request.about)) {
        if (message.sequence !== sequence) continue;
        // Without NLM_F_ACK the answer is all that comes.
        if (message.type !== NLMSG_ERROR) return { ...message, payload: message.payload.slice() };
        const outcome = outcomeOf(request, message);
        if (outcome instanceof NetlinkError) throw outcome;
        return undefined;
      }
  }

  /** Every message of a dump, consistent: one that raced with a change is repeated. @throws NetlinkError */
  dump(request: Request): Message[] {
    for (let attempt = 0; attempt < dumpAttempts; attempt++) {
      const messages = this.#dumpOnce(request);
      if (messages) return messages;
    }
    throw new NetlinkError(request.about, constants.errno.EAGAIN, "the table keeps changing");
  }

  #dumpOnce(request: Request): Message[] | undefined {
    const flags = (request.flags ?? 0) | NLM_F_DUMP;
    const sequence = this.#send([{ ...request, flags }]);
    const messages: Message[] = [];
    let interrupted = false;
    for (;;)
      for (const message of this.#receive(request.about)) {
        if (message.sequence !== sequence) continue;
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
        if (message.type !== NLMSG_DONE && message.type !== NLMSG_ERROR) {
          messages.push({ ...message, payload: message.payload.slice() });
          continue;
        }
        const outcome = outcomeOf(request, message);
        if (outcome instanceof NetlinkError) throw outcome;
        return interrupted ? undefined : messages;
      }
  }

  /** Answers per request: true, false (nothing to do) or the error. */
  #exchange(requests: readonly Request[]): (boolean | NetlinkError)[] {
    const last = this.#send(
      requests.map((request) => ({ ...request, flags: (request.flags ?? 0) | NLM_F_ACK })),
    );
    const first = last - requests.length + 1;
    const outcomes: (boolean | NetlinkError)[] = [];
    while (outcomes.length < requests.length)
      for (const message of this.#receive(requests[outcomes.length]?.about ?? "")) {
        const request = requests[message.sequence - first];
        // Leftovers of a conversation that timed out are not ours.
        if (request && message.type === NLMSG_ERROR) outcomes.push(outcomeOf(request, message));
      }
    return outcomes;
  }

  /** Sends the requests in one datagram; answers the last one's sequence number. */
  #send(requests: readonly Request[]): number {
    const encoded = requests.map(({ type, flags = 0, payload }) =>
      encodeMessage({ type, flags: flags | NLM_F_REQUEST, sequence: ++this.#sequence, payload }),
    );
    sendto(this.fd, encoded.length === 1 ? (encoded[0] as Uint8Array) : Buffer.concat(encoded));
    return this.#sequence;
  }

  #receive(about: string): Generator<Message, void> {
    try {
      const received = recvfrom(this.fd, this.#buffer);
      if (!received) throw new NetlinkError(about, constants.errno.ETIMEDOUT);
      return decodeMessages(this.#buffer.subarray(0, Math.min(received.length, receiveSize)));
    } catch (error) {
      if (isSyscallError(error)) throw new NetlinkError(about, error.errno, "receiving the answer");
      throw error;
    }
  }
}

function outcomeOf(request: Request, message: Message): boolean | NetlinkError {
  const { errno, detail } = decodeAcknowledgement(message);
  if (errno === 0) return true;
  const error = new NetlinkError(request.about, errno, detail);
  return request.already?.includes(error.code) ? false : error;
}

/** Collects changes to be sent together. */
export class Batch implements Changes {
  readonly requests: Request[] = [];

  change(request: Request): boolean {
    this.requests.push(request);
    return true;
  }
}
