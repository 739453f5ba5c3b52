import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { addresses, eventually, httpRules, type Said, World } from "./testing/world.ts";

const url = `http://${addresses.server[4]}`;
const url6 = `http://[${addresses.server[6]}]`;

suite("HTTP through HAProxy", () => {
  let world: World;
  before(async () => {
    world = await World.make();
    world.http1(80);
    world.http2(81);
    await world.redirect(80, 10_000);
    await world.redirect(81, 10_001);
    await world.apply([], true);
  });
  after(() => world[Symbol.asyncDispose]());

  test("a listener without rules lets nothing through", async () => {
    assert.equal(
      await world.curl("-i", `${url}/`),
      [
        "HTTP/1.1 403 Forbidden",
        "content-length: 15",
        "content-type: text/plain",
        "",
        "Access denied\r\n",
      ].join("\r\n"),
    );
  });

  test("method, path and host, from both families, in every version", async () => {
    const rules = httpRules([
      { method: "GET", path: "/public(/.*)?" },
      { method: "PUT|POST", path: "/store/[0-9]+" },
      { host: "(.*\\.)?example\\.com", path: "/any.*" },
    ]);
    await world.set(10_000, rules);
    await world.set(10_001, rules);
    const cases: [string, string[], string][] = [
      ["200", [], "/public"],
      ["200", [], "/public/a"],
      ["403", [], "/publica"],
      ["403", [], "/Public"],
      ["403", ["-X", "POST"], "/public"],
      ["403", ["-X", "get"], "/public"],
      ["200", ["-X", "POST", "-d", "x"], "/store/17"],
      ["200", ["-X", "PUT", "-d", "x"], "/store/17"],
      ["403", ["-X", "PUTS", "-d", "x"], "/store/17"],
      ["403", ["-X", "PUT", "-d", "x"], "/store/17/"],
      ["200", ["-H", "Host: a.Example.com"], "/anything"],
      ["200", ["-H", "Host: example.com:80"], "/anything"],
      ["403", ["-H", "Host: example.com:8080"], "/anything"],
      ["403", ["-H", "Host: badexample.com"], "/anything"],
      ["403", [], "/anything"],
    ];
    const versions: [number, string, string][] = [
      [80, url, "-0"],
      [80, url, "--http1.1"],
      [81, url, "--http2-prior-knowledge"],
      [80, url6, "--http1.1"],
      [81, url6, "--http2-prior-knowledge"],
    ];
    for (const [port, base, version] of versions) {
      for (const [wanted, args, path] of cases) {
        const own = args.map((arg) => arg.replace(/:80$/, `:${port}`));
        const code = await world.code(`${base}:${port}${path}`, version, ...own);
        assert.equal(code, wanted, [version, base, ...own, path].join(" "));
      }
    }
  });

  test("the server sees the client's address, and the client the server's", async () => {
    for (const family of [4, 6] as const) {
      const said: Said = JSON.parse(
        await world.curl(
          `${family === 4 ? url : url6}/public`,
          "--interface",
          addresses.otherClient[family],
        ),
      );
      assert.equal(said.client.address, addresses.otherClient[family]);
    }
  });

  test("HTTP/1.0 without a Host has the host that is empty", async () => {
    const ask = () => world.raw(80, "GET /x/../bare HTTP/1.0\r\n\r\n");
    await world.set(10_000, httpRules([{ host: "-" }, { host: "80" }]));
    assert.match(await ask(), /^HTTP\/1\.[01] 403 /);
    await world.set(10_000, httpRules([{ host: "", path: "/bare" }]));
    assert.match(await ask(), /^HTTP\/1\.[01] 200 /);
    await eventually(() =>
      world.records.some(({ l7 }) => l7.kind === "http" && l7.url === "/bare"),
    );
    await world.set(10_000, httpRules([{ method: "GET", path: "/public(/.*)?" }]));
  });

  test("records tell of requests and answers", async () => {
    await world.curl(`${url}/public/marked`);
    await world.curl(`${url}/denied/marked`);
    const about = (path: string) =>
      world.records.filter(({ l7 }) => l7.kind === "http" && l7.url.endsWith(path));
    const [request, response] = await eventually(
      () => about("/public/marked").length === 2 && about("/public/marked"),
    );
    assert.deepEqual(
      { ...request, timeNs: 0, client: request?.client.address },
      {
        timeNs: 0,
        port: 10_000,
        direction: "egress",
        protocol: 6,
        client: addresses.client[4],
        server: { address: addresses.server[4], port: 80 },
        rule: 1,
        verdict: "forwarded",
        l7: {
          kind: "http",
          type: 1,
          latencyNs: 0,
          code: 0,
          method: "GET",
          url: `${url}/public/marked`,
          protocol: "HTTP/1.1",
          headers: [],
        },
      },
    );
    assert.equal(response?.l7.type, 2);
    assert.ok(response?.l7.kind === "http" && response.l7.code === 200);
    assert.ok(Math.abs(Number(BigInt(request?.timeNs ?? 0) / 1_000_000n) - Date.now()) < 60_000);
    const told = await eventually(
      () => about("/denied/marked").length > 1 && about("/denied/marked"),
    );
    assert.deepEqual(
      told.map(({ verdict, rule, l7 }) => [verdict, rule, l7.kind === "http" && l7.code]),
      [
        ["denied", 99, 403],
        ["forwarded", 0, 403],
      ],
    );
  });

  test("an audited rule set lets through and tells", async () => {
    await world.set(10_000, httpRules([{ path: "/a" }], { audit: true }));
    assert.equal(await world.code(`${url}/audited`), "200");
    const record = await eventually(() =>
      world.records.find(({ l7 }) => l7.kind === "http" && l7.url.endsWith("/audited")),
    );
    assert.deepEqual([record.verdict, record.rule], ["audit", 99]);
  });

  test("status names version, process and listeners", async () => {
    const status = await world.engine.status();
    assert.match(status.engine, /^haproxy 2\.\d+\.\d+$/);
    assert.ok(status.pid > 1);
    assert.deepEqual(
      status.listeners.map(({ port, kind }) => [port, kind]),
      [
        [10_000, "http"],
        [10_001, "http"],
      ],
    );
    assert.equal(world.lostLines, 0);
  });
});
