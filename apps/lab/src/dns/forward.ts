// Other people's names: the client's own bytes go to the upstreams, one after another, from a fresh port each.
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import type { Transport } from "./resolver.ts";

const patienceMs = 1500;
const dnsPort = 53;

export class Forwarder {
  readonly #upstreams: readonly string[];

  /** @param upstreams addresses, asked in this order */
  constructor(upstreams: readonly string[]) {
    this.#upstreams = upstreams;
  }

  /** The first upstream's answer; undefined when none answers. */
  async forward(bytes: Uint8Array, transport: Transport): Promise<Uint8Array | undefined> {
    for (const upstream of this.#upstreams) {
      try {
        return await (transport === "udp"
          ? askDatagram(upstream, bytes)
          : askStream(upstream, bytes));
      } catch {
        // The next one may do better.
      }
    }
    return undefined;
  }
}

function askDatagram(upstream: string, query: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const socket = createSocket(isIPv6(upstream) ? "udp6" : "udp4");
  const timer = setTimeout(() => reject(new Error("no answer")), patienceMs);
  socket.on("error", reject);
  socket.on("message", (answer) => {
    // Connected: the kernel lets nobody else's datagrams through. An answer to another question is waited out.
    if (isAnswerTo(query, answer)) resolve(answer);
  });
  socket.connect(dnsPort, upstream, () => socket.send(query));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

function askStream(upstream: string, query: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const socket = connect({ host: upstream, port: dnsPort });
  let received = Buffer.alloc(0);
  socket.setTimeout(patienceMs, () => reject(new Error("no answer")));
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("closed")));
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
    const answer = received.subarray(2, 2 + received.readUInt16BE(0));
    if (isAnswerTo(query, answer)) resolve(answer);
    else reject(new Error("an answer to another question"));
  });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  socket.write(Buffer.concat([length, query]));
  return promise.finally(() => socket.destroy());
}

/** Same ID, and an answer. */
function isAnswerTo(query: Uint8Array, answer: Uint8Array): boolean {
  return (
    answer.length >= 12 &&
    answer[0] === query[0] &&
    answer[1] === query[1] &&
    ((answer[2] ?? 0) & 0x80) !== 0
  );
}
