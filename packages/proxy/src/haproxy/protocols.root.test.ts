// What goes through besides plain requests: HTTP/2 with its streams, gRPC by an independent peer, WebSocket; and what does not.
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { createServer } from "node:net";
import { after, before, suite, test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { addresses, httpRules, World } from "./testing/world.ts";

const port = { http1: 80, http2: 81, grpc: 82, upgrade: 83 };
const rules = httpRules([
  { method: "GET|POST", path: "/open(/.*)?" },
  { method: "POST", path: "/test\\.Echo/(Say|Chat)" },
]);

suite("protocols through HAProxy", () => {
  let world: World;
  let server: grpc.Server;
  before(async () => {
    world = await World.make();
    world.http1(port.http1);
    world.http2(port.http2, (request, response) => {
      response.addTrailers({ "x-trailer": "at the end" });
      request.pipe(response as never);
    });
    const upgrading = world.http1(port.upgrade);
    upgrading.on("upgrade", (request, socket) => {
      socket.on("error", () => undefined);
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${request.headers.upgrade}\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n`,
      );
      socket.on("data", (data: Buffer) => socket.write(`echo ${data}`));
    });
    server = grpcServer(world);
    await world.apply([], true);
    let listener = 10_000;
    for (const each of Object.values(port)) {
      await world.set(listener, rules);
      await world.redirect(each, listener++);
    }
  });
  after(async () => {
    server?.forceShutdown();
    await world[Symbol.asyncDispose]();
  });

  test("HTTP/2: many streams of one connection use one to the server, with bodies and trailers", async () => {
    const ports = new Set<number>();
    const seen = world.http2(84, (request, response) => {
      ports.add(request.socket.remotePort ?? 0);
      request.pipe(response as never);
    });
    await world.set(10_020, rules);
    await world.redirect(84, 10_020);
    const session = connectHttp2(world, 84);
    const ask = async (path: string, body = "x".repeat(20_000)) => {
      const stream = session.request({ ":method": "POST", ":path": path });
      stream.end(body);
      const [headers] = await once(stream, "response");
      let length = 0;
      for await (const chunk of stream) length += (chunk as Buffer).length;
      return [headers[":status"], length];
    };
    assert.deepEqual(await ask("/open/first"), [200, 20_000]);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 ? ask("/open/more") : ask("/closed", "x"),
      ),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 20 }, (_, index) => (index % 2 ? [200, 20_000] : [403, 15])),
    );
    assert.equal(ports.size, 1);
    session.close();
    seen.close();
  });

  test("HTTP/2: the server's trailers come", async () => {
    const session = connectHttp2(world, port.http2);
    const stream = session.request({ ":method": "POST", ":path": "/open" });
    stream.end("body");
    const [trailers] = await once(stream.resume(), "trailers");
    assert.equal(trailers["x-trailer"], "at the end");
    session.close();
  });

  test("HTTP/2: data goes both ways at once", async () => {
    const session = connectHttp2(world, port.http2);
    const stream = session.request({ ":method": "POST", ":path": "/open" });
    for (const word of ["one", "two", "three"]) {
      stream.write(word);
      const [data] = await once(stream, "data");
      assert.equal(String(data), word);
    }
    stream.close();
    session.close();
  });

  test("gRPC: calls and streams that are allowed, PERMISSION_DENIED for others", async () => {
    const client = grpcClient(world);
    const call = (method: string) =>
      new Promise<[number, string]>((resolve) => {
        client.makeUnaryRequest(method, plain, plain, Buffer.from("hello"), (error, value) =>
          resolve([error?.code ?? 0, error?.details ?? String(value)]),
        );
      });
    assert.deepEqual(await call("/test.Echo/Say"), [0, "hello"]);
    assert.deepEqual(await call("/test.Echo/Secret"), [
      grpc.status.PERMISSION_DENIED,
      "Access denied",
    ]);

    // As others than grpc-js want it: one frame of headers that ends the stream, with the type.
    const session = connectHttp2(world, port.grpc);
    const stream = session.request({
      ":method": "POST",
      ":path": "/test.Echo/Secret",
      "content-type": "application/grpc+proto",
      te: "trailers",
    });
    stream.end();
    const [headers] = await once(stream, "response");
    assert.deepEqual(
      [headers[":status"], headers["content-type"], headers["grpc-status"]],
      [200, "application/grpc", "7"],
    );
    assert.equal(stream.readableLength, 0);
    session.destroy();

    const chat = client.makeBidiStreamRequest("/test.Echo/Chat", plain, plain);
    for (const word of ["a", "b", "c"]) {
      chat.write(Buffer.from(word));
      const [answer] = await once(chat, "data");
      assert.equal(String(answer), word);
    }
    chat.end();
    const [status] = await once(chat, "status");
    assert.equal(status.code, 0);

    const denied = client.makeBidiStreamRequest("/test.Echo/SecretChat", plain, plain);
    const end = new Promise<number>((resolve) => denied.on("status", ({ code }) => resolve(code)));
    denied.on("error", () => undefined);
    assert.equal(await end, grpc.status.PERMISSION_DENIED);
    client.close();
  });

  test("WebSocket after a request that is allowed, and not after another", async () => {
    const ask = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`;
    const talk = (text: string) => world.raw(port.upgrade, `${text}frames`, 400);
    const connection = world.connect(port.upgrade).setEncoding("latin1");
    connection.write(ask("/open"));
    const [answer] = await once(connection, "data");
    assert.match(answer, /^HTTP\/1\.1 101 /);
    connection.write("frames");
    const [echoed] = await once(connection, "data");
    assert.equal(echoed, "echo frames");
    connection.destroy();
    assert.match(await talk(ask("/closed")), /^HTTP\/1\.1 403 /);
  });

  test("no other upgrade goes on: h2c, others, HTTP/2's settings", async () => {
    for (const protocol of ["h2c", "foo", "h2c, websocket", "websocket, h2c", "TLS/1.0"]) {
      const answer = await world.raw(
        port.upgrade,
        `GET /open HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
      );
      // (A WebSocket's upgrade without its key is refused.)
      const wanted = protocol.includes("websocket") ? /^HTTP\/1\.1 400 / : /^HTTP\/1\.1 200 /;
      assert.match(answer, wanted, `${protocol}: ${answer}`);
      assert.doesNotMatch(answer, /"upgrade"|http2-settings/i, answer);
    }
    const curl = await world.curl(
      "--http2",
      "-i",
      `http://${addresses.server[4]}:${port.upgrade}/open`,
    );
    assert.match(curl, /^HTTP\/1\.1 200 /);
  });

  test("a server cannot switch protocols on its own", async () => {
    const server = world.listen(
      createServer((socket) => {
        socket.on("error", () => undefined);
        socket.once("data", () => {
          socket.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n",
          );
          socket.on("data", (data: Buffer) => socket.write(`tunnel ${data}`));
        });
      }),
      85,
    );
    await world.set(10_021, rules);
    await world.redirect(85, 10_021);
    const answer = await world.raw(
      85,
      "GET /open HTTP/1.1\r\nHost: h\r\n\r\nGET /closed HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    assert.doesNotMatch(answer, /tunnel/);
    assert.match(answer, /^HTTP\/1\.1 50[0-9] /);
    server.close();
  });
});

const plain = (value: Buffer): Buffer => value;

function connectHttp2(world: World, to: number): http2.ClientHttp2Session {
  const session = http2.connect(`http://${addresses.server[4]}:${to}`, {
    createConnection: () => world.connect(to),
  });
  session.on("error", () => undefined);
  return session;
}

function grpcServer(world: World): grpc.Server {
  const method = (path: string, streams: boolean) => ({
    path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: plain,
    requestDeserialize: plain,
    responseSerialize: plain,
    responseDeserialize: plain,
  });
  const server = new grpc.Server();
  server.addService(
    {
      Say: method("/test.Echo/Say", false),
      Secret: method("/test.Echo/Secret", false),
      Chat: method("/test.Echo/Chat", true),
    },
    {
      Say: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) =>
        done(null, call.request),
      Secret: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) =>
        done(null, call.request),
      Chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        call.on("data", (data: Buffer) => call.write(data));
        call.on("end", () => call.end());
      },
    },
  );
  // It cannot be told to listen in a namespace, but takes connections of a listener that does.
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  world.listen(
    createServer((socket) => injector.injectConnection(socket)),
    port.grpc,
  );
  return server;
}

/** In the client's namespace, by a relay on loopback: grpc-js makes its own connections. */
function grpcClient(world: World): grpc.Client {
  return new grpc.Client(`unix:${relay(world)}`, grpc.credentials.createInsecure(), {
    "grpc.default_authority": "echo.test",
  });
}

function relay(world: World): string {
  const path = `${world.folder}/grpc.sock`;
  const server = createServer((socket) => {
    const upstream = world.connect(port.grpc);
    socket.pipe(upstream).pipe(socket);
    for (const end of [socket, upstream]) end.on("error", () => socket.destroy());
  });
  world.closeLater(server);
  server.listen(path);
  return path;
}
