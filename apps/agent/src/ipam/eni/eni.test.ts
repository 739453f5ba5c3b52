// What is pure of ENI mode, and the metadata service over HTTP.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { CiliumNode } from "@tsilium/kube";
import { Address, Mac } from "@tsilium/net";
import { MetadataServer } from "@tsilium/cloud/testing/metadata-server.ts";
import { exampleSetup } from "@tsilium/cloud/testing/account.ts";
import { World } from "@tsilium/cloud/testing/world.ts";
import { loadConfig } from "../../config/load.ts";
import { readInstanceMetadata } from "./instance-metadata.ts";
import { addressesOf, type EniInterface, interfacesOf } from "./interfaces.ts";
import { specPatch } from "./node-spec.ts";
import { answerReleases } from "./release.ts";
import { rulesOf, tableOf } from "./wires.ts";

// From when a test begins: other files' tests run in this process before ours.
let signal: AbortSignal;
beforeEach(() => {
  signal = AbortSignal.timeout(10_000);
});

const instance = {
  instanceId: "i-0123",
  instanceType: "m5.large",
  availabilityZone: "eu-west-1a",
  vpcId: "vpc-1",
  subnetId: "subnet-a",
};

const flags = ["--ipam=eni", "--routing-mode=native", "--enable-ipv6=false"];
const configOf = (...more: string[]) =>
  loadConfig([...flags, "--ipv4-native-routing-cidr=10.0.0.0/8", ...more], {}).values;

const eni = {
  id: "eni-1",
  ip: "100.64.1.4",
  mac: "06:00:00:00:00:01",
  number: 1,
  subnet: { id: "subnet-a-pods", cidr: "100.64.1.0/24" },
  vpc: { id: "vpc-1", "primary-cidr": "10.0.0.0/16", cidrs: ["10.0.0.0/16", "100.64.0.0/16"] },
};

function nodeWith(enis: Record<string, object>, pool: Record<string, object> = {}): CiliumNode {
  return {
    metadata: { name: "node-1" },
    spec: { ipam: { pool } },
    status: { eni: { enis } },
  };
}

test("an instance learns who it is from the metadata service, with a token", async () => {
  const world = new World(exampleSetup);
  const { id } = world.runInstance({
    type: "m5.large",
    subnetId: "subnet-a",
    groups: [],
    address: "10.0.1.9",
  });
  await using server = new MetadataServer(world, () => id);
  const url = await server.listen("127.0.0.1", 0);
  assert.deepEqual(await readInstanceMetadata(url, signal), {
    ...instance,
    instanceId: id,
  });
  assert.equal((await fetch(`${url}/latest/meta-data/instance-id`)).status, 401);
});

test("a metadata service that answers something else is refused", async () => {
  const world = new World({ ...exampleSetup, subnets: [] });
  await using server = new MetadataServer(world, () => undefined);
  const url = await server.listen("127.0.0.1", 0);
  await assert.rejects(readInstanceMetadata(url, signal), /status 404/);
});

test("what the instance is and wishes is written once, and what is wished no more goes", () => {
  const config = configOf("--eni-subnet-tags=use=pods", "--ipam-min-allocate=3");
  const empty: CiliumNode = { metadata: { name: "node-1" }, spec: {} };
  const patch = specPatch(empty, instance, config) as NonNullable<CiliumNode["spec"]>;
  assert.equal(patch["instance-id"], "i-0123");
  assert.deepEqual(patch.eni?.["subnet-tags"], { use: "pods" });
  assert.equal(patch.ipam?.["min-allocate"], 3);
  const written: CiliumNode = { metadata: { name: "node-1" }, spec: patch };
  assert.equal(specPatch(written, instance, config), undefined);
  const other = specPatch(written, instance, configOf("--eni-subnet-tags=for=all"));
  assert.deepEqual((other as NonNullable<CiliumNode["spec"]>).eni?.["subnet-tags"], {
    use: null,
    for: "all",
  });
});

test("interfaces are read as far as they can be", () => {
  const [only, ...others] = interfacesOf(
    nodeWith({
      "eni-1": eni,
      "eni-2": { ...eni, mac: "not a mac" },
      "eni-3": { ...eni, subnet: { cidr: "100.64.1.0/33" } },
      "eni-4": { ...eni, number: -1 },
      "eni-5": { ...eni, number: 1e9 },
      "eni-6": {},
      "eni-7": { ...eni, ip: "::1" },
    }),
  );
  assert.deepEqual(others, []);
  assert.deepEqual(
    [only?.id, String(only?.gateway), only?.vpcCidrs.join(" ")],
    ["eni-1", "100.64.1.1", "10.0.0.0/16 100.64.0.0/16"],
  );
});

test("addresses are IPv4 and of an interface", () => {
  const pool = {
    "100.64.1.9": { resource: "eni-1" },
    "100.64.1.5": { resource: "eni-1" },
    "fd00::1": { resource: "eni-1" },
    "100.64.1.6": {},
    nonsense: { resource: "eni-1" },
  };
  const found = addressesOf(nodeWith({ "eni-1": eni }, pool));
  assert.deepEqual(
    found.map(({ address }) => String(address)),
    ["100.64.1.5", "100.64.1.9"],
  );
});

test("each status of a release has one answer", () => {
  const rows: [string, { used: boolean; inPool: boolean }, string | null | undefined, boolean][] = [
    ["marked-for-release", { used: false, inPool: true }, "ready-for-release", true],
    ["marked-for-release", { used: true, inPool: true }, "do-not-release", false],
    ["ready-for-release", { used: false, inPool: true }, undefined, true],
    ["ready-for-release", { used: true, inPool: true }, "do-not-release", false],
    ["released", { used: false, inPool: true }, undefined, true],
    ["released", { used: false, inPool: false }, null, false],
    ["do-not-release", { used: false, inPool: true }, undefined, false],
    ["something-else", { used: false, inPool: true }, undefined, false],
  ];
  for (const [status, { used, inPool }, answer, leaves] of rows) {
    const { patch, leaving } = answerReleases(
      { "10.0.0.9": status },
      { isUsed: () => used, pool: new Set(inPool ? ["10.0.0.9"] : []) },
    );
    const about = `${status}, ${used ? "used" : "free"}`;
    assert.deepEqual([patch?.["10.0.0.9"], leaving.has("10.0.0.9")], [answer, leaves], about);
  }
});

test("a pod's packets to the VPC leave by its interface, all others by the first one", () => {
  const [parsed] = interfacesOf(nodeWith({ "eni-1": eni })) as [EniInterface];
  assert.equal(tableOf(parsed), 11);
  assert.ok(parsed.mac.equals(Mac.parse("06:00:00:00:00:01")));
  const text = (masquerade: boolean) =>
    rulesOf(Address.parse("100.64.1.9"), parsed, masquerade).map(
      ({ priority, source, destination, table }) =>
        `${priority}: from ${source ?? "all"} to ${destination ?? "all"} lookup ${table}`,
    );
  assert.deepEqual(text(true), [
    "20: from all to 100.64.1.9/32 lookup 254",
    "111: from 100.64.1.9/32 to 10.0.0.0/16 lookup 11",
    "111: from 100.64.1.9/32 to 100.64.0.0/16 lookup 11",
  ]);
  assert.deepEqual(text(false), [
    "20: from all to 100.64.1.9/32 lookup 254",
    "111: from 100.64.1.9/32 to all lookup 11",
  ]);
});

test("settings that ENI mode cannot serve are refused at the start", () => {
  for (const [flag, problem] of [
    ["--enable-ipv6=true", /IPv4 addresses only/],
    ["--routing-mode=tunnel", /needs routing-mode native/],
    ["--eni-subnet-tags=pods", /KEY=VALUE/],
  ] as const)
    assert.throws(() => configOf(flag), problem);
});
