import assert from "node:assert/strict";
import { test } from "node:test";
import { TestError } from "./error.ts";
import { formatPort, parsePort } from "./port.ts";

const rows: readonly (readonly [string | number, string])[] = [
  [80, "80/tcp"],
  ["80", "80/tcp"],
  ["53/UDP", "53/udp"],
  ["9999/sctp", "9999/sctp"],
  ["http", "http"],
  ["dns/udp", "dns/udp"],
  ["icmp", "icmp"],
  ["icmp/3", "icmp/3"],
  ["icmpv6", "icmpv6/128"],
  ["icmpv6/135", "icmpv6/135"],
];

for (const [given, expected] of rows) {
  test(`${JSON.stringify(given)} is the port ${expected}`, () => {
    assert.equal(formatPort(parsePort(given)), expected);
  });
}

for (const text of [
  "",
  "/tcp",
  "80/",
  "0",
  "65536",
  "80/tcp/x",
  "80/gre",
  "HTTP",
  "-1",
  "icmp/256",
]) {
  test(`"${text}" is no port`, () => {
    assert.throws(() => parsePort(text), TestError);
  });
}
