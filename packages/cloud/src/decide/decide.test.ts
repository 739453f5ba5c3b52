// Watermarks, steps and releases as tables; steps against a naive cloud at random.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Mac, Prefix } from "@tsilium/net";
import type { InstanceLimits, NetworkInterface, Subnet } from "../model.ts";
import { chooseSecurityGroups, chooseSubnet } from "./choose.ts";
import { type InterfaceRules, podAddresses } from "./interfaces.ts";
import { nextStep, type NodePicture, type Step } from "./plan.ts";
import { addressesOf, chooseSpare, readyToGo } from "./release.ts";
import { asking, defaultWatermarks, excess, lacking } from "./watermarks.ts";

test("how many addresses are lacking, asked for, and too many", () => {
  // [available, used], watermarks -> lacking, asking, excess
  const rows: [[number, number], Partial<typeof defaultWatermarks>, [number, number, number]][] = [
    [[0, 0], {}, [8, 8, 0]],
    [[8, 0], {}, [0, 0, 0]],
    [[8, 3], {}, [3, 3, 0]],
    [[16, 3], {}, [0, 0, 5]],
    [[8, 3], { maxAboveWatermark: 4 }, [3, 7, 0]],
    [[20, 3], { maxAboveWatermark: 4 }, [0, 4, 5]],
    [[4, 0], { minAllocate: 10, preAllocate: 1 }, [6, 6, 0]],
    [[14, 0], { minAllocate: 10, preAllocate: 1 }, [0, 0, 4]],
    [[14, 0], { minAllocate: 10, preAllocate: 1, maxAboveWatermark: 4 }, [0, 4, 0]],
    [[8, 8], { maxAllocate: 10 }, [2, 2, 0]],
    [[10, 10], { maxAllocate: 10 }, [0, 0, 0]],
    [[12, 12], { maxAllocate: 10 }, [0, 0, 0]],
  ];
  for (const [[available, used], more, expected] of rows) {
    const level = { available, used };
    const marks = { ...defaultWatermarks, ...more };
    const found = [lacking(level, marks), asking(level, marks), excess(level, marks)];
    assert.deepEqual(found, expected, JSON.stringify({ level, more }));
  }
});

const rules: InterfaceRules = {
  firstInterfaceIndex: 1,
  excludeTags: { skip: "yes" },
  usePrimaryAddress: false,
  prefixDelegation: false,
};

const limits: InstanceLimits = {
  type: "m5.large",
  interfaces: 3,
  ipv4PerInterface: 10,
  ipv6PerInterface: 10,
  prefixes: true,
};

function subnetOf(more: Partial<Subnet> = {}): Subnet {
  return {
    id: "subnet-pods",
    vpcId: "vpc-1",
    cidr: Prefix.parse("10.1.0.0/16"),
    availabilityZone: "a",
    available: 1000,
    tags: {},
    ...more,
  };
}

function eniOf(
  index: number,
  more: Partial<NetworkInterface> & { readonly count?: number } = {},
): NetworkInterface {
  const { count = 0, ...rest } = more;
  return {
    id: `eni-${index}`,
    mac: Mac.parse("06:00:00:00:00:01"),
    subnetId: "subnet-pods",
    vpcId: "vpc-1",
    availabilityZone: "a",
    description: "",
    state: "in-use",
    primary: Address.parse(`10.1.${index}.1`),
    secondary: Array.from({ length: count }, (_, at) => Address.parse(`10.1.${index}.${at + 2}`)),
    prefixes: [],
    securityGroups: [`sg-${index}`],
    tags: {},
    attachment: { id: "a", instanceId: "i-1", deviceIndex: index, deleteOnTermination: true },
    ...rest,
  };
}

function pictureOf(more: Partial<NodePicture> = {}): NodePicture {
  return {
    interfaces: [eniOf(0)],
    limits,
    subnets: [subnetOf()],
    securityGroups: [],
    place: { vpcId: "vpc-1", availabilityZone: "a", nodeSubnetId: "subnet-pods" },
    rules,
    wishes: { subnetIds: [], subnetTags: {}, securityGroups: [], securityGroupTags: {} },
    watermarks: defaultWatermarks,
    level: { available: 0, used: 0 },
    fragmented: new Set(),
    ...more,
  };
}

function textOf(step: Step): string {
  switch (step.kind) {
    case "enough":
      return "enough";
    case "stuck":
      return `stuck: ${step.why}`;
    case "grant":
      return `${step.interfaceId}: ${step.grant.count} ${step.grant.kind}`;
    case "create":
      return `new ${step.deviceIndex} in ${step.subnetId}, ${step.securityGroups}: ${step.grant.count} ${step.grant.kind}`;
  }
}

test("a node's next step", () => {
  const prefixes = { ...rules, prefixDelegation: true };
  const rows: [string, Partial<NodePicture>, string | RegExp][] = [
    ["nothing lacks", { level: { available: 8, used: 0 } }, "enough"],
    ["the first interface is the host's", {}, "new 1 in subnet-pods, sg-0: 8 addresses"],
    [
      "an interface with room is filled first",
      { interfaces: [eniOf(0), eniOf(1, { count: 4 })] },
      "eni-1: 5 addresses",
    ],
    [
      "a full one is passed over",
      { interfaces: [eniOf(0), eniOf(1, { count: 9 })] },
      "new 2 in subnet-pods, sg-0: 8 addresses",
    ],
    [
      "one with the tags to exclude is not for pods",
      { interfaces: [eniOf(0), eniOf(1, { tags: { skip: "yes" } })] },
      "new 2 in subnet-pods, sg-0: 8 addresses",
    ],
    [
      "an index that was left free is used again",
      { interfaces: [eniOf(0), eniOf(2, { count: 9 })] },
      "new 1 in subnet-pods, sg-0: 8 addresses",
    ],
    [
      "all are full",
      { interfaces: [eniOf(0), eniOf(1, { count: 9 }), eniOf(2, { count: 9 })] },
      /^stuck: an instance of type m5.large may have 3 interfaces of 10 addresses/,
    ],
    [
      "blocks instead of addresses",
      { rules: prefixes, level: { available: 0, used: 9 } },
      "new 1 in subnet-pods, sg-0: 2 prefixes",
    ],
    [
      "not on instances that cannot have them",
      { rules: prefixes, limits: { ...limits, prefixes: false } },
      "new 1 in subnet-pods, sg-0: 8 addresses",
    ],
    [
      "not in a subnet that has no whole one",
      { rules: prefixes, fragmented: new Set(["subnet-pods"]) },
      "new 1 in subnet-pods, sg-0: 8 addresses",
    ],
    [
      "as many as the subnet has, one of which is the interface's own",
      { subnets: [subnetOf({ available: 4 })] },
      "new 1 in subnet-pods, sg-0: 3 addresses",
    ],
    ["a subnet with one address", { subnets: [subnetOf({ available: 1 })] }, /^stuck: no subnet/],
    [
      "no security group",
      { interfaces: [eniOf(0, { securityGroups: [] })] },
      "stuck: no security group matches for a new interface",
    ],
  ];
  for (const [name, more, expected] of rows) {
    const found = textOf(nextStep(pictureOf(more)));
    if (typeof expected === "string") assert.equal(found, expected, name);
    else assert.match(found, expected, name);
  }
});

test("the subnet of a new interface", () => {
  const subnets = [
    subnetOf({ id: "own", available: 5 }),
    subnetOf({ id: "roomy", available: 500, tags: { use: "pods" } }),
    subnetOf({ id: "tagged", available: 50, tags: { use: "pods" } }),
    subnetOf({ id: "elsewhere", available: 5000, availabilityZone: "b", tags: { use: "pods" } }),
    subnetOf({ id: "foreign", available: 5000, vpcId: "vpc-2", tags: { use: "pods" } }),
    subnetOf({ id: "full", available: 0, tags: { use: "full" } }),
  ];
  const place = { vpcId: "vpc-1", availabilityZone: "a", nodeSubnetId: "own" };
  const none = { subnetIds: [], subnetTags: {} };
  const choose = (wishes: Partial<typeof none & { subnetTags: Record<string, string> }>) =>
    chooseSubnet(subnets, place, { ...none, ...wishes })?.id;
  assert.equal(choose({}), "own");
  assert.equal(choose({ subnetTags: { use: "pods" } }), "roomy");
  assert.equal(choose({ subnetIds: ["tagged", "elsewhere"] as never[] }), "tagged");
  assert.equal(choose({ subnetIds: ["elsewhere"] as never[] }), undefined);
  assert.equal(choose({ subnetTags: { use: "full" } }), undefined);
});

test("the security groups of a new interface", () => {
  const groups = [
    { id: "sg-b", vpcId: "vpc-1", tags: { use: "pods" } },
    { id: "sg-a", vpcId: "vpc-1", tags: { use: "pods" } },
    { id: "sg-c", vpcId: "vpc-2", tags: { use: "pods" } },
  ];
  const none = { securityGroups: [], securityGroupTags: {}, vpcId: "vpc-1" };
  const interfaces = [eniOf(1), eniOf(0)];
  const tags = { securityGroupTags: { use: "pods" } };
  assert.deepEqual(chooseSecurityGroups(groups, interfaces, none), ["sg-0"]);
  assert.deepEqual(chooseSecurityGroups(groups, interfaces, { ...none, ...tags }), [
    "sg-a",
    "sg-b",
  ]);
  const named = { ...none, ...tags, securityGroups: ["sg-x"] };
  assert.deepEqual(chooseSecurityGroups(groups, interfaces, named), ["sg-x"]);
});

test("what goes back is of one interface, unused, and of a block all or nothing", () => {
  const block = Prefix.parse("10.1.2.16/28");
  const interfaces = [
    eniOf(0, { count: 5 }),
    eniOf(1, { count: 3 }),
    eniOf(2, { prefixes: [block] }),
  ];
  const choose = (count: number, ...used: string[]) => {
    const spare = chooseSpare(interfaces, { count, used: new Set(used), rules });
    return spare && `${spare.interfaceId}: ${[...spare.secondary, ...spare.prefixes].join(" ")}`;
  };
  assert.equal(choose(2), "eni-1: 10.1.1.2 10.1.1.3");
  assert.equal(choose(2, "10.1.1.2"), "eni-1: 10.1.1.3 10.1.1.4");
  assert.equal(choose(16), "eni-2: 10.1.2.16/28");
  assert.equal(choose(15), "eni-1: 10.1.1.2 10.1.1.3 10.1.1.4");
  assert.equal(choose(16, "10.1.2.20"), "eni-1: 10.1.1.2 10.1.1.3 10.1.1.4");
  assert.equal(choose(2, "10.1.1.2", "10.1.1.3", "10.1.1.4"), undefined);
});

test("only what the agent let go goes, and never what is in use", () => {
  const block = Prefix.parse("10.1.2.16/28");
  const interfaces = [eniOf(1, { count: 3 }), eniOf(2, { prefixes: [block] })];
  const ready = (addresses: readonly string[]) =>
    Object.fromEntries(addresses.map((address) => [address, "ready-for-release"]));
  const whole = addressesOf({ secondary: [], prefixes: [block] });
  const text = (statuses: Record<string, string>, ...used: string[]) =>
    readyToGo(interfaces, statuses, new Set(used)).flatMap(({ secondary, prefixes }) =>
      [...secondary, ...prefixes].map(String),
    );
  assert.deepEqual(text({ "10.1.1.2": "marked-for-release" }), []);
  assert.deepEqual(text(ready(["10.1.1.2", "10.1.1.3"]), "10.1.1.3"), ["10.1.1.2"]);
  assert.deepEqual(text(ready(whole)), ["10.1.2.16/28"]);
  assert.deepEqual(text(ready(whole), "10.1.2.31"), []);
  assert.deepEqual(text(ready(whole.slice(1))), []);
  assert.deepEqual(text(ready(["10.9.9.9"])), []);
});

test("steps end where there is enough or no room, within every limit, whatever the node has", () => {
  const seed = Number(process.env["TSILIUM_SEED"] ?? Date.now() % 1_000_000);
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  for (let round = 0; round < 300; round++) {
    const about = `seed ${seed}, round ${round}`;
    const types: InstanceLimits = {
      ...limits,
      interfaces: 1 + random(4),
      ipv4PerInterface: 2 + random(8),
      prefixes: random(2) === 0,
    };
    const own = { ...rules, prefixDelegation: random(2) === 0, firstInterfaceIndex: random(2) };
    const watermarks = {
      minAllocate: random(12),
      maxAllocate: random(3) === 0 ? random(20) : 0,
      preAllocate: 1 + random(10),
      maxAboveWatermark: random(4),
    };
    let interfaces = [eniOf(0)];
    let free = random(120);
    const used = random(6);
    const available = () =>
      interfaces
        .filter((eni) => (eni.attachment?.deviceIndex ?? 0) >= own.firstInterfaceIndex)
        .reduce((sum, eni) => sum + podAddresses(eni, own).length, 0);
    let step: Step = { kind: "enough" };
    let steps = 0;
    let next = 0;
    for (; steps < 60; steps++) {
      const level = { available: available(), used: Math.min(used, available()) };
      const subnets = [subnetOf({ available: free })];
      step = nextStep(
        pictureOf({ interfaces, limits: types, rules: own, watermarks, level, subnets }),
      );
      if (step.kind === "enough" || step.kind === "stuck") break;
      const { grant } = step;
      assert.ok(grant.count > 0, about);
      free -= (grant.kind === "prefixes" ? 16 : 1) * grant.count;
      const more = {
        secondary: Array.from({ length: grant.kind === "addresses" ? grant.count : 0 }, () =>
          Address.fromBigInt(BigInt(0x0a02_0000 + next++), 4),
        ),
        prefixes: Array.from({ length: grant.kind === "prefixes" ? grant.count : 0 }, () =>
          Prefix.of(Address.fromBigInt(BigInt(0x0a03_0000 + 16 * next++), 4), 28),
        ),
      };
      if (step.kind === "create") {
        const { deviceIndex } = step;
        free -= 1;
        assert.ok(!interfaces.some((eni) => eni.attachment?.deviceIndex === deviceIndex), about);
        interfaces = [...interfaces, eniOf(deviceIndex, more)];
      } else {
        const { interfaceId } = step;
        interfaces = interfaces.map((eni) =>
          eni.id === interfaceId
            ? {
                ...eni,
                secondary: [...eni.secondary, ...more.secondary],
                prefixes: [...eni.prefixes, ...more.prefixes],
              }
            : eni,
        );
      }
      assert.ok(free >= 0, about);
      assert.ok(interfaces.length <= types.interfaces, about);
      for (const eni of interfaces)
        assert.ok(1 + eni.secondary.length + eni.prefixes.length <= types.ipv4PerInterface, about);
    }
    assert.ok(steps < 60, `${about}: no end`);
    const level = { available: available(), used: Math.min(used, available()) };
    if (step.kind === "enough") assert.equal(lacking(level, watermarks), 0, about);
  }
});
