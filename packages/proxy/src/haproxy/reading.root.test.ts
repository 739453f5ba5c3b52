// How HAProxy reads requests, against the pure matcher that explains policies (packages/policy/src/l7): they must agree
// about every request, whatever is in it.
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { decideHttp } from "@tsilium/policy";
import { type Random, seeded } from "@tsilium/testkit";
import { httpRules, World } from "./testing/world.ts";

type Request = {
  readonly version: string;
  readonly method: string;
  readonly target: string;
  readonly host: string | undefined;
  readonly headers: readonly (readonly [string, string])[];
};

const rules = httpRules([
  { method: "GET", path: "/public(/.*)?" },
  { method: "GET|POST", path: "/a.*", host: "h(\\.example)?" },
  { method: "PURGE", host: "other:8080" },
  { path: ".*\\?x=1" },
  { method: "OPTIONS", path: "\\*" },
  { host: "", path: "/v0" },
  {
    path: "/head/.*",
    headers: [
      { name: "x-token", value: "s3cret", secret: undefined, mismatch: "deny" },
      { name: "x-here", value: undefined, secret: undefined, mismatch: "deny" },
    ],
  },
]);

const pieces = {
  target:
    "/ / / // a b public head . .. ... %2e %2E %2f %2F %5c \\ ; ..; .; : %41 %7e %25 %252e %00 %7F %c0 %E0%80 %E2%82 ? ?x=1 & = # % %z %3b %3B ~ * @ ! $ ' ( ) + , \" < > [ ] ^ ` { | } \u00e9 \u0001".split(
      " ",
    ),
  start: [
    "/",
    "/",
    "/",
    "/public",
    "/public/",
    "/a",
    "/head/",
    "http://h",
    "http://h/",
    "HTTP://h/a",
    "http://other:8080/",
    "https://h:80/a",
    "",
    "*",
    "//",
    "/v0",
  ],
  method: ["GET", "GET", "GET", "POST", "get", "PURGE", "OPTIONS", "TRACE", "CONNECT", "G@T", "X!"],
  host: [
    "h",
    "h",
    "h.example",
    "H.Example",
    "h:80",
    "h:0080",
    "h:8080",
    "other:8080",
    "[fd07::1]",
    "[FD07::1]:80",
    "h h",
    "u@h",
    "h/",
    "h?",
    "",
    undefined,
    "x_y.z",
    "h:",
    "h:123456",
  ],
  headers: [
    ["X-Token", "s3cret"],
    ["x-token", " s3cret "],
    ["X-Token", "S3cret"],
    ["x-here", ""],
    ["X-Here", "1"],
    ["x-token", "s3cret, s3cret"],
  ],
} as const;

/**
 * A request of the same connection before it, or none: HAProxy reads the next one in a shorter way when it is for the same
 * host.
 */
const openings = ["h", "h:80", "h:8080", "h.example", "other:8080", "H.Example", "x_y.z"];
const openingLine = "GET /public HTTP/1.1";

function openingOf(random: Random, { host }: Request): string {
  if (random.chance(0.3)) return "";
  const same = host !== undefined && openings.includes(host) && random.chance(0.7);
  return `${openingLine}\r\nHost: ${same ? host : random.pick(openings)}\r\n\r\n`;
}

function requestOf(random: Random): Request {
  const several = (most: number) => Array.from({ length: random.below(most) });
  const start = random.pick(pieces.start);
  const target =
    start +
    several(5)
      .map(() => random.pick(pieces.target))
      .join("");
  const headers = several(4).map(() => random.pick(pieces.headers));
  const [method, host] = [random.pick(pieces.method), random.pick(pieces.host)];
  const version = random.chance(0.2) ? "1.0" : "1.1";
  return { version, method, target: target || "/", host, headers };
}

suite("HAProxy reads requests as explain does", () => {
  let world: World;
  before(async () => {
    world = await World.make();
    world.listen(createServer(answerWithRequestLine), 80);
    await world.redirect(80, 10_000);
    await world.apply([], true);
    await world.set(10_000, rules);
  });
  after(() => world[Symbol.asyncDispose]());

  test("random requests", async () => {
    const counts: Record<string, number> = {};
    const runs = Number(process.env["TSILIUM_FUZZ_RUNS"] ?? 600);
    const first = Number(process.env["TSILIUM_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    for (let seed = first; seed < first + runs; seed++) {
      const random = seeded(seed);
      const request = requestOf(random);
      const lines = [
        `${request.method} ${request.target} HTTP/${request.version}`,
        ...(request.host === undefined ? [] : [`Host: ${request.host}`]),
        ...request.headers.map(([name, value]) => `${name}: ${value}`),
        "Connection: close",
      ];
      const opening = openingOf(random, request);
      const both = await world.raw(
        80,
        Buffer.from(`${opening}${lines.join("\r\n")}\r\n\r\n`, "latin1"),
        2_000,
      );
      // The server's answer to a request is its first line.
      const at = opening === "" ? 0 : both.indexOf(`\r\n\r\n${openingLine}`);
      assert.ok(at >= 0, `TSILIUM_FUZZ_SEED=${seed} ${opening}: ${both.slice(0, 300)}`);
      const answer = opening === "" ? both : both.slice(at + 4 + openingLine.length);
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
      const { host, version, ...rest } = request;
      const missing = host === undefined;
      const decision = decideHttp(rules, { ...rest, ...(missing ? {} : { host }), port: 80 });
      const what = `TSILIUM_FUZZ_SEED=${seed} ${JSON.stringify({ opening, ...request })} -> ${status} ${answer.slice(-300)}; explain: ${JSON.stringify(decision)}`;
      counts[status] = (counts[status] ?? 0) + 1;
      // A Host is HTTP/1.1's to have; the matcher is not told the version.
      if (missing && version === "1.1") {
        assert.equal(status, 400, what);
        continue;
      }
      // HAProxy compares an absolute target's authority with the Host as text: "h" and "h:80" are two.
      if (status === 400 && /^https?:/i.test(request.target)) continue;
      // And it takes an empty port away before anybody sees it.
      if (/^https?:\/\/[^/?]*:(?:[/?]|$)/i.test(request.target)) continue;
      assert.equal(status, decision.status, what);
      if (status !== 200) continue;
      const [, seen = ""] = /\r\n\r\n(.*)$/s.exec(answer) ?? [];
      assert.equal(seen, `${request.method} ${decision.target} HTTP/${version}`, what);
    }
    for (const status of [200, 400, 403])
      assert.ok((counts[status] ?? 0) > 3, JSON.stringify(counts));
  });
});

/** (A server that knows HTTP would refuse some of these.) */
function answerWithRequestLine(socket: Socket): void {
  let text = "";
  socket.setEncoding("latin1");
  socket.on("error", () => undefined);
  socket.on("data", (chunk: string) => {
    text += chunk;
    for (let end; (end = text.indexOf("\r\n\r\n")) >= 0; text = text.slice(end + 4)) {
      const [line = ""] = text.split("\r\n");
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${line.length}\r\n\r\n${line}`);
    }
  });
}
