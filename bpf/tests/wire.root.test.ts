// What only shows on a wire: programs and the kernel's stack together, on two nodes in namespaces.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { TestCluster } from "../../packages/datapath/src/testing/cluster.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.up({ routingMode: "tunnel" });
  // Pods that do not know the tunnel's mtu: the network has to tell them.
  await inPod("ip route change default via 10.244.0.1 dev eth0");
  await inPod("ip -6 route change default via fd00:10:244::1 dev eth0");
});
after(() => cluster[Symbol.asyncDispose]());

/** What a command says inside pod 1, whether it succeeds or not. */
async function inPod(command: string): Promise<string> {
  const args = [`--net=${cluster.netns("pod-1")}`, ...command.split(" ")];
  return new Promise((resolve) => {
    execFile("nsenter", args, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

const remote = () => ({ 4: cluster.pod(3).ipv4, 6: cluster.pod(3).ipv6 });

describe("path MTU", () => {
  test("IPv4: a packet too large for the tunnel is answered with what fits (RFC 1191)", async () => {
    const said = await inPod(`ping -n -c2 -i0.2 -W1 -M do -s 1423 ${remote()[4]}`);
    assert.match(said, /From 172\.18\.0\.2 .*Frag needed and DF set \(mtu = 1450\)/);
  });

  test("IPv6: so it is (RFC 8201)", async () => {
    const said = await inPod(`ping -n -c2 -i0.2 -W1 -M do -s 1403 ${remote()[6]}`);
    assert.match(said, /From fc00:18::2 .*Packet too big: mtu=1450/);
  });

  test("the largest that fits arrives, in both families", async () => {
    assert.match(await inPod(`ping -n -c1 -W1 -M do -s 1422 ${remote()[4]}`), / 1 received/);
    assert.match(await inPod(`ping -n -c1 -W1 -M do -s 1402 ${remote()[6]}`), / 1 received/);
  });

  test("IPv4: a larger one that may be fragmented arrives whole", async () => {
    await inPod("ip route flush cache");
    assert.match(await inPod(`ping -n -c1 -W1 -M dont -s 1472 ${remote()[4]}`), / 1 received/);
  });
});

describe("hops", () => {
  test("the pod's own node is the first, in both families", async () => {
    assert.match(
      await inPod(`ping -n -c1 -W1 -t1 ${remote()[4]}`),
      /From 172\.18\.0\.2 .*exceeded/,
    );
    assert.match(await inPod(`ping -n -c1 -W1 -t1 ${remote()[6]}`), /From fc00:18::2 .*exceeded/);
  });

  test("the other node's gateway is the second", async () => {
    assert.match(
      await inPod(`ping -n -c1 -W1 -t2 ${remote()[4]}`),
      /From 10\.244\.1\.1 .*exceeded/,
    );
    assert.match(
      await inPod(`ping -n -c1 -W1 -t2 ${remote()[6]}`),
      /From fd00:10:244:1::1 .*exceeded/,
    );
  });

  test("a masqueraded packet's error finds back to its pod", async () => {
    const { ipv4, ipv6 } = cluster.world;
    assert.match(await inPod(`ping -n -c1 -W1 -t2 ${ipv4}`), /From 172\.18\.0\.1 .*exceeded/);
    assert.match(await inPod(`ping -n -c1 -W1 -t2 ${ipv6}`), /From fc00:18::1 .*exceeded/);
  });
});

describe("datagrams of 60,000 bytes", () => {
  const targets: [name: string, addresses: () => string[]][] = [
    ["a pod of this node", () => [cluster.pod(2).ipv4, cluster.pod(2).ipv6]],
    ["a pod of another node", () => Object.values(remote())],
    ["the node itself", () => ["172.18.0.2", "fc00:18::2"]],
    ["another node", () => ["172.18.0.3", "fc00:18::3"]],
    ["the world", () => [cluster.world.ipv4, cluster.world.ipv6]],
  ];
  for (const [name, addresses] of targets) {
    test(`go to ${name} and back, in fragments`, async () => {
      for (const address of addresses())
        assert.match(await inPod(`ping -n -q -c2 -i0.2 -W2 -s 60000 ${address}`), / 2 received/);
    });
  }
});
