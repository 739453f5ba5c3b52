import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, AddressError, Labels, Mac, Prefix } from "./index.ts";

test("addresses print in RFC 5952 form", () => {
  const rows: [string, string][] = [
    ["10.0.0.1", "10.0.0.1"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ];
  for (const [text, expected] of rows) assert.equal(Address.parse(text).toString(), expected);
});

test("text that is not an address is refused with address_invalid", () => {
  const rows = ["", "1.2.3", "01.2.3.4", "1.2.3.256", "1.2.3.4.5", " 1.2.3.4", "0x1.2.3.4"];
  rows.push(":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::12345", "g::");
  rows.push(
    "fe80::1%eth0",
    "[::1]",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:8::",
    ":1::",
    "1:::",
  );
  for (const text of rows)
    assert.throws(
      () => Address.parse(text),
      { name: "AddressError", code: "address_invalid" },
      text,
    );
});

test("adding walks through addresses and stops at the family's end", () => {
  assert.equal(`${Address.parse("10.0.0.255").add(1)}`, "10.0.1.0");
  assert.equal(`${Address.parse("fd00::").add(-1n)}`, "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  assert.throws(() => Address.parse("255.255.255.255").add(1), { code: "address_out_of_range" });
});

test("addresses sort by family and then numerically", () => {
  const sorted = ["::1", "10.0.0.2", "9.255.0.1", "fd00::"]
    .map(Address.parse)
    .sort((a, b) => a.compare(b));
  assert.equal(sorted.join(" "), "9.255.0.1 10.0.0.2 ::1 fd00::");
});

test("special ranges are recognised in both families", () => {
  assert.ok(Address.parse("127.8.8.8").isLoopback && Address.parse("::1").isLoopback);
  assert.ok(Address.parse("169.254.0.1").isLinkLocal && Address.parse("febf::1").isLinkLocal);
  assert.ok(!Address.parse("fec0::1").isLinkLocal && !Address.parse("::").isLoopback);
  assert.ok(Address.parse("239.1.2.3").isMulticast && Address.parse("ff02::1").isMulticast);
});

test("a prefix with host bits is refused, or masked when asked", () => {
  assert.throws(() => Prefix.parse("10.0.0.1/8"), { code: "prefix_host_bits" });
  assert.equal(`${Prefix.parse("10.1.2.3/9", { mask: true })}`, "10.0.0.0/9");
  assert.equal(`${Prefix.parse("2001:db8::1/65", { mask: true })}`, "2001:db8::/65");
});

test("text that is not a prefix is refused with prefix_invalid", () => {
  for (const text of [
    "10.0.0.0",
    "10.0.0.0/33",
    "::/129",
    "::/-1",
    "::/+1",
    "::/08",
    "::/8/9",
    "/8",
    "::/",
  ])
    assert.throws(() => Prefix.parse(text), { code: "prefix_invalid" }, text);
});

test("a prefix knows what lies inside", () => {
  const ten = Prefix.parse("10.128.0.0/9");
  assert.ok(
    ten.contains(Address.parse("10.255.0.1")) && !ten.contains(Address.parse("10.127.0.1")),
  );
  assert.ok(
    ten.contains(Prefix.parse("10.128.0.0/9")) && !ten.contains(Prefix.parse("10.0.0.0/8")),
  );
  assert.ok(!Prefix.parse("::/0").contains(Address.parse("1.2.3.4")), "never across families");
  assert.ok(Prefix.parse("10.0.0.0/8").overlaps(ten) && ten.overlaps(Prefix.parse("10.0.0.0/8")));
  assert.equal(ten.size, 1n << 23n);
  assert.equal(`${ten.first} ${ten.last} ${ten.nth(2)}`, "10.128.0.0 10.255.255.255 10.128.0.2");
  assert.throws(() => Prefix.parse("::1/128").nth(1), { code: "address_out_of_range" });
});

test("subnets are made lazily and in order", () => {
  assert.equal(
    [...Prefix.parse("10.0.0.0/22").subnets(24)].join(" "),
    "10.0.0.0/24 10.0.1.0/24 10.0.2.0/24 10.0.3.0/24",
  );
  const [first] = Prefix.parse("::/0").subnets(128);
  assert.equal(`${first}`, "::/128");
  assert.throws(() => [...Prefix.parse("10.0.0.0/24").subnets(16)], AddressError);
});

test("a MAC reads and prints, and a random one is local and unicast", () => {
  assert.equal(`${Mac.parse("0A-00-27-00-00-fe")}`, "0a:00:27:00:00:fe");
  assert.throws(() => Mac.parse("0a:00:27:00:00"), { code: "mac_invalid" });
  const random = Mac.random();
  assert.equal((random.bytes[0] as number) & 0x03, 0x02);
  assert.ok(random.equals(Mac.fromBytes(random.bytes)));
});

test("labels have one canonical text whatever their order", () => {
  const labels = Labels.parse(["k8s:b=2", "k8s:a=x=y", "reserved:host"]);
  assert.equal(labels.key, "k8s:a=x=y;k8s:b=2;reserved:host=;");
  assert.deepEqual(labels.toArray(), ["k8s:a=x=y", "k8s:b=2", "reserved:host"]);
  assert.ok(labels.equals(Labels.parse(["reserved:host=", "k8s:a=x=y", "k8s:b=2"])));
});

test("a label's source ends at the first colon, and a colon in the value is no source", () => {
  assert.deepEqual(
    [...Labels.parse(["k8s:io.x/y:z=1"])],
    [{ source: "k8s", key: "io.x/y:z", value: "1" }],
  );
  assert.deepEqual([...Labels.parse(["a=b:c"])], [{ source: "any", key: "a", value: "b:c" }]);
  assert.throws(() => Labels.parse(["k8s:=x"]), { code: "label_invalid" });
});

test("the same key from two sources is two labels", () => {
  const labels = Labels.fromRecord("k8s", { app: "web" }).with(Labels.parse(["custom:app=db"]));
  assert.equal(labels.size, 2);
  assert.equal(labels.get("app", "k8s"), "web");
  assert.equal(labels.get("app", "custom"), "db");
  assert.equal(labels.get("app", "other"), undefined);
  assert.equal(labels.with(Labels.parse(["k8s:app=new"])).get("app", "k8s"), "new");
  assert.equal(labels.filter(({ source }) => source === "k8s").key, "k8s:app=web;");
});
