import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { encode } from "@tsilium/ebpf";
import { Address } from "@tsilium/net";
import { projectRoot } from "@tsilium/syscall";
import { conntrackEntry, conntrackFlags, conntrackKey4, conntrackKey6 } from "../gen/abi.ts";
import { declareMaps, onlyMap } from "../pinned/map-specs.ts";
import { readObjects } from "../programs/objects.ts";
import { loadCollection, type BpfMap } from "@tsilium/ebpf";
import { Conntrack } from "./conntrack.ts";
import { mappedBytes } from "./address-key.ts";

const objects = process.env["TSILIUM_BPF_OBJECTS"] ?? join(projectRoot(), "dist/bpf");

function table(name: string): BpfMap {
  const sizes = { conntrackMax: 1024, youngMax: 1024, natMax: 1024, policyMax: 64 };
  const services = { serviceMax: 64, serviceSlotMax: 64, serviceFlowMax: 64, affinityMax: 64 };
  const declared = declareMaps(Object.values(readObjects(objects)), {
    ...sizes,
    ...services,
    socketMax: 64,
    maglevTableSize: 251,
  }).find((map) => map.name === name);
  assert.ok(declared);
  const map = loadCollection(onlyMap(declared)).maps[name];
  assert.ok(map);
  return map;
}

const numberOf = (text: string) =>
  Address.parse(text).bytes.reduce((sum, byte) => sum * 256 + byte, 0);
const far = 2n ** 62n;

function entry(fields: { flags: number; proxyPort?: number; expiresNs?: bigint }): Uint8Array {
  return encode(conntrackEntry, {
    expiresNs: far,
    epoch: 1,
    originIdentity: 7,
    replyIdentity: 8,
    originOwner: 1,
    replyOwner: 2,
    proxyPort: 0,
    frontend: 0,
    originTold: 0,
    replyTold: 0,
    ...fields,
  });
}

test("connections are found by whom they were opened to, and those of proxies by their flag", async () => {
  using ipv4 = table("tsi_ct4");
  using ipv6 = table("tsi_ct6");
  const conntrack = new Conntrack({ ipv4: [ipv4], ipv6: [ipv6] });
  const key4 = (lowPort: number) =>
    encode(conntrackKey4, {
      lowAddress: numberOf("10.0.0.1"),
      highAddress: numberOf("203.0.113.10"),
      lowPort,
      highPort: 80,
      protocol: 6,
      part: 0,
    });
  ipv4.update(key4(1000), entry({ flags: 0 }));
  ipv4.update(
    key4(1001),
    entry({ flags: conntrackFlags.originHigh | conntrackFlags.proxied, proxyPort: 10_000 }),
  );
  ipv4.update(key4(1002), entry({ flags: 0, expiresNs: 1n }));
  const { proxied, originClosed, replyClosed } = conntrackFlags;
  const over = entry({ flags: proxied | originClosed | replyClosed, proxyPort: 10_000 });
  ipv4.update(key4(1003), over);
  ipv6.update(
    encode(conntrackKey6, {
      lowAddress: mappedBytes(Address.parse("2001:db8::1")),
      highAddress: mappedBytes(Address.parse("fd00::1")),
      lowPort: 53,
      highPort: 4000,
      protocol: 17,
      part: 1,
    }),
    entry({ flags: conntrackFlags.originHigh }),
  );
  const asked = ["10.0.0.1", "203.0.113.10", "203.0.113.11", "2001:db8::1", "fd00::1"];
  const wanted = asked.map((text) => Address.parse(text));
  const found = await conntrack.destinations(wanted, 1_000n);
  assert.deepEqual([...found].toSorted(), ["10.0.0.1", "2001:db8::1", "203.0.113.10"]);
  assert.deepEqual(
    conntrack
      .listProxied()
      .map(
        ({ source, destination, proxyPort, part }) =>
          `${source} ${destination} ${proxyPort} ${part}`,
      ),
    ["203.0.113.10 10.0.0.1 10000 client"],
  );
  assert.deepEqual(
    conntrack
      .list()
      .map(({ part }) => part)
      .toSorted(),
    ["client", "client", "client", "client", "egress-proxy"],
  );
  assert.equal((await conntrack.destinations([], 0n)).size, 0);
});
