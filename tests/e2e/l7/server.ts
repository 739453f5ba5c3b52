// Runs in server pods: HTTP/1, HTTP/2 in plain, TLS with either, and WebSockets on every port, told apart by what a client
// says first; gRPC by an implementation of its own on one more.
//
//   node server.ts NAME FIRST LAST GRPC_PORT CERTIFICATE KEY
//
// A request is answered with JSON: what was asked, by whom, over what; /connections with how many are open, and how many
// were reset.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createSecureServer,
  createServer as createHttp2,
  type Http2ServerRequest,
} from "node:http2";
import { createServer, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";

/** What the server says of a request. */
export type Asked = {
  readonly server: string;
  readonly method: string;
  readonly path: string;
  readonly version: string;
  readonly encrypted: boolean;
  readonly client: string;
  readonly clientPort: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
};

const [name = "", first = "", last = "", grpcPort = "", certificate = "", key = ""] =
  process.argv.slice(2);

const http1 = createHttp({ keepAliveTimeout: 600_000, insecureHTTPParser: false }, answer);
http1.on("upgrade", (request, socket: Socket) => upgrade(request, socket));
const http2 = createHttp2({}, answer as never);
const tls = createSecureServer(
  { cert: readFileSync(certificate), key: readFileSync(key), allowHTTP1: true },
  answer as never,
);

const connections = { open: 0, reset: 0 };

for (let port = Number(first); port <= Number(last); port++)
  createServer({ pauseOnConnect: false }, accept).listen(port, "::");
serveGrpc();

function accept(socket: Socket): void {
  connections.open++;
  socket.on("close", () => connections.open--);
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "ECONNRESET") connections.reset++;
  });
  socket.once("readable", () => {
    const begins = socket.read() as Buffer | null;
    if (begins === null) return; // it ended before it said anything
    socket.unshift(begins);
    const isHttp2 = begins.toString("latin1", 0, 4) === "PRI ";
    const server = begins[0] === 0x16 ? tls : isHttp2 ? http2 : http1;
    server.emit("connection", socket);
  });
}

function answer(request: IncomingMessage | Http2ServerRequest, response: ServerResponse): void {
  const { socket } = request;
  const asked: Asked = {
    server: name,
    method: request.method ?? "",
    path: request.url ?? "",
    version: request.httpVersion,
    encrypted: "encrypted" in socket && socket.encrypted === true,
    client: (socket.remoteAddress ?? "").replace("::ffff:", ""),
    clientPort: socket.remotePort ?? 0,
    headers: request.headers as Asked["headers"],
  };
  request.resume();
  response.setHeader("content-type", "application/json");
  const told = asked.path === "/connections" ? connections : asked;
  response.setHeader("content-length", JSON.stringify(told).length);
  response.end(JSON.stringify(told));
}

/** RFC 6455: the handshake, and small frames sent back unmasked. */
function upgrade({ headers }: IncomingMessage, socket: Socket): void {
  const accepted = createHash("sha1")
    .update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accepted}\r\n\r\n`,
  );
  socket.on("data", (frame: Buffer) => {
    const length = (frame[1] as number) & 0x7f;
    const mask = frame.subarray(2, 6);
    const payload = frame
      .subarray(6, 6 + length)
      .map((byte, at) => byte ^ (mask[at % 4] as number));
    socket.write(Buffer.concat([Buffer.from([frame[0] as number, length]), payload]));
  });
}

function serveGrpc(): void {
  const bytes = (value: Buffer) => value;
  const method = (path: string) => ({
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  });
  const server = new grpc.Server();
  const echo = (call: { request: Buffer }, done: (error: null, value: Buffer) => void) =>
    done(null, call.request);
  const definition = { Get: method("/shop.Orders/Get"), Delete: method("/shop.Orders/Delete") };
  server.addService(definition, { Get: echo as never, Delete: echo as never });
  server.bindAsync(`[::]:${grpcPort}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
    console.log("ready");
  });
}
