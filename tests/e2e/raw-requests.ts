// Bytes on an agent's unix socket, as no HTTP client would send them, and what came back.
import { connect, type Socket } from "node:net";

/** A sentence, what is sent, the status that must come back. */
export type RawRequest = readonly [sentence: string, bytes: string | Buffer, status: number];

const megabyte = 1 << 20;
const cni = "POST /v1/cni HTTP/1.1\r\nHost: agent\r\nContent-Type: application/x-tsilium-cni\r\n";
const get = (target: string) =>
  `GET ${target} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n`;

export const rawRequests: readonly RawRequest[] = [
  ["bytes that are no HTTP", Buffer.from([0, 1, 2, 3, 0xff, 0xfe, 0x0a, 0x0d, 0x0a]), 400],
  ["a TLS handshake", Buffer.from("16030100c8010000c40303", "hex"), 400],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["a method that does not exist", "EAT /v1/healthz HTTP/1.1\r\nHost: agent\r\n\r\n", 400],
  ["a header with a line break in its name", "GET / HTTP/1.1\r\nHo\nst: agent\r\n\r\n", 400],
  ["two lengths that disagree", `${cni}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde`, 400],
  [
    "a length and chunks at once",
    `${cni}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ["chunks that are none", `${cni}Transfer-Encoding: chunked\r\n\r\nnonsense\r\n`, 400],
  ["headers without end", `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(1 << 14)}`, 400],
  [
    "a body that is too large, announced",
    `${cni}Content-Length: ${2 * megabyte}\r\n\r\n${"x".repeat(2 * megabyte)}`,
    413,
  ],
  [
    "a body that is too large, in chunks",
    `${cni}Transfer-Encoding: chunked\r\n\r\n${`10000\r\n${"x".repeat(65536)}\r\n`.repeat(32)}0\r\n\r\n`,
    413,
  ],
  ["a path that does not exist", get("/v1/nonsense"), 404],
  ["a path that climbs", get("/v1/../../etc/passwd"), 404],
  ["a parameter that does not exist", get("/v1/endpoint?nonsense=1"), 400],
  ["a path that is not percent-encoded text", get("/v1/ip/%ff%fe"), 400],
  ["an address that is none", get("/v1/ip/banana"), 400],
  ["an endpoint that is none", get("/v1/endpoint/banana"), 400],
  ["an endpoint that does not exist", get("/v1/endpoint/65535"), 404],
  ["a resource version that is none", get("/v1/barrier?resourceVersion=banana"), 400],
  [
    "the wrong method",
    "DELETE /v1/endpoint HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n",
    405,
  ],
];

/** Sends, and answers with what came back by the time the server closed, or said how it ends, or five seconds. */
export function exchange(socketPath: string, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let answer = "";
    socket.setTimeout(5_000, () => socket.destroy());
    socket.setEncoding("latin1").on("data", (text: string) => {
      answer += text;
      if (isWhole(answer)) socket.destroy();
    });
    // A server that refuses a body need not read it to its end.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") reject(error);
    });
    socket.on("close", () => resolve(answer));
    socket.write(bytes);
  });
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  const length = /content-length: (\d+)/i.exec(answer)?.[1];
  return end >= 0 && length !== undefined && answer.length >= end + 4 + Number(length);
}

/** Connections that say `bytes` and then nothing any more. Resolves once all are made. */
export async function idleConnections(
  socketPath: string,
  count: number,
  bytes: string,
): Promise<Disposable> {
  const sockets = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect(socketPath, () => {
            if (bytes !== "") socket.write(bytes);
            resolve(socket);
          });
          socket.once("error", reject);
        }),
    ),
  );
  for (const socket of sockets) socket.on("error", () => {});
  return {
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
