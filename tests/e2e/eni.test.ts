// ENI mode in a lab whose nodes are instances of a simulated AWS account: interfaces arrive as devices, addresses are the
// VPC's, and what Tsilium believes is compared with what the account knows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CniRuntime } from "./cni-runtime.ts";
import { type EniLab, upEni } from "./eni-account.ts";
import {
  echoPod,
  isAgentWell,
  killProcess,
  type Lab,
  manifests,
  namespaceManifest,
  processPid,
  until,
} from "./harness.ts";

/** Four interfaces of 15 addresses, 14 of them for pods. */
const type = "m5.xlarge";

type CiliumNode = {
  readonly spec: { readonly ipam: { readonly pool?: Record<string, { resource: string }> } };
  readonly status?: {
    readonly ipam?: {
      readonly used?: Record<string, { readonly owner?: string }>;
      readonly "release-ips"?: Record<string, string>;
    };
  };
};

const nodeObject = (lab: Lab, node: string) =>
  lab.json<CiliumNode>("lab", "get", "ciliumnodes", node, "--name", lab.name);

async function pings(lab: Lab, pod: string, address: string): Promise<void> {
  const ping = await lab.exec("shop", pod, ["ping", "-c", "1", "-W", "2", address]);
  assert.equal(ping.status, 0, `${pod} -> ${address}: ${ping.stdout}${ping.stderr}`);
}

async function addresses(lab: Lab): Promise<Record<string, string>> {
  const pods = await lab.pods("shop");
  return Object.fromEntries(
    pods.map(({ metadata, status }) => [metadata.name, status.podIPs?.[0]?.ip ?? ""]),
  );
}

/** Adds a container; answers its address. */
async function add(runtime: CniRuntime, id: string): Promise<string> {
  const { ips } = (await runtime.add(id)) as { ips: { address: string }[] };
  return ips[0]?.address.split("/")[0] ?? "";
}

/** What the kernel has of interfaces' routes, and of pods' rules. */
async function wires(lab: Lab): Promise<string> {
  const script = "ip rule; for table in 10 11 12; do ip route show table $table; done";
  const { stdout } = await lab.nodeExec("node-1", ["sh", "-c", script]);
  return stdout.split("\n").toSorted().join("\n");
}

test("ENI mode", async (t) => {
  await using up: EniLab = await upEni({
    nodes: 2,
    type,
    set: {
      "ipam-pre-allocate": "4",
      "aws-release-excess-ips": "true",
      "excess-ip-release-delay": "1s",
      "enable-hubble": "false",
    },
  });
  const { lab, account } = up;
  await lab.apply(
    manifests(
      namespaceManifest("shop"),
      echoPod({ name: "a", namespace: "shop", node: "node-1" }),
      echoPod({ name: "b", namespace: "shop", node: "node-1" }),
      echoPod({ name: "c", namespace: "shop", node: "node-2" }),
    ),
  );
  await lab.wait("shop");
  const before = await addresses(lab);

  await t.test(
    "pods have addresses of their node's interfaces, and reach each other and the world",
    async () => {
      assert.ok(account.addressesOf("node-1").includes(before["a"] ?? ""));
      assert.ok(account.addressesOf("node-2").includes(before["c"] ?? ""));
      await Promise.all([
        pings(lab, "a", before["b"] ?? ""),
        pings(lab, "a", before["c"] ?? ""),
        pings(lab, "c", before["a"] ?? ""),
        pings(lab, "c", "203.0.113.10"),
      ]);
      // The node's own network reaches pods elsewhere, and they answer.
      const fromNode = await lab.nodeExec("node-1", [
        "ping",
        "-c",
        "1",
        "-W",
        "2",
        before["c"] ?? "",
      ]);
      assert.equal(fromNode.status, 0, fromNode.stdout);
    },
  );

  await using runtime = new CniRuntime(lab, "node-1");
  const ids = Array.from({ length: 32 }, (_, at) => `p${at}`);
  const given = new Map<string, string>();

  await t.test("32 ADDs at once get an address each, none twice, on three interfaces", async () => {
    for (const id of ids) await runtime.makeNetns(id);
    const agent = await processPid(lab, "agent/node-1");
    const steady = lab.exec("shop", "b", ["ping", "-i", "0.02", "-c", "100", before["c"] ?? ""]);
    await Promise.all(ids.map(async (id) => given.set(id, await add(runtime, id))));
    assert.match((await steady).stdout, / 0% packet loss/);
    assert.equal(await processPid(lab, "agent/node-1"), agent, "interfaces are added as it runs");
    const all = [...given.values(), before["a"], before["b"]];
    assert.equal(new Set(all).size, 34, all.join(" "));
    const held = new Set(account.addressesOf("node-1"));
    assert.deepEqual(
      all.filter((address) => !held.has(address ?? "")),
      [],
    );
    assert.equal(account.interfacesOf("node-1").length, 3);
    const status = await nodeObject(lab, "node-1");
    for (const address of all)
      assert.ok(status.spec.ipam.pool?.[address ?? ""], `${address} is not in the pool`);
    const { stdout } = await lab.tsilium(["--node", "node-1", "status", "--verbose"]);
    assert.match(stdout, /devices\W.*eth0, ens6, ens7/);
  });

  await t.test(
    "an interface that is of `devices` has programs as long as it is there",
    async () => {
      const links = async () => {
        const { stdout } = await lab.tsilium(["--node", "node-1", "status", "--verbose"]);
        return [...stdout.matchAll(/datapath link (eth7 \w+)\W/g)]
          .map(([, name]) => name)
          .join(" ");
      };
      const ip = async (...words: string[]) =>
        (await lab.nodeExec("node-1", ["ip", "link", ...words])).status;
      assert.equal(await ip("add", "eth7", "type", "veth", "peer", "name", "far7"), 0);
      await until("programs are there", async () => (await links()) === "eth7 ingress eth7 egress");
      assert.ok(await isAgentWell(lab, "node-1"));
      assert.equal(await ip("delete", "eth7"), 0);
      await until("they are gone", async () => (await links()) === "");
      assert.ok(await isAgentWell(lab, "node-1"));
    },
  );

  /** Pod d's: of a further interface, and of the VPC's second range. */
  let further = "";

  await t.test("routes and rules that somebody deletes come back", async () => {
    await lab.apply(echoPod({ name: "d", namespace: "shop", node: "node-1" }));
    await lab.wait("shop");
    further = (await addresses(lab))["d"] ?? "";
    assert.match(further, /^100\.64\.1\./);
    await pings(lab, "d", before["c"] ?? "");
    const right = await wires(lab);
    const script = `ip route flush table 11; ip route flush table 12; while ip rule del from ${further}; do :; done; ip rule del to ${further}`;
    const agent = await processPid(lab, "agent/node-1");
    process.kill(agent, "SIGSTOP");
    try {
      assert.equal((await lab.nodeExec("node-1", ["sh", "-c", script])).status, 0);
      // Its packets leave by the node's first interface then.
      const lost = await lab.exec("shop", "d", ["ping", "-c", "1", "-W", "1", before["c"] ?? ""]);
      assert.notEqual(lost.status, 0, "the VPC takes packets from any interface");
    } finally {
      process.kill(agent, "SIGCONT");
    }
    await until("they are all back", async () => (await wires(lab)) === right);
    await pings(lab, "d", before["c"] ?? "");
  });

  await t.test("an agent that was killed takes up what there was", async () => {
    const used = async () =>
      Object.keys((await nodeObject(lab, "node-1")).status?.ipam?.used ?? {}).toSorted();
    await until("all are in use", async () => (await used()).length >= 34);
    const wiresBefore = await wires(lab);
    const usedBefore = await used();
    const steady = lab.exec("shop", "b", ["ping", "-i", "0.04", "-c", "60", before["c"] ?? ""]);
    await killProcess(lab, "agent/node-1", {
      meanwhile: async () => {
        await pings(lab, "a", before["c"] ?? "");
        const rule = ["ip", "rule", "del", "priority", "111", "from", further];
        assert.equal((await lab.nodeExec("node-1", rule)).status, 0);
      },
      returned: () => isAgentWell(lab, "node-1"),
    });
    assert.match((await steady).stdout, / 0% packet loss/);
    assert.equal(await wires(lab), wiresBefore);
    assert.deepEqual(await used(), usedBefore);
    await pings(lab, "d", before["c"] ?? "");
  });

  await t.test("what pods give up goes back to the cloud, what they use stays", async () => {
    const [keptId = "", ...gone] = ids;
    await Promise.all(gone.map((id) => runtime.command("DEL", id)));
    const inUse = [given.get(keptId) ?? "", before["a"] ?? "", before["b"] ?? "", further];
    let lost: string[] = [];
    await until("the node has few addresses again", async () => {
      const held = account.addressesOf("node-1");
      lost = inUse.filter((address) => !held.includes(address));
      return lost.length > 0 || held.length <= 12;
    });
    assert.deepEqual(lost, [], "addresses in use were taken away");
    await until("all entries are cleared", async () => {
      const { status } = await nodeObject(lab, "node-1");
      return Object.keys(status?.ipam?.["release-ips"] ?? {}).length === 0;
    });
    await pings(lab, "a", before["c"] ?? "");
    const rules = (await lab.nodeExec("node-1", ["ip", "rule"])).stdout;
    for (const id of gone)
      assert.ok(
        !rules.includes(` ${given.get(id)} `),
        `a rule of ${given.get(id)} was left behind`,
      );
  });
});
