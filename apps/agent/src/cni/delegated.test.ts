import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CniError } from "@tsilium/endpoint";
import { repeat } from "@tsilium/testkit";
import { addressesOf, delegatedAdd, findPlugin } from "./delegated.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-delegated-"));
after(() => rmSync(folder, { recursive: true }));

function plugin(name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
}
const delegation = (type: string) => ({
  type,
  path: `relative:/nowhere:${folder}`,
  args: "K8S_POD_NAME=a",
  netconf: '{"name":"net"}',
});
const call = { attachment: { containerId: "c1", ifName: "eth0" }, netns: "/var/run/netns/x" };
const messageOf = async (type: string): Promise<string> => {
  try {
    const { ipv4, ipv6 } = await delegatedAdd(delegation(type), call);
    return `${ipv4} ${ipv6}`;
  } catch (error) {
    assert.ok(error instanceof CniError, String(error));
    return `${error.code} ${error.message}`;
  }
};

test("the plugin is run as this one was: environment, configuration", async () => {
  plugin(
    "echo-ipam",
    `read -r conf; [ "$CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME $CNI_ARGS $conf" = 'ADD c1 /var/run/netns/x eth0 K8S_POD_NAME=a {"name":"net"}' ] || exit 3
[ -z "$HOME" ] || exit 4
echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.7/24","gateway":"10.0.0.1"},{"address":"fd00::7/64"}]}'`,
  );
  assert.equal(await messageOf("echo-ipam"), "10.0.0.7 fd00::7");
});

test("what a plugin says when it fails is passed on", async () => {
  plugin("full", `echo '{"code":11,"msg":"no IP","details":"in range"}'; exit 1`);
  plugin("mute", "echo oops >&2; exit 2");
  plugin("silent", "exit 2");
  plugin("babble", "echo hello");
  plugin("wrong", `echo '{"ips":[{"address":"nowhere"}]}'`);
  plugin("many", `echo '{"ips":[{"address":"10.0.0.1/24"},{"address":"10.0.0.2/24"}]}'`);
  const failed = (type: string) => `107 the IPAM plugin ${type} failed:`;
  assert.equal(await messageOf("full"), `${failed("full")} no IP: in range`);
  assert.equal(await messageOf("mute"), `${failed("mute")} oops`);
  assert.equal(await messageOf("silent"), `${failed("silent")} it ended with status 2`);
  assert.equal(await messageOf("babble"), "undefined undefined");
  assert.equal(
    await messageOf("wrong"),
    `${failed("wrong")} its result has an address that is none`,
  );
  assert.equal(await messageOf("many"), `${failed("many")} it gave more than one IPv4 address`);
  assert.equal(await messageOf("none"), `${failed("none")} there is no program none in CNI_PATH`);
});

test("programs are looked for in absolute folders alone", () => {
  plugin("found", "exit 0");
  assert.equal(findPlugin({ type: "found", path: `.:${folder}` }), join(folder, "found"));
  assert.throws(() => findPlugin({ type: "found", path: "." }), CniError);
});

test("whatever a plugin prints, addresses come of it or a CNI error", () => {
  repeat({ runs: 300 }, (random) => {
    const valid = '{"ips":[{"address":"10.0.0.7/24"},{"address":"fd00::7/64"}]}';
    const bytes = Buffer.from(valid);
    for (let change = random.below(4); change > 0; change--)
      bytes[random.below(bytes.length)] = random.below(256);
    try {
      addressesOf("fuzz", bytes.subarray(0, random.below(bytes.length + 1)).toString("utf8"));
    } catch (error) {
      assert.ok(error instanceof CniError, String(error));
    }
  });
});
