// An HTTPS server for tests, HTTP/1.1 and HTTP/2: answers with what it saw. node tls-server.mjs PORT CERT KEY CA|-
// (PORT 80x: without TLS.) Says "ready" on its standard output.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createSecureServer } from "node:http2";

const [port, cert, key, ca] = process.argv.slice(2);
const answer = (request, response) => {
  const { socket } = request.stream?.session ?? request;
  const peer = socket.getPeerCertificate?.();
  response.setHeader("content-type", "application/json");
  response.end(
    JSON.stringify({
      version: request.httpVersion,
      url: request.url,
      host: request.headers[":authority"] ?? request.headers.host,
      serverName: socket.servername ?? null,
      client: socket.remoteAddress?.replace("::ffff:", ""),
      peer: peer?.subject?.CN ?? null,
    }),
  );
};
const secure = () =>
  createSecureServer(
    {
      cert: readFileSync(cert),
      key: readFileSync(key),
      allowHTTP1: true,
      ...(ca === "-" ? {} : { ca: readFileSync(ca), requestCert: true, rejectUnauthorized: true }),
    },
    answer,
  );
const server = cert === "-" ? createServer(answer) : secure();
server.on("tlsClientError", () => undefined);
server.listen({ host: "::", port: Number(port) }, () => console.log("ready"));
