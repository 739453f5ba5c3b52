import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Endpoints, StateFiles } from "@tsilium/endpoint";
import { type Identity, ReservedIdentity } from "@tsilium/identity/model.ts";
import { Ipcache } from "@tsilium/ipcache";
import { Address, Labels, Prefix } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askedEnds, findEnd, type FoundEnd } from "./ends.ts";
import { NamedPorts } from "./inputs/index.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-ends-"));
after(() => rmSync(folder, { recursive: true }));

/** shop/web is here with subject 7; shop/cart is on another node; the API server is outside. */
function whereabouts() {
  const endpoints = new Endpoints(new StateFiles(mkdtempSync(join(folder, "state-"))));
  const { id } = endpoints.create({
    attachment: { containerId: "c", ifName: "eth0" },
    netns: "/n",
    network: "tsilium",
    ipv4: Address.parse("10.244.0.7"),
    ipv6: Address.parse("fd00::7"),
    namespace: "shop",
    podName: "web",
    podUid: "u",
    identity: 300,
    labels: Labels.empty,
  });
  endpoints.change(id, {
    policy: { subject: 7, identity: 300, ingress: "enforcing", egress: "disabled" },
  });
  const ipcache = new Ipcache();
  const claim = (text: string, identity: number, podName?: string) =>
    ipcache.claim({
      prefix: Prefix.parse(text),
      source: "custom-resource",
      owner: text,
      identity,
      hostIp: undefined,
      ...(podName === undefined ? {} : { namespace: "shop", podName }),
    });
  claim("10.244.1.8/32", 301, "cart");
  claim("fd00::8/128", 301, "cart");
  claim("203.0.113.1/32", 16_777_217);
  const identities = new Table<Identity>({
    name: "identities",
    key: ({ id: number }) => String(number),
  });
  const labels = Labels.parse(["reserved:kube-apiserver", "reserved:world-ipv4"]);
  identities.upsert({ id: 16_777_217, labels, reserved: false });
  const namedPorts = new NamedPorts();
  namedPorts.set("web", 300, [{ name: "http", protocol: 6, port: 80 }]);
  claim("198.51.100.1/32", 16_777_300);
  claim("2001:db8::1/128", 16_777_301);
  const known = ["198.51.100.1", "198.51.100.9", "2001:db8::1"].map((text) => Address.parse(text));
  const names = { addressesOf: (name: string) => (name === "api.example.com" ? known : []) };
  return { endpoints: endpoints.table, ipcache, identities, namedPorts, names, dualStack: true };
}

function textOf(found: FoundEnd | string): string {
  if (typeof found === "string") return found;
  const { name, identity, addresses, subject } = found;
  return `${name}: ${identity} at ${addresses.join(" ") || "no address"}${subject === undefined ? "" : `, subject ${subject}`}`;
}

const { world, host } = { world: ReservedIdentity["world-ipv4"], host: ReservedIdentity.host };
const rows: readonly (readonly [string, string])[] = [
  ["shop/web", "shop/web: 300 at 10.244.0.7 fd00::7, subject 7"],
  ["10.244.0.7", "shop/web: 300 at 10.244.0.7, subject 7"],
  ["shop/cart", "shop/cart: 301 at 10.244.1.8 fd00::8"],
  ["fd00::8", "shop/cart: 301 at fd00::8"],
  ["192.0.2.1", `192.0.2.1: ${world} at 192.0.2.1`],
  ["api.example.com", "api.example.com: 16777300 at 198.51.100.1"],
  ["world", `world: ${world} at no address`],
  ["host", `host: ${host} at no address`],
  ["kube-apiserver", "kube-apiserver: 16777217 at 203.0.113.1"],
];
for (const [text, expected] of rows) {
  test(`"${text}" is found`, () => assert.equal(textOf(findEnd(text, whereabouts())), expected));
}

test("a name that nobody looked up is not guessed at", () => {
  const ofIpv6 = textOf(findEnd("api.example.com", whereabouts(), 6));
  assert.equal(ofIpv6, "api.example.com: 16777301 at 2001:db8::1");
  assert.match(
    String(findEnd("www.example.com", whereabouts())),
    /told an address of www\.example\.com/,
  );
});

test("a pod that nobody has leads to those of its name or namespace", () => {
  assert.match(
    String(findEnd("other/cart", whereabouts())),
    /no pod other\/cart .*there are shop\/cart/,
  );
  assert.match(
    String(findEnd("nobody", whereabouts())),
    /wanted NAMESPACE\/POD, an address, a DNS name, or one of host, world/,
  );
});

test("both ends are asked about at addresses of one family", () => {
  const found = (text: string) => findEnd(text, whereabouts()) as FoundEnd;
  const addresses = (from: string, to: string, family?: 4 | 6) => {
    const ends = askedEnds(found(from), found(to), family);
    return `${ends.from.address} ${ends.to.address}`;
  };
  assert.equal(addresses("shop/cart", "shop/web"), "10.244.1.8 10.244.0.7");
  assert.equal(addresses("fd00::8", "shop/web"), "fd00::8 fd00::7");
  assert.equal(addresses("shop/cart", "shop/web", 6), "fd00::8 fd00::7");
  assert.equal(addresses("world", "shop/web"), "undefined 10.244.0.7");
});
