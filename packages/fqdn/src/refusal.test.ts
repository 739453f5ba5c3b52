import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import type { RefusalReason } from "./model.ts";
import { refusalOf, unmapped } from "./refusal.ts";

const cluster = new Map<string, RefusalReason>([
  ["172.18.0.2", "address of a node"],
  ["fc00:18::2", "address of a node"],
  ["192.0.2.6", "address of the API server"],
  ["10.244.1.9", "pod address"],
  ["10.96.0.1", "service address"],
]);
const refused = (text: string) =>
  refusalOf(Address.parse(text), (address) => cluster.get(address.toString())) ?? "allowed";

const rows: readonly (readonly [address: string, verdict: string])[] = [
  ["203.0.113.10", "allowed"],
  ["2001:db8:113::10", "allowed"],
  // Networks of an organisation are what names are used for, too.
  ["10.1.2.3", "allowed"],
  ["192.168.0.1", "allowed"],
  ["100.64.0.1", "allowed"],
  ["fd12::1", "allowed"],
  ["240.0.0.1", "allowed"],
  ["0.0.0.0", "unspecified"],
  ["0.1.2.3", "unspecified"],
  ["::", "unspecified"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["::1", "loopback"],
  ["169.254.0.1", "link-local"],
  ["169.254.169.254", "link-local"],
  ["fe80::1", "link-local"],
  ["febf::1", "link-local"],
  ["fec0::1", "allowed"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.255", "multicast"],
  ["ff02::1", "multicast"],
  ["255.255.255.255", "broadcast"],
  ["fd00:ec2::254", "cloud metadata"],
  ["fd20:ce::254", "cloud metadata"],
  ["100.100.100.200", "cloud metadata"],
  ["168.63.129.16", "cloud metadata"],
  ["192.0.0.192", "cloud metadata"],
  ["::7f00:1", "IPv4 in IPv6"],
  ["::cb00:710a", "IPv4 in IPv6"],
  ["172.18.0.2", "address of a node"],
  ["fc00:18::2", "address of a node"],
  ["192.0.2.6", "address of the API server"],
  ["10.244.1.9", "pod address"],
  ["10.96.0.1", "service address"],
  // Mapped ones are IPv4.
  ["::ffff:203.0.113.10", "allowed"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:0.0.0.0", "unspecified"],
  ["::ffff:169.254.169.254", "link-local"],
  ["::ffff:224.0.0.1", "multicast"],
  ["::ffff:255.255.255.255", "broadcast"],
  ["::ffff:168.63.129.16", "cloud metadata"],
  ["::ffff:172.18.0.2", "address of a node"],
  ["::ffff:192.0.2.6", "address of the API server"],
  ["::ffff:10.244.1.9", "pod address"],
  ["::ffff:10.96.0.1", "service address"],
  // What gateways take out of them.
  ["64:ff9b::203.0.113.10", "allowed"],
  ["64:ff9b::127.0.0.1", "IPv4 in IPv6"],
  ["64:ff9b::169.254.169.254", "IPv4 in IPv6"],
  ["64:ff9b::172.18.0.2", "IPv4 in IPv6"],
  ["64:ff9b:1::203.0.113.10", "allowed"],
  ["64:ff9b:1:7:8::169.254.169.254", "IPv4 in IPv6"],
  ["64:ff9b:1::172.18.0.2", "IPv4 in IPv6"],
  ["::ffff:0:203.0.113.10", "allowed"],
  ["::ffff:0:169.254.169.254", "IPv4 in IPv6"],
  ["2002:7f00:1::1", "IPv4 in IPv6"],
  ["2002:cb00:710a::1", "allowed"],
];

for (const [address, verdict] of rows)
  test(`as a name's address ${address} is ${verdict === "allowed" ? "" : "refused: "}${verdict}`, () =>
    assert.equal(refused(address), verdict));

test("a mapped address is the IPv4 address, any other stays itself", () => {
  const shown = ["::ffff:203.0.113.10", "203.0.113.10", "2001:db8::1"].map((text) =>
    unmapped(Address.parse(text)).toString(),
  );
  assert.deepEqual(shown, ["203.0.113.10", "203.0.113.10", "2001:db8::1"]);
});
