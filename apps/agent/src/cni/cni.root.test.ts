// CNI of a real agent: real API server, operator, plugin and datapath.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CniOptions } from "../testing/node.ts";
import { Runtime } from "../testing/runtime.ts";

// Hubble opens files as it sees flows, and descriptors are counted here.
const config = { "enable-hubble": "false" };
let runtime: Runtime;
before(async () => {
  runtime = await Runtime.up({ config });
});
after(() => runtime[Symbol.asyncDispose]());
// What a failed test left must not fail the next.
afterEach(() => runtime.clear());

test("ADD connects a pod at once, DEL leaves nothing of it", async () => {
  const first = await runtime.pod();
  await runtime.add(first);
  await runtime.remove(first);
  const before = await runtime.holdings();
  const pod = await runtime.pod();
  await runtime.add(pod);
  for (const address of ["172.18.0.2", "fc00:18::2"]) {
    const { status, stdout } = await pod.netns.exec("ping", ["-c1", "-W1", address]);
    assert.equal(status, 0, stdout);
  }
  const endpoint = await runtime.endpointOf(pod.id);
  assert.equal(endpoint?.state, "ready");
  assert.equal(endpoint.pod?.name, pod.name);
  await runtime.remove(pod);
  await runtime.remove(pod);
  assert.deepEqual(await runtime.holdings(), before);
});

test("ADD answers in the format of each specification version", async () => {
  const keys = (value: object) => Object.keys(value).join(" ");
  const shapes: string[] = [];
  for (const cniVersion of ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
    const pod = await runtime.pod();
    const result = await runtime.add(pod, { cniVersion });
    assert.equal(result.cniVersion, cniVersion);
    shapes.push(
      [result.interfaces[1], result.ips[0], result.routes[1]]
        .map((part) => keys(part ?? {}))
        .join(" | "),
    );
    await runtime.remove(pod);
  }
  assert.deepEqual(shapes, [
    "name mac sandbox | version address gateway interface | dst gw",
    "name mac sandbox | version address gateway interface | dst gw",
    "name mac sandbox | address gateway interface | dst gw",
    "name mac mtu sandbox | address gateway interface | dst gw mtu",
  ]);
});

test("sixty-four ADDs at once, and sixty-four DELs, all succeed and leave nothing", async () => {
  const many = await Promise.all(Array.from({ length: 64 }, () => runtime.pod()));
  const before = await runtime.holdings();
  const results = await Promise.all(many.map((pod) => runtime.add(pod)));
  const addresses = results.flatMap(({ ips }) => ips.map(({ address }) => address));
  assert.equal(new Set(addresses).size, 128);
  assert.ok((await runtime.endpoints()).every(({ state }) => state === "ready"));
  await Promise.all(many.map((pod) => runtime.remove(pod)));
  assert.deepEqual(await runtime.holdings(), before);
});

test("CHECK passes while all is as ADD left it, and says what is not", async () => {
  const pod = await runtime.pod();
  const prevResult: unknown = await runtime.add(pod);
  const options = { ...pod.options, prevResult };
  assert.deepEqual(await runtime.node.cni("CHECK", pod.id, options), { status: 0, output: "" });
  assert.equal(
    await runtime.failure("CHECK", "another", options),
    "106 the container is not attached",
  );
  pod.netns.rtnl.links.set("eth0", { up: false });
  assert.equal(
    await runtime.failure("CHECK", pod.id, options),
    "106 the container's interface is not as ADD left it",
  );
  pod.netns.rtnl.links.set("eth0", { up: true, name: "eth9" });
  assert.equal(
    await runtime.failure("CHECK", pod.id, options),
    "106 the container's interface is missing",
  );
  await runtime.remove(pod);
});

test("GC removes what the runtime has forgotten, of its own network alone", async () => {
  const kept = await runtime.pod();
  const forgotten = await runtime.pod();
  const foreign = await runtime.pod();
  await runtime.add(kept);
  await runtime.add(forgotten);
  await runtime.add(foreign, { name: "another" });
  const valid = { "cni.dev/valid-attachments": [{ containerID: kept.id, ifname: "eth0" }] };
  assert.deepEqual(await runtime.node.cni("GC", "none", valid), { status: 0, output: "" });
  const left = (await runtime.endpoints()).map(({ container }) => container.id);
  assert.deepEqual(left.toSorted(), [foreign.id, kept.id].toSorted());
  await runtime.remove(kept);
  await runtime.remove(foreign);
});

test("bad ADDs are refused with the reason and leave nothing", async () => {
  const pod = await runtime.pod();
  const attached = await runtime.pod();
  await runtime.add(attached);
  const before = await runtime.holdings();
  const { options } = pod;
  const unknownPod = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=nobody;K8S_POD_UID=x";
  const rows: readonly (readonly [string, string, CniOptions, string])[] = [
    [
      "a namespace that is gone",
      pod.id,
      { ...options, netns: "/var/run/netns/nowhere" },
      "3 the container's network namespace is gone",
    ],
    [
      "a file for a namespace",
      pod.id,
      { ...options, netns: "/etc/hosts" },
      "8 CNI_NETNS is no container's network namespace",
    ],
    [
      "the node's own namespace",
      pod.id,
      { ...options, netns: runtime.node.netns.path },
      "8 CNI_NETNS is no container's network namespace",
    ],
    [
      "an attachment that exists",
      attached.id,
      attached.options,
      "104 the container is attached already",
    ],
    [
      "an interface that exists",
      pod.id,
      { ...attached.options, args: options.args ?? "" },
      "104 the container has an interface of that name already",
    ],
    [
      "an interface name that cannot be",
      pod.id,
      { ...options, ifName: "a/b" },
      "4 CNI_IFNAME is not valid",
    ],
    [
      "a pod nobody knows",
      pod.id,
      { ...options, args: unknownPod },
      "102 the API server knows no such pod",
    ],
    [
      "a pod's earlier UID",
      pod.id,
      { ...options, args: (options.args ?? "").replace(/UID=.*/, "UID=old") },
      "102 the pod was replaced by another of its name",
    ],
    [
      "another plugin's addresses",
      pod.id,
      { ...options, ipam: { type: "host-local" } },
      '2 ipam.type: "host-local"',
    ],
    [
      "a version of the future",
      pod.id,
      { ...options, cniVersion: "9.0.0" },
      '1 cniVersion "9.0.0"',
    ],
  ];
  for (const [what, id, more, expected] of rows) {
    assert.equal(await runtime.failure("ADD", id, more), expected, what);
  }
  assert.deepEqual(await runtime.holdings(), before);
  await runtime.remove(attached);
});

test("a container that is no pod gets the identity init", async () => {
  const netns = runtime.cluster.topology.netns("plain");
  assert.equal((await runtime.node.cni("ADD", "plain", { netns: netns.path })).status, 0);
  const endpoint = await runtime.endpointOf("plain");
  assert.deepEqual(endpoint?.identity, { id: 5, labels: ["reserved:init"] });
  assert.equal((await runtime.node.cni("DEL", "plain", {})).status, 0);
});

test("a plugin that is killed while it adds leaves nothing", async () => {
  const before = await runtime.holdings();
  const socket = connect(join(runtime.node.runDir, "tsilium.sock"));
  const pod = await runtime.pod();
  const config = JSON.stringify({ cniVersion: "1.0.0", name: "tsilium" });
  const variables = [
    "CNI_COMMAND=ADD",
    `CNI_CONTAINERID=${pod.id}`,
    `CNI_NETNS=${pod.options.netns}`,
    "CNI_IFNAME=eth0",
    `CNI_ARGS=${pod.options.args}`,
  ];
  const body = `${variables.join("\0")}\0\0${config}`;
  socket.write(
    `POST /v1/cni HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
  await sleep(500);
  // The runtime deletes what it gave up on, whatever became of it.
  await runtime.remove(pod);
  assert.deepEqual(await runtime.holdings(), before);
});

test("a full pod CIDR is said so, changes nothing, and takes pods again when one leaves", async () => {
  await using crowded = await Runtime.up({
    config,
    pools: { "cluster-pool-ipv4-mask-size": "29" },
  });
  const first = await crowded.pod();
  await crowded.add(first);
  // Eight addresses: network, broadcast, router, and one is taken.
  for (let free = 4; free > 0; free--) await crowded.add(await crowded.pod());
  const before = await crowded.holdings();
  const late = await crowded.pod();
  const full = "103 no free address in the node's pod CIDR";
  assert.equal(await crowded.failure("ADD", late.id, late.options), full);
  assert.equal(await crowded.failure("STATUS", "none", {}), "50 pods cannot be added");
  assert.deepEqual(await crowded.holdings(), before);
  await crowded.remove(first);
  await crowded.add(late);
});

test("nothing of this was an error of the agent's", () => {
  assert.deepEqual(runtime.severeLogLines(), []);
});
