import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseSockaddr, sockaddrIn, sockaddrIn6, sockaddrNetlink, sockaddrUn } from "./sockaddr.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("socket addresses", () => {
  test("IPv4: family in host order, port and address in network order", () => {
    const bytes = sockaddrIn(new Uint8Array([10, 0, 0, 1]), 8080);
    assert.equal(hex(bytes), "02001f900a0000010000000000000000");
    assert.deepEqual(parseSockaddr(bytes), {
      family: "inet",
      address: new Uint8Array([10, 0, 0, 1]),
      port: 8080,
    });
  });

  test("IPv6 keeps the interface of link-local addresses", () => {
    const address = new Uint8Array(16).fill(0xfe, 0, 1);
    const bytes = sockaddrIn6(address, 53, 7);
    assert.equal(bytes.length, 28);
    assert.equal(bytes[24], 7);
    assert.deepEqual(parseSockaddr(bytes), { family: "inet6", address, port: 53 });
  });

  test("unix: file names end with a zero byte, abstract ones begin with it", () => {
    assert.equal(hex(sockaddrUn("/a")), "01002f6100");
    assert.equal(hex(sockaddrUn("@a")), "01000061");
    assert.deepEqual(parseSockaddr(sockaddrUn("@a")), { family: "unix", path: "@a" });
    assert.deepEqual(parseSockaddr(sockaddrUn("/a")), { family: "unix", path: "/a" });
  });

  test("a unix path that would not fit is refused", () => {
    assert.throws(() => sockaddrUn(`/${"x".repeat(107)}`), RangeError);
  });

  test("netlink", () => {
    assert.deepEqual(parseSockaddr(sockaddrNetlink(5, 9)), {
      family: "netlink",
      port: 5,
      groups: 9,
    });
  });

  test("bytes too short for their family are told apart, not misread", () => {
    assert.deepEqual(parseSockaddr(new Uint8Array([2, 0, 0, 80])), { family: "other", number: 2 });
    assert.deepEqual(parseSockaddr(new Uint8Array()), { family: "other", number: 0 });
  });
});
