// ENI mode: the operator with AWS's own client, against the EC2 simulation and the lab's API server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CiliumNode, KubeError, resources } from "@tsilium/kube";
import { startAccount, type TestAccount } from "@tsilium/cloud/testing/account.ts";
import type { SimInterface } from "@tsilium/cloud/testing/world.ts";
import { type Cluster, expectEventually, withCluster } from "../testing/cluster.ts";

type Eni = NonNullable<NonNullable<CiliumNode["spec"]>["eni"]>;
type Ipam = NonNullable<NonNullable<CiliumNode["spec"]>["ipam"]>;

const podSubnet = { "subnet-tags": { use: "pods" }, "first-interface-index": 1 };

/** The flags of an operator that works with the account. */
function flags(account: TestAccount, ...more: string[]): string[] {
  return [
    "--ipam=eni",
    `--ec2-api-endpoint=${account.url}`,
    "--aws-region=eu-west-1",
    `--aws-credentials-file=${account.credentialsFile}`,
    "--limit-ipam-api-qps=1000",
    "--limit-ipam-api-burst=1000",
    "--eni-gc-interval=0s",
    ...more,
  ];
}

/** A node as its agent registers it. Answers its instance. */
async function register(
  { client, signal }: Cluster,
  account: TestAccount,
  options: { name?: string; type?: string; eni?: Eni; ipam?: Ipam } = {},
): Promise<string> {
  const { name = "node-1", type = "m5.large", eni = podSubnet, ipam = {} } = options;
  const { id } = account.world.runInstance({ type, subnetId: "subnet-a", groups: ["sg-nodes"] });
  await client.create(resources.nodes, { metadata: { name } }, { signal });
  const spec = { ipam, "instance-id": id, eni: { "instance-type": type, ...eni } };
  for (;;) {
    try {
      await client.create(resources.ciliumNodes, { metadata: { name }, spec }, { signal });
      return id;
    } catch (error) {
      // The operator installs the definition.
      if (!KubeError.isNotFound(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const read = ({ client, signal }: Cluster, name = "node-1") =>
  client.get(resources.ciliumNodes, name, { signal });

const poolSize = async (cluster: Cluster, name?: string) =>
  Object.keys((await read(cluster, name)).spec?.ipam?.pool ?? {}).length;

/** The agent's half: says which addresses are in use. */
async function use(cluster: Cluster, addresses: readonly string[], name = "node-1"): Promise<void> {
  const { client, signal } = cluster;
  const present = (await read(cluster, name)).status?.ipam?.used ?? {};
  const used = {
    ...Object.fromEntries(Object.keys(present).map((address) => [address, null])),
    ...Object.fromEntries(addresses.map((address) => [address, { owner: "default/pod" }])),
  };
  const status = { ipam: { used } };
  await client.patchStatus(resources.ciliumNodes, name, { status, signal });
}

function interfacesText(account: TestAccount, instance: string): string[] {
  return account.world
    .interfacesOf(instance)
    .toSorted((a, b) => indexOf(a) - indexOf(b))
    .map(
      (eni) =>
        `${indexOf(eni)} ${eni.subnetId} ${eni.groups} ${eni.secondary.length} ${eni.prefixes.length}`,
    );
}

const indexOf = ({ attachment }: SimInterface) => attachment?.index ?? -1;

/** Both ends; the account ends last. */
function withEni(
  body: (cluster: Cluster, account: TestAccount) => Promise<void>,
  options: Parameters<typeof startAccount>[0] = {},
): () => Promise<void> {
  return async () => {
    await using account = await startAccount(options);
    await withCluster((cluster) => body(cluster, account));
  };
}

test(
  "a node gets an interface in the subnet of its tags, and addresses up to the watermark",
  withEni(async (cluster, account) => {
    await cluster.operate(...flags(account));
    const instance = await register(cluster, account);
    await expectEventually(() => poolSize(cluster), 8);
    assert.deepEqual(interfacesText(account, instance), [
      "0 subnet-a sg-nodes 0 0",
      "1 subnet-a-pods sg-nodes 8 0",
    ]);
    const node = await read(cluster);
    const [, eni] = account.world.interfacesOf(instance);
    assert.deepEqual(
      new Set(Object.values(node.spec?.ipam?.pool ?? {}).map(({ resource }) => resource)),
      new Set([eni?.id]),
    );
    const view = node.status?.eni?.enis?.[eni?.id ?? ""];
    assert.deepEqual(
      [view?.mac, view?.number, view?.subnet?.cidr, view?.vpc?.cidrs, view?.addresses],
      [eni?.mac, 1, "100.64.1.0/24", ["10.0.0.0/16", "100.64.0.0/16"], eni?.secondary],
    );
    assert.equal(eni?.attachment?.deleteOnTermination, true);
    assert.equal(eni?.tags["io.cilium/cilium-managed"], "true");
  }),
);

test(
  "more used addresses bring more, on the same interface first, then on another",
  withEni(async (cluster, account) => {
    await cluster.operate(...flags(account));
    const instance = await register(cluster, account, { ipam: { "pre-allocate": 4 } });
    await expectEventually(() => poolSize(cluster), 4);
    await use(cluster, Object.keys((await read(cluster)).spec?.ipam?.pool ?? {}));
    await expectEventually(() => poolSize(cluster), 8);
    await use(cluster, Object.keys((await read(cluster)).spec?.ipam?.pool ?? {}));
    // The first one holds nine beside its own address.
    await expectEventually(() => poolSize(cluster), 12);
    assert.deepEqual(interfacesText(account, instance), [
      "0 subnet-a sg-nodes 0 0",
      "1 subnet-a-pods sg-nodes 9 0",
      "2 subnet-a-pods sg-nodes 3 0",
    ]);
  }),
);

test(
  "an instance that may have no more says so, and goes on as soon as there is room",
  withEni(async (cluster, account) => {
    await cluster.operate(...flags(account));
    await register(cluster, account, { type: "t2.micro", ipam: { "pre-allocate": 2 } });
    const error = async () =>
      (await read(cluster)).status?.ipam?.["operator-status"]?.error?.replace(/:.*/, "");
    await expectEventually(
      error,
      "an instance of type t2.micro may have 2 interfaces of 2 addresses",
    );
    assert.equal(await poolSize(cluster), 1);
    const { client, signal } = cluster;
    const patch = { spec: { ipam: { "max-allocate": 1 } } };
    await client.patch(resources.ciliumNodes, "node-1", { type: "merge", patch, signal });
    await expectEventually(error, undefined);
  }),
);

test(
  "with prefix delegation an interface gets whole blocks, single addresses where the subnet has none",
  withEni(
    async (cluster, account) => {
      await cluster.operate(...flags(account, "--aws-enable-prefix-delegation"));
      const instance = await register(cluster, account, { ipam: { "pre-allocate": 17 } });
      // Of /27 one block is AWS's, whole or in part: 16 addresses, and one of what is left.
      await expectEventually(() => poolSize(cluster), 17);
      assert.deepEqual(interfacesText(account, instance).slice(1), ["1 subnet-small sg-nodes 1 1"]);
    },
    {
      setup: {
        subnets: [
          { id: "subnet-a", vpcId: "vpc-1", cidr: "10.0.1.0/24", zone: "eu-west-1a", tags: {} },
          {
            id: "subnet-small",
            vpcId: "vpc-1",
            cidr: "100.64.1.0/27",
            zone: "eu-west-1a",
            tags: { use: "pods" },
          },
        ],
      },
    },
  ),
);

test(
  "an address is taken back only when the agent let it go, and never one in use",
  withEni(async (cluster, account) => {
    const { client, signal } = cluster;
    await cluster.operate(
      ...flags(account, "--aws-release-excess-ips", "--excess-ip-release-delay=200ms"),
    );
    const instance = await register(cluster, account, { ipam: { "min-allocate": 6 } });
    await expectEventually(() => poolSize(cluster), 8);
    const patch = { spec: { ipam: { "pre-allocate": 2, "min-allocate": 2 } } };
    await client.patch(resources.ciliumNodes, "node-1", { type: "merge", patch, signal });
    const releases = async () => (await read(cluster)).status?.ipam?.["release-ips"] ?? {};
    const words = async () => Object.values(await releases()).toSorted();
    await expectEventually(
      words,
      Array.from({ length: 6 }, () => "marked-for-release"),
    );
    assert.equal(account.server.countOf("UnassignPrivateIpAddresses"), 0);
    // The agent needs one of them meanwhile.
    const [kept = "", ...left] = Object.keys(await releases());
    await use(cluster, [kept]);
    const answers = {
      [kept]: "do-not-release",
      ...Object.fromEntries(left.map((address) => [address, "ready-for-release"])),
    };
    const status = { ipam: { "release-ips": answers } };
    await client.patchStatus(resources.ciliumNodes, "node-1", { status, signal });
    await expectEventually(
      async () => Object.keys((await read(cluster)).spec?.ipam?.pool ?? {}).includes(kept),
      true,
    );
    await expectEventually(async () => (await poolSize(cluster)) < 8, true);
    const [, eni] = account.world.interfacesOf(instance);
    assert.ok(eni?.secondary.includes(kept), "an address in use was taken away");
    await expectEventually(
      async () => Object.keys((await read(cluster)).spec?.ipam?.pool ?? {}).length,
      3,
    );
    assert.deepEqual(
      Object.keys((await read(cluster)).spec?.ipam?.pool ?? {}).toSorted(),
      account.world.interfacesOf(instance)[1]?.secondary.toSorted(),
    );
  }),
);

test(
  "an interface that nobody attached is deleted at the second look; others' interfaces are not",
  withEni(async (cluster, account) => {
    const { world } = account;
    const idle = (tags: Readonly<Record<string, string>>) =>
      world.create({
        subnetId: "subnet-a",
        groups: ["sg-nodes"],
        description: "",
        tags,
        clientToken: "",
      });
    const own = { "io.cilium/cilium-managed": "true", "io.cilium/cluster-name": "default" };
    const leaked = idle(own);
    const foreign = [idle({ ...own, "io.cilium/cluster-name": "another" }), idle({})];
    const operator = await cluster.operate(
      ...flags(account).filter((flag) => !flag.startsWith("--eni-gc-interval")),
      "--eni-gc-interval=100ms",
    );
    await expectEventually(async () => world.interfaces.has(leaked.id), false);
    for (const { id } of foreign) assert.ok(world.interfaces.has(id), "another's was deleted");
    const { body } = await operator.metrics.page();
    assert.match(String(body), /tsilium_operator_eni_collected_total 1/);
  }),
);

test(
  "an interface that cannot be attached is deleted again, and the node gets another one",
  withEni(async (cluster, account) => {
    account.server.order("AttachNetworkInterface", {
      kind: "refuse",
      status: 400,
      code: "OperationNotPermitted",
    });
    await cluster.operate(...flags(account));
    const instance = await register(cluster, account);
    await expectEventually(() => poolSize(cluster), 8);
    assert.equal(account.world.interfaces.size, 2);
    assert.equal(account.server.countOf("DeleteNetworkInterface"), 1);
    assert.equal(account.world.interfacesOf(instance).length, 2);
  }),
);

test(
  "answers that are lost leave nothing twice and nothing behind",
  withEni(async (cluster, account) => {
    const lost = { kind: "lose-answer" } as const;
    for (const action of ["CreateNetworkInterface", "AttachNetworkInterface"])
      account.server.order(action, lost);
    account.server.order("ModifyNetworkInterfaceAttribute", {
      kind: "refuse",
      status: 400,
      code: "OperationNotPermitted",
    });
    account.server.order("AssignPrivateIpAddresses", lost);
    await cluster.operate(...flags(account, "--ipam-resync-interval=1s"));
    const instance = await register(cluster, account, { ipam: { "pre-allocate": 3 } });
    await expectEventually(() => poolSize(cluster), 3);
    await use(cluster, Object.keys((await read(cluster)).spec?.ipam?.pool ?? {}));
    // The client asks a second time for what was given already: both are found, and used.
    await expectEventually(() => poolSize(cluster), 9);
    assert.equal(account.world.interfaces.size, 2);
    const [, eni] = account.world.interfacesOf(instance);
    assert.deepEqual(
      Object.keys((await read(cluster)).spec?.ipam?.pool ?? {}).toSorted(),
      eni?.secondary.toSorted(),
    );
    assert.equal(eni?.attachment?.deleteOnTermination, true);
  }),
);

test(
  "an interface that is not known yet where it is attached is waited for",
  withEni(
    async (cluster, account) => {
      await cluster.operate(...flags(account));
      await register(cluster, account);
      await expectEventually(() => poolSize(cluster), 8);
      assert.equal(account.server.countOf("CreateNetworkInterface"), 1);
    },
    { setup: { attachLagMs: 300, readLagMs: 300 } },
  ),
);

test(
  "a busy cloud is asked again; nodes get what they need all the same",
  withEni(
    async (cluster, account) => {
      await cluster.operate(...flags(account));
      await Promise.all(
        ["node-1", "node-2", "node-3"].map((name) => register(cluster, account, { name })),
      );
      for (const name of ["node-1", "node-2", "node-3"])
        await expectEventually(() => poolSize(cluster, name), 8);
      assert.ok(account.server.throttled > 0, "nothing was throttled");
      assert.equal(account.server.countOf("DeleteNetworkInterface"), 0);
    },
    { limit: { perSecond: 40, burst: 5 } },
  ),
);

test(
  "an operator that starts again takes what there is, and makes nothing twice",
  withEni(async (cluster, account) => {
    const first = await cluster.operate(...flags(account));
    const instance = await register(cluster, account);
    await expectEventually(() => poolSize(cluster), 8);
    await first.stop();
    const before = interfacesText(account, instance);
    // Somebody empties the object meanwhile.
    const { client, signal } = cluster;
    const patch = { spec: { ipam: { pool: null } } };
    await client.patch(resources.ciliumNodes, "node-1", { type: "merge", patch, signal });
    await cluster.operate(...flags(account));
    await expectEventually(() => poolSize(cluster), 8);
    assert.deepEqual(interfacesText(account, instance), before);
  }),
);

test(
  "a subnet that is full is said in the node's status",
  withEni(
    async (cluster, account) => {
      await cluster.operate(...flags(account));
      await register(cluster, account);
      await expectEventually(
        async () => (await read(cluster)).status?.ipam?.["operator-status"]?.error,
        "no subnet in vpc-1, eu-west-1a of use=pods has a free address; known are subnet-a (250 free), subnet-tiny (3 free)".replace(
          "subnet-tiny (3 free)",
          "subnet-tiny (0 free)",
        ),
      );
      assert.equal(await poolSize(cluster), 2);
    },
    {
      setup: {
        subnets: [
          { id: "subnet-a", vpcId: "vpc-1", cidr: "10.0.1.0/24", zone: "eu-west-1a", tags: {} },
          {
            id: "subnet-tiny",
            vpcId: "vpc-1",
            cidr: "100.64.1.0/29",
            zone: "eu-west-1a",
            tags: { use: "pods" },
          },
        ],
      },
    },
  ),
);

test(
  "nodes never share an address, whoever asks at once",
  withEni(async (cluster, account) => {
    await cluster.operate(...flags(account));
    const names = Array.from({ length: 8 }, (_, at) => `node-${at}`);
    await Promise.all(names.map((name) => register(cluster, account, { name })));
    for (const name of names) await expectEventually(() => poolSize(cluster, name), 8);
    const pools = await Promise.all(
      names.map(async (name) => Object.keys((await read(cluster, name)).spec?.ipam?.pool ?? {})),
    );
    assert.equal(new Set(pools.flat()).size, 64);
  }),
);
