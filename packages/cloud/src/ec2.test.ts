// AWS's own client against the simulation, over HTTP.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { CloudError, type NewInterface } from "./index.ts";
import { startAccount, type TestAccount } from "./testing/account.ts";
import { writeCredentials } from "./testing/credentials.ts";

// From when a test begins: other files' tests run in this process before ours.
let signal: AbortSignal;
beforeEach(() => {
  signal = AbortSignal.timeout(30_000);
});

function newInterface(more: Partial<NewInterface> = {}): NewInterface {
  return {
    subnetId: "subnet-a-pods",
    securityGroups: ["sg-pods"],
    description: "for a test",
    tags: { owner: "test" },
    grant: { kind: "addresses", count: 3 },
    clientToken: "token-1",
    ...more,
  };
}

function runNode(account: TestAccount, type = "m5.large") {
  return account.world.runInstance({ type, subnetId: "subnet-a", groups: ["sg-nodes"] });
}

async function failing(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof CloudError, String(error));
    return `${error.code} ${error.reason}`;
  }
  return "no error";
}

test("an account is read as it is, also by small pages", async () => {
  await using account = await startAccount();
  const nodes = Array.from({ length: 13 }, () => runNode(account));
  const cloud = await account.connect({ pageSize: 5 });
  const instances = await cloud.instances({ signal });
  assert.deepEqual(
    instances.map(({ id }) => id),
    nodes.map(({ id }) => id),
  );
  assert.equal(account.server.countOf("DescribeInstances"), 3);
  const interfaces = await cloud.interfaces({ signal });
  assert.equal(interfaces.length, 13);
  assert.deepEqual(
    [
      interfaces[0]?.attachment?.instanceId,
      interfaces[0]?.attachment?.deviceIndex,
      String(interfaces[0]?.primary),
    ],
    [nodes[0]?.id, 0, "10.0.1.4"],
  );
  const subnets = await cloud.subnets({ tags: { use: "pods" }, signal });
  assert.deepEqual(
    subnets.map(({ id, available, cidr }) => `${id} ${cidr} ${available}`),
    ["subnet-a-pods 100.64.1.0/24 251"],
  );
  const [vpc] = await cloud.vpcs(signal);
  assert.equal(vpc?.cidrs.join(" "), "10.0.0.0/16 100.64.0.0/16");
  assert.deepEqual(
    (await cloud.securityGroups(signal)).map(({ id, tags }) => `${id} ${tags["use"]}`),
    ["sg-nodes undefined", "sg-pods pods"],
  );
});

test("limits are those of the types that the cloud knows", async () => {
  await using account = await startAccount();
  const cloud = await account.connect();
  const limits = await cloud.limits(["m5.large", "t2.micro", "z9.huge"], signal);
  assert.deepEqual(
    limits.map((each) => [each.type, each.interfaces, each.ipv4PerInterface, each.prefixes]),
    [
      ["m5.large", 3, 10, true],
      ["t2.micro", 2, 2, false],
    ],
  );
});

test("an interface is made, attached, given more, relieved and deleted", async () => {
  await using account = await startAccount();
  const { id: instanceId } = runNode(account);
  const cloud = await account.connect();
  const made = await cloud.createInterface(newInterface(), signal);
  assert.deepEqual(
    [made.secondary.length, made.state, made.tags, made.securityGroups],
    [3, "available", { owner: "test" }, ["sg-pods"]],
  );
  const attachmentId = await cloud.attachInterface(
    { interfaceId: made.id, instanceId, deviceIndex: 1 },
    signal,
  );
  await cloud.deleteOnTermination({ interfaceId: made.id, attachmentId }, signal);
  const got = await cloud.grant(made.id, { kind: "addresses", count: 2 }, signal);
  const blocks = await cloud.grant(made.id, { kind: "prefixes", count: 1 }, signal);
  assert.deepEqual([got.secondary.length, blocks.prefixes.map(({ length }) => length)], [2, [28]]);
  await cloud.revoke(made.id, { secondary: got.secondary, prefixes: blocks.prefixes }, signal);
  // Twice is fine: an answer may have been lost.
  await cloud.revoke(made.id, { secondary: got.secondary, prefixes: [] }, signal);
  const seen = (await cloud.interfaces({ signal })).find(({ id }) => id === made.id);
  assert.deepEqual(
    [seen?.secondary.map(String), seen?.prefixes, seen?.attachment?.deleteOnTermination],
    [made.secondary.map(String), [], true],
  );
  assert.equal(
    await failing(cloud.deleteInterface(made.id, signal)),
    "in_use InvalidParameterValue",
  );
  account.world.terminate(instanceId);
  await cloud.deleteInterface(made.id, signal);
  assert.equal(account.world.interfaces.size, 0);
});

test("what EC2 refuses is told by code", async () => {
  await using account = await startAccount();
  const { id: instanceId } = runNode(account, "t2.micro");
  const cloud = await account.connect({ maxAttempts: 2 });
  const make = (more: Partial<NewInterface>) =>
    cloud.createInterface(newInterface({ clientToken: String(Math.random()), ...more }), signal);
  const attach = (interfaceId: string, deviceIndex: number) =>
    cloud.attachInterface({ interfaceId, instanceId, deviceIndex }, signal);
  const addresses = (count: number) => ({ kind: "addresses", count }) as const;
  const rows: [string, () => Promise<unknown>][] = [
    ["no_addresses InsufficientFreeAddressesInSubnet", () => make({ grant: addresses(300) })],
    ["no_prefixes InsufficientCidrBlocks", () => make({ grant: { kind: "prefixes", count: 17 } })],
    ["not_found InvalidSubnetID.NotFound", () => make({ subnetId: "subnet-x" })],
    ["not_found InvalidGroup.NotFound", () => make({ securityGroups: ["sg-x"] })],
    ["not_found InvalidNetworkInterfaceID.NotFound", () => attach("eni-x", 1)],
    [
      "index_in_use InvalidParameterValue",
      async () => attach((await make({ grant: addresses(1) })).id, 0),
    ],
    [
      "limit_exceeded PrivateIpAddressLimitExceeded",
      async () => attach((await make({ grant: addresses(2) })).id, 1),
    ],
    [
      "limit_exceeded AttachmentLimitExceeded",
      async () => {
        await attach((await make({ grant: addresses(1) })).id, 1);
        await attach((await make({ grant: addresses(1) })).id, 2);
      },
    ],
  ];
  for (const [expected, call] of rows) assert.equal(await failing(call()), expected);
});

test("wrong keys are refused, and are in no error's text", async () => {
  await using account = await startAccount();
  const secretAccessKey = "not-the-secret-of-it";
  using file = writeCredentials({ accessKeyId: "AKIDEXAMPLE", secretAccessKey });
  const cloud = await account.connect({ credentialsFile: file.file });
  const error = await cloud.vpcs(signal).catch((reason: unknown) => reason);
  assert.ok(error instanceof CloudError);
  assert.equal(`${error.code} ${error.reason}`, "forbidden SignatureDoesNotMatch");
  assert.ok(!`${error.message}${error.stack}`.includes(secretAccessKey));
  const missing = await account.connect({ credentialsFile: "/nonexistent/credentials" });
  assert.match(await failing(missing.vpcs(signal)), /^(forbidden|unavailable) /);
});

test("calls that the cloud refuses for their rate are made again, later", async () => {
  await using account = await startAccount({ limit: { perSecond: 20, burst: 2 } });
  const outcomes: string[] = [];
  const cloud = await account.connect({ onCall: (_, outcome) => outcomes.push(outcome) });
  await Promise.all(Array.from({ length: 4 }, () => cloud.vpcs(signal)));
  assert.deepEqual(outcomes, ["ok", "ok", "ok", "ok"]);
  assert.ok(account.server.throttled > 0, "nothing was throttled");
});

test("a cloud that stays busy is an error in the end", async () => {
  await using account = await startAccount();
  const busy = { kind: "refuse", status: 503, code: "RequestLimitExceeded" } as const;
  account.server.order("DescribeVpcs", busy, busy);
  const cloud = await account.connect({ maxAttempts: 2 });
  assert.equal(await failing(cloud.vpcs(signal)), "throttled RequestLimitExceeded");
  assert.equal((await cloud.vpcs(signal)).length, 1);
});

test("an interface whose making was not heard of is made once", async () => {
  await using account = await startAccount();
  account.server.order("CreateNetworkInterface", { kind: "lose-answer" });
  const cloud = await account.connect();
  const made = await cloud.createInterface(newInterface(), signal);
  assert.deepEqual([...account.world.interfaces.keys()], [made.id]);
  assert.equal(account.server.countOf("CreateNetworkInterface"), 2);
});

test("who may not write changes nothing, and still reads", async () => {
  await using account = await startAccount();
  const cloud = await account.connect({
    mayWrite: () => {
      throw new Error("leads no more");
    },
  });
  await assert.rejects(cloud.createInterface(newInterface(), signal), { message: "leads no more" });
  assert.equal((await cloud.vpcs(signal)).length, 1);
  assert.equal(account.server.countOf("CreateNetworkInterface"), 0);
});

test("an abort ends a call with the signal's own reason", async () => {
  await using account = await startAccount();
  account.server.order("DescribeVpcs", { kind: "delay", ms: 5_000 });
  const cloud = await account.connect();
  const stopping = new AbortController();
  const call = cloud.vpcs(stopping.signal);
  stopping.abort(new Error("enough"));
  await assert.rejects(call, { message: "enough" });
});

test("reads lag behind writes where the simulation is told so", async () => {
  await using account = await startAccount({ setup: { readLagMs: 500 } });
  const cloud = await account.connect();
  const made = await cloud.createInterface(newInterface(), signal);
  assert.deepEqual(await cloud.interfaces({ signal }), []);
  for (const deadline = Date.now() + 5_000; Date.now() < deadline;) {
    const [seen] = await cloud.interfaces({ signal });
    if (seen) return assert.equal(seen.id, made.id);
  }
  assert.fail("it is never seen");
});

test("a prefix is a block of the subnet that nobody has an address of", async () => {
  await using account = await startAccount();
  const { id: instanceId } = runNode(account);
  const cloud = await account.connect();
  const made = await cloud.createInterface(
    newInterface({ grant: { kind: "prefixes", count: 2 } }),
    signal,
  );
  await cloud.attachInterface({ interfaceId: made.id, instanceId, deviceIndex: 1 }, signal);
  assert.ok(made.primary.equals(Address.parse("100.64.1.4")));
  const expected = ["100.64.1.16/28", "100.64.1.32/28"].map((text) => Prefix.parse(text));
  assert.deepEqual(made.prefixes.map(String), expected.map(String));
});
