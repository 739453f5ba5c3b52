// TLS that is passed on, ended, and begun: names, certificates and authorities, all of them changed while it runs.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import http2 from "node:http2";
import https from "node:https";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import tls from "node:tls";
import type { SniRuleSet, TlsContext } from "@tsilium/policy/model.ts";
import { testAuthority, type TestAuthority } from "@tsilium/testkit/certificates.ts";
import { Runtime } from "./runtime.ts";
import { addresses, eventually, httpRules, noTls, type Said, World } from "./testing/world.ts";

const context = (name: string, more: Partial<TlsContext> = {}): TlsContext => ({
  secret: { namespace: "tls", name },
  trustedCa: undefined,
  certificate: undefined,
  privateKey: undefined,
  ...more,
});
const canary = "canary-4f1c0b0a0ed9";

/** A first message of TLS 1.2 that asks for a name, whatever is in it (RFC 5246, 7.4.1.2; RFC 6066, 3). */
function clientHello(name: string): Buffer {
  const sized = (bytes: number, ...parts: Uint8Array[]): Buffer => {
    const body = Buffer.concat(parts);
    const length = Buffer.alloc(bytes);
    length.writeUIntBE(body.length, 0, bytes);
    return Buffer.concat([length, body]);
  };
  const serverNames = sized(2, Buffer.from([0]), sized(2, Buffer.from(name, "latin1")));
  const extensions = sized(2, Buffer.from([0, 0]), sized(2, serverNames));
  const [version, random, session] = [Buffer.from([3, 3]), Buffer.alloc(32, 1), Buffer.from([0])];
  const suites = sized(2, Buffer.from([0xc0, 0x2f]));
  const methods = Buffer.from([1, 0]);
  const body = sized(3, version, random, session, suites, methods, extensions);
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(2, Buffer.from([1]), body)]);
}

suite("TLS through HAProxy", () => {
  let world: World;
  let authority: TestAuthority;
  let caFile: string;
  before(async () => {
    world = await World.make();
    authority = await testAuthority("tests");
    caFile = join(world.folder, "ca.pem");
    writeFileSync(caFile, authority.certificate);
    await world.apply([], true);
    world.http1(80);
    const { certificate: cert, privateKey: key } = await authority.issue([
      "a.example.com",
      "b.example.com",
    ]);
    world.listen(
      https.createServer({ cert, key }, (_, response) => response.end("over TLS")),
      443,
    );
  });
  after(() => world[Symbol.asyncDispose]());

  /** curl to a name at the server's address. */
  const ask = (name: string, port: number, path: string, ...more: string[]) =>
    world.curl(
      "--cacert",
      caFile,
      "--resolve",
      `${name}:${port}:${addresses.server[4]}`,
      ...more,
      `https://${name}:${port}${path}`,
    );

  test("server names of TLS that is passed on", async () => {
    await world.redirect(443, 10_512);
    const names = (...serverNames: string[]): SniRuleSet => ({
      kind: "sni",
      direction: "egress",
      audit: false,
      denyRule: 99,
      rules: serverNames.map((serverName, index) => ({ rule: index + 1, match: { serverName } })),
    });
    const reaches = async (name: string) => (await ask(name, 443, "/", "-k")) === "over TLS";
    await world.set(10_512, names("a.example.com", "*.wild.test", "**.deep.test", "pre*x.test"));
    const expected = {
      "a.example.com": true,
      "A.Example.COM": true,
      "b.example.com": false,
      "x.a.example.com": false,
      "aXexample.com": false,
      "one.wild.test": true,
      "one.two.wild.test": false,
      "wild.test": false,
      "one.two.deep.test": true,
      "deep.test": false,
      "prefix.test": true,
      "prex.test": true,
      "pre.x.test": false,
    };
    for (const [name, wanted] of Object.entries(expected))
      assert.equal(await reaches(name), wanted, name);
    // No name: by address.
    assert.match(await world.curl("-k", `https://${addresses.server[4]}/`), /^EXIT 35/);
    assert.equal(await world.raw(443, "GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n"), "");
    await world.set(10_512, names("b.example.com"));
    // The server answers a handshake that it can do nothing with, too.
    assert.notEqual(await world.raw(443, clientHello("b.example.com")), "");
    for (const name of ["b.example.com\0.bad", "b.example.com ", "bad\0b.example.com", ""])
      assert.equal(await world.raw(443, clientHello(name)), "", JSON.stringify(name));
    assert.deepEqual(
      [await reaches("a.example.com"), await reaches("b.example.com")],
      [false, true],
    );
    await world.set(10_512, names("*"));
    assert.equal(await world.curl("-k", `https://${addresses.server[4]}/`), "over TLS");
    await world.set(10_512, { ...names("other"), audit: true });
    assert.equal(await reaches("a.example.com"), true);
    await eventually(() =>
      world.records.some(
        ({ verdict, l7 }) =>
          verdict === "audit" && l7.kind === "http" && l7.url === "https://a.example.com",
      ),
    );
    assert.ok(
      world.records.some(
        ({ verdict, rule, l7 }) =>
          verdict === "denied" &&
          rule === 99 &&
          l7.kind === "http" &&
          l7.url === "https://b.example.com",
      ),
    );
    assert.ok(
      world.records.some(
        ({ verdict, rule, l7 }) =>
          verdict === "forwarded" &&
          rule === 3 &&
          l7.kind === "http" &&
          l7.url === "https://one.two.deep.test",
      ),
    );
  });

  test("TLS ends here: rules see requests, HTTP/1.1 and HTTP/2, and a new certificate holds from the next handshake on", async () => {
    await world.redirect(8443, 10_001);
    world.http1(8443, (request, response) => {
      const { address, port } = request.socket.address() as { address: string; port: number };
      response.end(
        JSON.stringify({
          url: request.url,
          client: { address: request.socket.remoteAddress },
          server: { address, port },
        }),
      );
    });
    const rules = httpRules([{ path: "/open" }], {
      tls: { ...noTls, terminating: context("server") },
    });
    // Without its secret nothing passes, and it is said why.
    const [problem] = await world.apply([{ port: 10_001, version: 1, ruleSet: rules }]);
    assert.match(problem?.reason ?? "", /tls\/server is not there/);
    assert.match(await ask("a.example.com", 8443, "/open"), /^EXIT/);
    const first = await authority.issue(["a.example.com"]);
    world.secrets.put("tls", "server", {
      "tls.crt": `text around\n\n${first.certificate}\n\n`,
      "tls.key": first.privateKey,
    });
    assert.deepEqual(await world.apply([{ port: 10_001, version: 2, ruleSet: rules }]), []);
    const said: Said = JSON.parse(await ask("a.example.com", 8443, "/open"));
    assert.equal(said.client.address, `::ffff:${addresses.client[4]}`);
    assert.match(await ask("a.example.com", 8443, "/closed"), /Access denied/);
    assert.match(await ask("b.example.com", 8443, "/open"), /^EXIT 60/);
    assert.match(await world.curl(`http://${addresses.server[4]}:8443/open`), /^EXIT/);

    // The other certificate, with another name, by the secret's change alone.
    const second = await authority.issue(["b.example.com"]);
    world.secrets.put("tls", "server", {
      "tls.crt": second.certificate,
      "tls.key": second.privateKey,
    });
    await world.apply([]);
    assert.match(await ask("b.example.com", 8443, "/open"), /"url":"\/open"/);
    assert.match(await ask("a.example.com", 8443, "/open"), /^EXIT 60/);

    const record = await eventually(() =>
      world.records.find(
        ({ port, l7 }) =>
          port === 10_001 && l7.kind === "http" && l7.url.startsWith("https://b.example.com"),
      ),
    );
    assert.equal(record.client.address, addresses.client[4]);
    assert.deepEqual(record.server, { address: addresses.server[4], port: 8443 });
  });

  test("HTTP/2 by ALPN: gRPC reaches its server in HTTP/2, all else in what every server speaks", async () => {
    await world.redirect(8444, 10_002);
    await world.redirect(8449, 10_008);
    world.http2(8444, (request, response) => response.end(`h${request.httpVersion}`));
    world.http1(8449);
    const leaf = await authority.issue(["a.example.com"]);
    world.secrets.put("tls", "h2", { "tls.crt": leaf.certificate, "tls.key": leaf.privateKey });
    const rules = httpRules([{ path: "/open" }], { tls: { ...noTls, terminating: context("h2") } });
    for (const listener of [10_002, 10_008]) await world.set(listener, rules);
    const type = ["-H", "Content-Type: application/grpc"];
    assert.equal(await ask("a.example.com", 8444, "/open", "--http2", ...type), "h2.0");
    assert.match(await ask("a.example.com", 8444, "/closed", "--http2"), /Access denied/);
    assert.match(await ask("a.example.com", 8449, "/open", "--http2"), /"version":"1.1"/);
  });

  test("server names of TLS that ends here", async () => {
    await world.redirect(8445, 10_003);
    world.http1(8445);
    const leaf = await authority.issue(["a.example.com", "b.example.com", "c.test"]);
    world.secrets.put("tls", "names", { "tls.crt": leaf.certificate, "tls.key": leaf.privateKey });
    await world.set(
      10_003,
      httpRules([{ path: "/open" }], {
        tls: { ...noTls, terminating: context("names") },
        serverNames: ["a.example.com", "*.test"],
      }),
    );
    assert.match(await ask("a.example.com", 8445, "/open"), /"url":"\/open"/);
    assert.match(await ask("c.test", 8445, "/open"), /"url":"\/open"/);
    assert.match(await ask("b.example.com", 8445, "/open"), /Access denied/);
    assert.match(await ask("a.example.com", 8445, "/closed"), /Access denied/);
    // The handshake's name counts, not the request's; and one without a name has none.
    assert.match(
      await ask("b.example.com", 8445, "/open", "-H", "Host: a.example.com"),
      /Access denied/,
    );
    assert.match(
      await world.curl("-k", `https://${addresses.server[4]}:8445/open`),
      /Access denied/,
    );
  });

  test("certificates asked of clients", async () => {
    await world.redirect(8446, 10_004);
    world.http1(8446);
    const leaf = await authority.issue(["a.example.com"]);
    world.secrets.put("tls", "mutual", {
      "tls.crt": leaf.certificate,
      "tls.key": leaf.privateKey,
      "clients.crt": authority.certificate,
    });
    await world.set(
      10_004,
      httpRules([{}], {
        tls: { ...noTls, terminating: context("mutual", { trustedCa: "clients.crt" }) },
      }),
    );
    const client = await authority.issue(["client"]);
    const files = { cert: join(world.folder, "client.pem"), key: join(world.folder, "client.key") };
    writeFileSync(files.cert, client.certificate);
    writeFileSync(files.key, client.privateKey);
    assert.match(
      await ask("a.example.com", 8446, "/", "--cert", files.cert, "--key", files.key),
      /"url":"\/"/,
    );
    assert.match(await ask("a.example.com", 8446, "/"), /^EXIT/);
    const stranger = await (await testAuthority("strangers")).issue(["client"]);
    writeFileSync(files.cert, stranger.certificate);
    writeFileSync(files.key, stranger.privateKey);
    assert.match(
      await ask("a.example.com", 8446, "/", "--cert", files.cert, "--key", files.key),
      /^EXIT/,
    );
  });

  test("TLS begins here: the server must have a certificate of the authority, for the name that was asked", async () => {
    const upstream = await authority.issue(["a.example.com"]);
    let asked: string | undefined;
    const seen = (socket: tls.TLSSocket) => (asked = String(socket.servername));
    const server = world.listen(
      http2.createSecureServer(
        { cert: upstream.certificate, key: upstream.privateKey, allowHTTP1: true },
        (request, response) => response.end(`${request.httpVersion} ${request.url}`),
      ),
      8447,
    );
    server.on("secureConnection", seen);
    await world.redirect(8447, 10_006);
    world.secrets.put("tls", "servers", { "ca.crt": authority.certificate });
    const rules = (secret: string) =>
      httpRules([{ path: "/open" }], { tls: { ...noTls, originating: context(secret) } });
    await world.set(10_006, rules("servers"));
    const url = `http://${addresses.server[4]}:8447`;
    const host = (name: string) => ["-H", `Host: ${name}`];
    assert.equal(await world.curl(...host("a.example.com"), `${url}/open`), "1.1 /open");
    assert.equal(asked, "a.example.com");
    assert.equal(
      await world.curl(...host("a.example.com"), "--http2-prior-knowledge", `${url}/open`),
      "2.0 /open",
    );
    assert.equal(await world.code(`${url}/closed`, ...host("a.example.com")), "403");
    // Another name than the certificate has, or an address: no server that could be believed.
    assert.equal(await world.code(`${url}/open`, ...host("b.example.com")), "503");
    assert.equal(await world.code(`${url}/open`), "503");
    // Another authority, in force from the next connection on.
    const other = await testAuthority("others");
    world.secrets.put("tls", "servers", { "ca.crt": other.certificate });
    await world.apply([]);
    assert.equal(await world.code(`${url}/open`, ...host("a.example.com")), "503");
    world.secrets.put("tls", "servers", { "ca.crt": authority.certificate });
    await world.apply([]);
    assert.equal(await world.code(`${url}/open`, ...host("a.example.com")), "200");
    // What nobody needs any more goes.
    for (let round = 0; round < 5; round++) {
      const next = await testAuthority(`round ${round}`);
      world.secrets.put("tls", "servers", { "ca.crt": next.certificate });
      await world.apply([]);
    }
    const runtime = new Runtime(join(world.folder, "proxy/haproxy-egress/run/runtime.sock"));
    const servers = await runtime.ask("show servers state r10006");
    assert.equal(servers.match(/ t[12][0-9a-f]{12} /g)?.length, 2, servers);
    const authorities = await runtime.ask("show ssl ca-file");
    assert.equal(authorities.match(/10006-/g)?.length, 1, authorities);
  });

  test("ended and begun again, with a certificate of ours for the server", async () => {
    const [leaf, upstream, ours] = await Promise.all([
      authority.issue(["a.example.com"]),
      authority.issue(["a.example.com"]),
      authority.issue(["proxy"]),
    ]);
    world.listen(
      https.createServer(
        {
          cert: upstream.certificate,
          key: upstream.privateKey,
          ca: authority.certificate,
          requestCert: true,
          rejectUnauthorized: true,
        },
        (request, response) =>
          response.end(String((request.socket as tls.TLSSocket).getPeerCertificate().subject.CN)),
      ),
      8448,
    );
    await world.redirect(8448, 10_007);
    world.secrets.put("tls", "in", { "tls.crt": leaf.certificate, "tls.key": leaf.privateKey });
    world.secrets.put("tls", "out", {
      "tls.crt": ours.certificate,
      "tls.key": ours.privateKey,
      "ca.crt": authority.certificate,
    });
    const both = httpRules([{ path: "/open" }], {
      tls: { terminating: context("in"), originating: context("out") },
    });
    await world.set(10_007, both);
    assert.equal(await ask("a.example.com", 8448, "/open"), "proxy");
    // Without it the server does not talk to us; nobody falls back to anything.
    world.secrets.put("tls", "out", { "ca.crt": authority.certificate });
    await world.apply([]);
    assert.notEqual(await ask("a.example.com", 8448, "/open"), "proxy");
  });

  test("header values from secrets: conditions, changes; what is told", async () => {
    await world.redirect(80, 10_010);
    const url = `http://${addresses.server[4]}`;
    const secret = { namespace: "ns", name: "token", key: "value" };
    const got = async (path: string, ...headers: string[]) => {
      const body = await world.curl(
        ...headers.flatMap((header) => ["-H", header]),
        `${url}${path}`,
      );
      return body.startsWith("{")
        ? (JSON.parse(body) as Said).rawHeaders.filter((_, at, all) =>
            (all[at - (at % 2)] ?? "").startsWith("x-"),
          )
        : body.trim();
    };
    const match = (
      name: string,
      mismatch: "deny" | "log" | "add" | "delete" | "replace",
      value?: string,
    ) => ({
      name,
      mismatch,
      value,
      secret: value === undefined ? secret : undefined,
    });
    const rules = httpRules([
      { path: "/deny", headers: [match("x-token", "deny")] },
      { path: "/add", headers: [match("x-token", "add")] },
      { path: "/replace", headers: [match("x-token", "replace")] },
      { path: "/delete", headers: [match("x-token", "delete", "keep me")] },
      { path: "/log", headers: [match("x-token", "log", "wanted")] },
    ]);
    await world.set(10_010, rules);
    assert.equal(await got("/deny", `X-Token: ${canary}`), "Access denied");
    // Without a value the others match and change nothing.
    assert.deepEqual(await got("/add"), []);
    world.secrets.put("ns", "token", { value: canary });
    await world.apply([]);
    assert.deepEqual(await got("/deny", `X-Token: ${canary}`), ["x-token", canary]);
    assert.equal(await got("/deny", `X-Token: ${canary}x`), "Access denied");
    assert.equal(await got("/deny", `X-Token: ${canary}`, `X-Token: ${canary}`), "Access denied");
    assert.deepEqual(await got("/add"), ["x-token", canary]);
    assert.deepEqual(await got("/add", "X-Token: mine"), ["x-token", "mine", "x-token", canary]);
    assert.deepEqual(await got("/add", `X-Token: ${canary}`), ["x-token", canary]);
    assert.deepEqual(await got("/replace", "X-Token: a", "X-Token: b"), ["x-token", canary]);
    assert.deepEqual(await got("/delete", "X-Token: a", "X-Token: b"), []);
    assert.deepEqual(await got("/delete", "X-Token: keep me"), ["x-token", "keep me"]);
    assert.deepEqual(await got("/log", "X-Token: other"), ["x-token", "other"]);
    const told = await eventually(() =>
      world.records.find(({ l7 }) => l7.kind === "http" && l7.url.endsWith("/log")),
    );
    assert.deepEqual(told.l7.kind === "http" && told.l7.headers, [{ key: "x-token", value: "" }]);
    // The client cannot have the next proxy drop what was added.
    assert.deepEqual(await got("/replace", "Connection: close, X-Token"), ["x-token", canary]);
    const raw = await world.curl("-H", "Connection: keep-alive, X-Token", `${url}/replace`);
    assert.doesNotMatch(raw, /"connection":"[^"]*token/i);
  });

  test("secrets are in no file, argument, status or record", async () => {
    const key = (await authority.issue(["a.example.com"])).privateKey;
    const lines = key.split("\n").filter((line) => line.length > 40);
    world.secrets.put("tls", "server", {
      "tls.crt": (await authority.issue(["x"])).certificate,
      "tls.key": key,
    });
    await world.apply([]);
    const files = readdirSync(join(world.folder, "proxy"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
    const { pid, ...status } = await world.engine.status();
    const places = [
      ...files,
      JSON.stringify(status),
      JSON.stringify(world.records),
      readFileSync(`/proc/${pid}/cmdline`, "latin1"),
      readFileSync(`/proc/${pid}/environ`, "latin1"),
    ];
    for (const text of places)
      for (const word of [canary, Buffer.from(canary).toString("hex"), ...lines])
        assert.ok(!text.includes(word), text.slice(0, 200));
    const { status: refused } = await world.node.exec("setpriv", [
      "--reuid",
      "65534",
      "--regid",
      "65534",
      "--clear-groups",
      "cat",
      ...readdirSync(join(world.folder, "proxy/haproxy-egress/maps"))
        .filter((name) => name.endsWith(".pem") && !name.endsWith(".ca.pem"))
        .map((name) => join(world.folder, "proxy/haproxy-egress/maps", name)),
    ]);
    assert.notEqual(refused, 0);
  });
});
