import assert from "node:assert/strict";
import { test } from "node:test";
import { findPort } from "./ports.ts";

const named = [
  { name: "http", protocol: 6, port: 8080 },
  { name: "dns", protocol: 17, port: 53 },
  { name: "dns", protocol: 6, port: 5353 },
];

const rows: readonly (readonly [string, string])[] = [
  ["80", "6 80"],
  ["80/tcp", "6 80"],
  ["53/UDP", "17 53"],
  ["9/sctp", "132 9"],
  ["http", "6 8080"],
  ["dns/tcp", "6 5353"],
  ["dns", "17 53"],
  ["icmp", "1 8 IPv4"],
  ["icmp/3", "1 3 IPv4"],
  ["icmpv6", "58 128 IPv6"],
];
for (const [text, expected] of rows) {
  test(`"${text}" is ${expected}`, () => {
    const found = findPort(text, named);
    assert.ok(typeof found !== "string", String(found));
    const family = found.family === undefined ? "" : ` IPv${found.family}`;
    assert.equal(`${found.protocol} ${found.port}${family}`, expected);
  });
}

const wrong: readonly (readonly [string, RegExp])[] = [
  ["", /"" is no port/],
  ["80/", /is no port/],
  ["80/quic", /is no port/],
  ["65536", /is no port/],
  ["icmp/256", /is no port/],
  ["1/2/3", /is no port/],
  ["metrics", /no port of the name "metrics"; it has http, dns, dns/],
];
for (const [text, expected] of wrong) {
  test(`"${text}" is refused with a hint`, () =>
    assert.match(String(findPort(text, named)), expected));
}
