import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { recordsOf } from "./access-log.ts";

const line = (fields: Partial<Record<string, string>> = {}) => {
  const all = {
    kind: "h",
    port: "10000",
    ends: "10.7.1.2 50030 fd07:2::2 80",
    verdict: "a5",
    state: "--",
    status: "200",
    times: "1795701025587115 1795701025600363",
    about: "-",
    subject: "GET h.example /a?b=c",
    ...fields,
  };
  return Object.values(all).join(" ");
};
const summary = (text: string) =>
  recordsOf(text, "egress")?.map(({ verdict, rule, l7 }) =>
    l7.kind === "http"
      ? `${verdict} ${rule} ${l7.type} ${l7.code} ${l7.protocol} ${l7.method} ${l7.url}`
      : "",
  );

test("lines of requests, of what became of them", () => {
  const rows: [string, string[]][] = [
    [
      line(),
      [
        "forwarded 5 1 0 HTTP/1.1 GET http://h.example/a?b=c",
        "forwarded 5 2 200 HTTP/1.1 GET http://h.example/a?b=c",
      ],
    ],
    [
      line({ verdict: "d9", state: "PR", status: "-" }),
      [
        "denied 9 1 403 HTTP/1.1 GET http://h.example/a?b=c",
        "forwarded 0 2 403 HTTP/1.1 GET http://h.example/a?b=c",
      ],
    ],
    [
      line({
        kind: "t",
        ends: "10.7.1.2 1 10.7.2.2 443",
        verdict: "U9:0123456789ab:",
        times: "1 2",
        about: "2.0",
      }),
      [
        "audit 9 1 0 HTTP/2 GET https://h.example/a?b=c",
        "audit 9 2 200 HTTP/2 GET https://h.example/a?b=c",
      ],
    ],
    [
      line({ verdict: "b3,m1x0,12", subject: "GET h /x ;m1x0=01; name.test" }),
      ["forwarded 3 1 0 HTTP/1.1 GET http://h/x", "forwarded 3 2 200 HTTP/1.1 GET http://h/x"],
    ],
    [
      line({ state: "SC", status: "-" }),
      [
        "forwarded 5 1 0 HTTP/1.1 GET http://h.example/a?b=c",
        "error 5 2 503 HTTP/1.1 GET http://h.example/a?b=c",
      ],
    ],
    // Refused before rules were asked, as it came; by HAProxy itself; nothing was asked at all.
    [
      line({
        verdict: "-",
        state: "LR",
        about: `1.1::${Buffer.from("GET h /a/..%2f\x1b[31m b").toString("hex")}`,
        subject: "-",
      }),
      [
        "denied 0 1 400 HTTP/1.1 GET http://h/a/..%2f?[31m b",
        "forwarded 0 2 400 HTTP/1.1 GET http://h/a/..%2f?[31m b",
      ],
    ],
    // A port that is not the scheme's is shown; a handshake without a name, by the address.
    [
      line({ ends: "10.7.1.2 1 10.7.2.2 8080", verdict: "d9" }),
      [
        "denied 9 1 403 HTTP/1.1 GET http://h.example:8080/a?b=c",
        "forwarded 0 2 403 HTTP/1.1 GET http://h.example:8080/a?b=c",
      ],
    ],
    [
      line({ kind: "s", verdict: "d9", times: "3 4", subject: "." }),
      ["denied 9 1 0 TLS  https://[fd07:2::2]"],
    ],
    [line({ verdict: "-", state: "PR", times: "- 3", subject: "-" }), ["denied 0 1 400   "]],
    [line({ verdict: "-", state: "CR", times: "- 3", subject: "-" }), []],
    [
      line({ kind: "s", times: "3 4", subject: ".name.test" }),
      ["forwarded 5 1 0 TLS  https://name.test"],
    ],
  ];
  for (const [text, wanted] of rows) assert.deepEqual(summary(text), wanted, text);
});

test("what is no line is none", () => {
  for (const text of [
    "",
    "h",
    "GET h /a",
    line({ kind: "x" }),
    line({ port: "1e4" }),
    line({ ends: "10.7.1.2 1 evil 80" }),
    line({ verdict: "z5" }),
    line({ verdict: "a" }),
    line({ state: "-" }),
    line({ subject: "GET h /\x1b[31m" }),
    line({ subject: "GET h /\u00e9" }),
    line().slice(20),
    line().split(" ").slice(0, 11).join(" "),
  ])
    assert.equal(recordsOf(text, "egress"), undefined, text);
});

test("lines that were damaged are dropped or read, and nothing else comes of them", () => {
  repeat({ runs: 3_000 }, (random) => {
    const bytes = Buffer.from(line({ subject: "GET h /some/path?x=1" }), "latin1");
    for (let hits = 0; hits < 3; hits++) bytes[random.below(bytes.length)] = random.below(256);
    const cut = bytes.toString("latin1").slice(0, random.chance(0.3) ? random.below(200) : 500);
    for (const { l7, port, timeNs, client } of recordsOf(cut, "egress") ?? []) {
      assert.ok(l7.kind === "http" && !/[^ -~]/.test(l7.method + l7.url + l7.protocol));
      assert.ok(Number.isInteger(port) && Number.isInteger(client.port) && BigInt(timeNs) >= 0n);
    }
  });
});
