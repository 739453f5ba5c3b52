// `kubectl port-forward` (portforward.k8s.io): for each connection the client opens a stream for errors and one for data,
// with one `requestID`. Each pair becomes a connection to the pod's own loopback.
import type { Duplex } from "node:stream";
import { writeTo } from "./channels.ts";
import { SpdyConnection, type SpdyStream, type StreamReader } from "./spdy/connection.ts";

export const portForwardProtocol = "portforward.k8s.io";
/** The same within a WebSocket (kubectl 1.31 and later). */
export const tunnelProtocol = `SPDY/3.1+${portForwardProtocol}`;

/** Connections at once, and how long their names may be: a client's own, kept until the connection ends. */
const maxPairs = 1000;
const maxIdLength = 64;

type Pair = { error?: SpdyStream; data?: SpdyStream; target: Promise<Duplex | undefined> };

/**
 * Serves one client until it leaves. Never rejects.
 * @param dial a connection to the pod; what it throws is told to the client, for this connection alone
 */
export async function forwardPorts(
  socket: Duplex,
  dial: (port: number, signal: AbortSignal) => Promise<Duplex>,
): Promise<void> {
  const connection = new SpdyConnection(socket);
  const pairs = new Map<string, Pair>();
  const left = new AbortController();

  const connect = async (pair: Pair, port: number): Promise<Duplex | undefined> => {
    try {
      const target = await dial(port, left.signal);
      void copyBack(target, pair);
      return target;
    } catch (error) {
      await tell(pair, `an error occurred forwarding ${port}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const accept = (stream: SpdyStream): StreamReader | undefined => {
    const type = stream.headers.get("streamtype");
    const id = stream.headers.get("requestid") ?? "";
    const port = portOf(stream.headers.get("port"));
    if (port === undefined || (type !== "error" && type !== "data")) return undefined;
    if (id.length > maxIdLength || (!pairs.has(id) && pairs.size >= maxPairs)) return undefined;
    const pair: Pair = pairs.get(id) ?? { target: Promise.resolve(undefined) };
    if (pair[type]) return undefined;
    pair[type] = stream;
    pairs.set(id, pair);
    if (type === "error") return { data: () => {}, end: () => {} };
    pair.target = connect(pair, port);
    return {
      async data(bytes) {
        const target = await pair.target;
        if (target) await writeTo(target, bytes);
      },
      async end() {
        pairs.delete(id);
        (await pair.target)?.end();
      },
    };
  };
  await connection.run(accept);
  left.abort();
  for (const { target } of pairs.values()) (await target)?.destroy();
}

/** What the pod sends, until it has ended. */
async function copyBack(target: Duplex, pair: Pair): Promise<void> {
  try {
    for await (const chunk of target.iterator({ destroyOnReturn: false }))
      await pair.data?.write(chunk as Buffer);
    await pair.data?.end();
  } catch {
    await pair.data?.reset();
  }
  await pair.error?.end();
}

async function tell(pair: Pair, text: string): Promise<void> {
  await pair.error?.write(Buffer.from(text));
  await pair.error?.end();
  await pair.data?.reset();
}

function portOf(text: string | undefined): number | undefined {
  const port = Number(text);
  return /^\d{1,5}$/.test(text ?? "") && port > 0 && port < 65_536 ? port : undefined;
}
