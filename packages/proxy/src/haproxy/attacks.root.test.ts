// Ways around rules that worked elsewhere (../shared/security.md), each tried on the wire: refused, or made the same for
// rule and server; never passed around the rule.
import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import { createServer, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { addresses, eventually, httpRules, World } from "./testing/world.ts";

/** Every byte that servers got. */
let received = "";
const rules = httpRules([{ method: "GET|POST", path: "/open(/.*)?" }]);
const head = (line: string, ...headers: string[]) => `${[line, ...headers].join("\r\n")}\r\n\r\n`;

suite("attacks on HTTP rules", () => {
  let world: World;
  before(async () => {
    world = await World.make({ headersMs: 1_500 });
    world.listen(createServer(recordAndAnswer), 80);
    world.http2(81, (request, response) => {
      received += `${request.method} ${request.url} ${request.authority} ${request.headers.host}\n`;
      response.end("ok");
    });
    await world.redirect(80, 10_000);
    await world.redirect(81, 10_001);
    await world.apply([], true);
    await world.set(10_000, rules);
    await world.set(10_001, rules);
  });
  after(() => world[Symbol.asyncDispose]());

  const secret = head("GET /secret HTTP/1.1", "Host: h");

  const cases: readonly {
    readonly name: string;
    readonly bytes: string;
    readonly statuses: readonly RegExp[];
  }[] = [
    {
      name: "Content-Length and Transfer-Encoding (CL.TE): the length that the server sees is the chunks'",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Content-Length: 4", "Transfer-Encoding: chunked")}0\r\n\r\n${secret}`,
      statuses: [/200|400/, /403|400|^$/],
    },
    {
      name: "a body that looks like a request (TE.CL)",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "Content-Length: 3")}${secret.length.toString(16)}\r\n${secret}\r\n0\r\n\r\n`,
      statuses: [/200|400/],
    },
    {
      name: "Transfer-Encoding in disguise: \\x0bchunked",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Content-Length: 5", "Transfer-Encoding: \x0bchunked")}0\r\n\r\n${secret}`,
      statuses: [/400/],
    },
    {
      name: "Transfer-Encoding twice, the second unknown",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "Transfer-Encoding: identity")}0\r\n\r\n${secret}`,
      statuses: [/4\d\d/],
    },
    {
      name: "Transfer-Encoding that is not chunked",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Transfer-Encoding: gzip")}${secret}`,
      statuses: [/4\d\d/],
    },
    {
      name: "Transfer-Encoding gzip, chunked",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Transfer-Encoding: gzip, chunked")}0\r\n\r\n${secret}`,
      statuses: [/4\d\d/],
    },
    {
      name: "Transfer-Encoding in HTTP/1.0",
      bytes: `${head("POST /open HTTP/1.0", "Host: h", "Connection: keep-alive", "Content-Length: 5", "Transfer-Encoding: chunked")}0\r\n\r\n${secret}`,
      statuses: [/200|400/],
    },
    {
      name: "a blank before the colon",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Transfer-Encoding : chunked", "Content-Length: 5")}0\r\n\r\n${secret}`,
      statuses: [/400/],
    },
    {
      name: "Content-Length twice",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Content-Length: 0", `Content-Length: ${secret.length}`)}${secret}`,
      statuses: [/400/],
    },
    {
      name: "Content-Length as a list",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", `Content-Length: 0, ${secret.length}`)}${secret}`,
      statuses: [/400/],
    },
    {
      name: "Content-Length with a sign",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Content-Length: +0")}${secret}`,
      statuses: [/400/],
    },
    {
      name: "Content-Length that is empty",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Content-Length: ")}${secret}`,
      statuses: [/400/],
    },
    {
      name: "Content-Length that overflows",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Content-Length: 18446744073709551616")}${secret}`,
      statuses: [/400/],
    },
    {
      name: "a chunk size that is none",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Transfer-Encoding: chunked")}zz\r\n${secret}`,
      statuses: [/400|^$/],
    },
    {
      name: "a chunk size that overflows",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Transfer-Encoding: chunked")}10000000000000000\r\n${secret}`,
      statuses: [/400|^$/],
    },
    {
      name: "chunks that do not end in CRLF",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Transfer-Encoding: chunked")}1\r\nxy${secret}`,
      statuses: [/400|^$/],
    },
    {
      name: "a folded header line",
      bytes: head("GET /open HTTP/1.1", "Host: h", "X-A: b", " GET /secret HTTP/1.1"),
      statuses: [/200|400/],
    },
    {
      name: "two Hosts",
      bytes: head("GET /open HTTP/1.1", "Host: h", "Host: i"),
      statuses: [/400/],
    },
    { name: "no Host", bytes: head("GET /open HTTP/1.1"), statuses: [/400/] },
    {
      name: "an absolute target of another host",
      bytes: head("GET http://i/open HTTP/1.1", "Host: h"),
      statuses: [/400/],
    },
    {
      name: "a NUL in a header",
      bytes: head("GET /open HTTP/1.1", "Host: h", "X: a\0b"),
      statuses: [/400/],
    },
    {
      name: "a lone CR in a header",
      bytes: head("GET /open HTTP/1.1", "Host: h", "X: a\rGET /secret HTTP/1.1"),
      statuses: [/400|200/],
    },
    { name: "HTTP/0.9", bytes: "GET /open\r\n", statuses: [/400/] },
    {
      name: "a version that is none",
      bytes: head("GET /open HTTP/1.9", "Host: h"),
      statuses: [/400|505|200/],
    },
    {
      name: "another protocol's version",
      bytes: head("GET /open RTSP/1.0", "Host: h"),
      statuses: [/400/],
    },
    { name: "CONNECT", bytes: head("CONNECT h:80 HTTP/1.1", "Host: h:80"), statuses: [/400/] },
    { name: "TRACE", bytes: head("TRACE /open HTTP/1.1", "Host: h"), statuses: [/403/] },
    {
      name: "a method in another case",
      bytes: head("Get /open HTTP/1.1", "Host: h"),
      statuses: [/403/],
    },
    {
      name: "methods by header",
      bytes: head(
        "GET /secret HTTP/1.1",
        "Host: h",
        "X-Original-URL: /open",
        "X-HTTP-Method-Override: GET",
      ),
      statuses: [/403/],
    },
    {
      name: "pipelined",
      bytes:
        head("GET /open HTTP/1.1", "Host: h") + secret + head("GET /open/2 HTTP/1.1", "Host: h"),
      statuses: [/200/, /403/, /200/],
    },
    {
      name: "pipelined after a body",
      bytes: `${head("POST /open HTTP/1.1", "Host: h", "Content-Length: 3")}abc${secret}`,
      statuses: [/200/, /403/],
    },
    {
      name: "a denied request with a body that is a request",
      bytes: `${head("POST /closed HTTP/1.1", "Host: h", `Content-Length: ${secret.length}`)}${secret}`,
      statuses: [/403/],
    },
    {
      name: "a body of GET",
      bytes: `${head("GET /open HTTP/1.1", "Host: h", `Content-Length: ${secret.length}`)}${secret}`,
      statuses: [/200|4\d\d/],
    },
    {
      name: "Expect",
      bytes: `${head("POST /closed HTTP/1.1", "Host: h", "Expect: 100-continue", `Content-Length: ${secret.length}`)}${secret}`,
      statuses: [/403/],
    },
    {
      name: "headers that are too long",
      bytes: head("GET /open HTTP/1.1", "Host: h", `X: ${"x".repeat(70_000)}`),
      statuses: [/400|431/],
    },
    {
      name: "a target that is too long",
      bytes: head(`GET /open/${"x".repeat(70_000)} HTTP/1.1`, "Host: h"),
      statuses: [/400|414/],
    },
    {
      name: "too many headers",
      bytes: head(
        "GET /open HTTP/1.1",
        "Host: h",
        ...Array.from({ length: 300 }, (_, index) => `X-${index}: 1`),
      ),
      statuses: [/400|431/],
    },
    {
      name: "line ends without CR",
      bytes: "GET /open HTTP/1.1\nHost: h\n\nGET /secret HTTP/1.1\nHost: h\n\n",
      statuses: [/200|400/, /403|^$/],
    },
    ...[
      "/open/../secret",
      "/open/%2e%2e/secret",
      "/open/.%2E/secret",
      "/open//..//../secret",
      "/open/..;/secret",
      "/open/..%2fsecret",
      "/open/..%5csecret",
      "/open\\..\\secret",
      "/open/%252e%252e/secret",
      "/open/..%00/secret",
      "/secret#/open",
      "/open/%c0%ae%c0%ae/secret",
      "//h/secret",
      "/%6f%70en/../secret",
      "/SECRET",
      "/open/.;/../secret",
      "/open/x/../../secret?/open",
    ].map((path) => ({
      name: `path ${path}`,
      bytes: head(`GET ${path} HTTP/1.1`, "Host: h"),
      statuses: [/400|403/],
    })),
    {
      name: "HTTP/2's beginning, then HTTP/1",
      bytes: `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${secret}`,
      statuses: [],
    },
  ];
  for (const { name, bytes, statuses } of cases)
    test(name, async () => {
      received = "";
      const answer = await world.raw(80, Buffer.from(bytes, "latin1"), 120);
      const given = [...answer.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(
        ([, status]) => status ?? "",
      );
      statuses.forEach((wanted, index) =>
        assert.match(given[index] ?? "", wanted, `${answer}\n${received}`),
      );
      assert.ok(given.length <= Math.max(statuses.length, 1), answer);
      // What the server took for a request is one that the rules let through.
      for (const line of requestsOf(received)) assert.match(line, /^(?:GET|POST) \/open/, received);
    });

  test("a header that is sent slowly is cut off, and others are served meanwhile", async () => {
    const slow = world.connect(80);
    slow.on("error", () => undefined);
    slow.write("GET /open HTTP/1.1\r\nHost: h\r\nX: ");
    const dripping = setInterval(() => slow.write("x"), 200);
    const began = performance.now();
    assert.equal(await world.code(`http://${addresses.server[4]}/open`), "200");
    slow.resume();
    await once(slow, "close");
    clearInterval(dripping);
    const elapsedMs = performance.now() - began;
    assert.ok(elapsedMs > 1_200 && elapsedMs < 4_000, String(elapsedMs));
  });

  test("HTTP/2: an authority and a Host that differ; paths, methods and pseudo-headers that are none", async () => {
    const session = http2.connect(`http://${addresses.server[4]}:81`, {
      createConnection: () => world.connect(81),
    });
    session.on("error", () => undefined);
    const ask = async (headers: http2.OutgoingHttpHeaders) => {
      const stream = session.request(headers);
      stream.on("error", () => undefined);
      stream.resume();
      const answered = once(stream, "response").then(([answer]) => answer[":status"] as number);
      const closed = once(stream, "close").then(() => 0);
      return Promise.race([answered, closed]).catch(() => 0);
    };
    received = "";
    const refused: http2.OutgoingHttpHeaders[] = [
      { ":path": "/open/../secret" },
      { ":path": "/open/..%2fsecret" },
      { ":path": "/open /secret" },
      { ":path": "/open#/secret" },
      { ":path": "secret" },
      { ":path": "http://h/secret" },
      { ":path": "/open", ":method": "GET /secret HTTP/1.1" },
      { ":path": "/open", "transfer-encoding": "chunked" },
      { ":path": "/open", ":authority": "u@h" },
    ];
    for (const headers of refused) {
      const status = await ask({ ":authority": "h", ...headers }).catch(() => 0);
      assert.notEqual(status, 200, `${JSON.stringify(headers)} ${received}`);
    }
    assert.equal(received, "");
    // Of two hosts the authority counts, for rules and for the server.
    await world.set(10_001, httpRules([{ host: "h" }]));
    assert.equal(await ask({ ":path": "/open", ":authority": "i", host: "h" }), 403);
    assert.equal(await ask({ ":path": "/open", ":authority": "h", host: "i" }), 200);
    assert.match(received, /^GET \/open h (?:h|undefined)\n$/);
    received = "";
    await world.set(10_001, rules);
    assert.equal(await ask({ ":path": "/open/a", ":authority": "H:81" }), 200);
    assert.match(received, /^GET \/open\/a H:81 /i);
    session.destroy();
  });

  test("who connects to a listener himself gets nothing", async () => {
    for (const host of ["127.0.0.1", "[::1]"])
      assert.match(
        (await world.node.exec("curl", ["-sS", "-m", "2", "-g", `http://${host}:10000/open`]))
          .stderr,
        /reset|Empty reply|refused|Failed to connect/i,
      );
  });

  test("no request forges a record, and every request has one", async () => {
    const paths = [
      '/open/"quoted"',
      "/open/%0ah%2010000%2010.7.1.2%201%2010.7.2.2%2080%20a1",
      "/open/a'b",
      "/open/|s 10512",
      "/open/%22%5d",
    ];
    world.records.length = 0;
    for (const path of paths)
      await world.raw(80, head(`GET ${path} HTTP/1.1`, "Host: h", "Connection: close"), 500);
    await world.raw(80, head("GET /open HTTP/1.1", 'Host: h" a1 -- 200', "Connection: close"), 500);
    await world.raw(80, head("GET /last HTTP/1.1", "Host: h", "Connection: close"), 500);
    await eventually(() =>
      world.records.some(({ l7 }) => l7.kind === "http" && l7.url === "http://h/last"),
    );
    for (const { l7, port, client } of world.records) {
      assert.equal(port, 10_000);
      assert.equal(client.address, addresses.client[4]);
      assert.ok(l7.kind === "http" && !/[^ -~]/.test(l7.url + l7.method), JSON.stringify(l7));
    }
    assert.equal(world.lostLines, 0);
    assert.equal(world.records.filter(({ l7 }) => l7.type === 1).length, paths.length + 2);
  });
});

/** Request lines in what a server got, read as a server would that is told where bodies end. */
function requestsOf(text: string): string[] {
  const found: string[] = [];
  let rest = text;
  for (;;) {
    const [, line, headers = ""] = /^([^\r\n]+)\r\n([\s\S]*?)\r\n\r\n/.exec(`${rest}`) ?? [];
    if (line === undefined) return found;
    found.push(line);
    rest = rest.slice(line.length + 2 + headers.length + 4);
    if (/^transfer-encoding: *chunked/im.test(headers)) {
      const end = rest.indexOf("0\r\n\r\n");
      rest = end < 0 ? "" : rest.slice(end + 5);
    } else rest = rest.slice(Number(/^content-length: *(\d+)/im.exec(headers)?.[1] ?? 0));
  }
}

/** A server that answers whatever comes, and keeps the connection. */
function recordAndAnswer(socket: Socket): void {
  let pending = "";
  socket.setEncoding("latin1");
  socket.on("error", () => undefined);
  socket.on("data", (chunk: string) => {
    received += chunk;
    pending += chunk;
    for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
      pending = pending.slice(end + 4);
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
}
