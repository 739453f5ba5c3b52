// The engine on real maps: what is told comes into force, and what cannot be written changes nothing for the worse.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Prefix } from "@tsilium/net";
import type { PolicyInput } from "./inputs/model.ts";
import {
  address,
  Bench,
  cart,
  cluster,
  denyApp,
  fromApp,
  fromBlock,
  identity,
  networkPolicy,
  outside,
  policyGone,
  synced,
  till,
} from "./testing/bench.ts";
import { onCall } from "./testing/on-call.ts";

test("nothing is written before everything that exists was said", () => {
  using bench = new Bench();
  bench.want(1).tell(...cluster, networkPolicy("web", fromApp("cart")));
  assert.deepEqual(bench.node.counts(), { classes: 0, rules: 0, identities: 0, addresses: 0 });
  assert.deepEqual(bench.ingress(1, cart), ["not ready"]);
  bench.tell(synced);
  assert.deepEqual(bench.ingress(1, cart, till, outside), ["allow", "deny", "deny"]);
});

test("a subject that no policy selects lets everybody in", () => {
  using bench = new Bench();
  bench.tell(...cluster, synced).want(1);
  assert.deepEqual(bench.ingress(1, cart, outside), ["allow", "allow"]);
  assert.deepEqual(bench.engine.report().subjects, [
    { id: 1, ingress: "disabled", egress: "disabled" },
  ]);
});

test("policies that come, change and go are in force each time, and leave nothing behind", () => {
  using bench = new Bench();
  bench.want(1).tell(...cluster, synced);
  const empty = bench.node.counts();
  bench.tell(networkPolicy("web", fromApp("cart")));
  assert.deepEqual(bench.ingress(1, cart, till), ["allow", "deny"]);
  bench.tell(networkPolicy("web", fromApp("till"), 2));
  assert.deepEqual(bench.ingress(1, cart, till), ["deny", "allow"]);
  bench.tell(networkPolicy("blocks", fromBlock("192.0.2.0/24")));
  assert.deepEqual(bench.ingress(1, cart, till, outside), ["deny", "allow", "allow"]);
  bench.tell(policyGone("web"), policyGone("blocks"));
  assert.deepEqual(bench.ingress(1, cart, till, outside), ["allow", "allow", "allow"]);
  assert.deepEqual(bench.node.counts(), empty);
});

test("subjects that come and go leave nothing behind", () => {
  using bench = new Bench();
  bench.tell(
    ...cluster,
    networkPolicy("web", fromBlock("10.244.0.0/16", ["10.244.0.2/32"])),
    synced,
  );
  const empty = bench.node.counts();
  bench.want(1);
  assert.deepEqual(bench.ingress(1, cart, till), ["allow", "deny"]);
  bench.engine.request(1, undefined);
  bench.settle();
  assert.deepEqual(bench.ingress(1, cart), ["not ready"]);
  assert.deepEqual(bench.node.counts(), empty);
});

test("an object that is not valid keeps the version before in force, and says what is wrong", () => {
  using bench = new Bench();
  bench.want(1).tell(...cluster, networkPolicy("web", fromApp("cart")), synced);
  bench.tell(networkPolicy("web", { ingress: [{ ports: [{ port: 70_000 }] }] }, 2));
  assert.deepEqual(bench.ingress(1, cart, till), ["allow", "deny"]);
  const [report] = bench.engine.world.policies.reports();
  assert.deepEqual([report?.valid, report?.generation, report?.enforcedGeneration], [false, 2, 1]);
  assert.equal(bench.engine.report().invalidPolicies, 1);
});

test("an object that nobody could have foreseen stops no other", () => {
  using bench = new Bench();
  const odd = networkPolicy("odd", fromApp("cart"));
  assert.equal(odd.kind, "policy");
  const object = { ...odd.object, spec: null, metadata: { ...odd.object.metadata, labels: 7 } };
  bench.want(1).tell(...cluster, { ...odd, object: object as never }, synced);
  bench.tell(networkPolicy("web", fromApp("cart")));
  assert.deepEqual(bench.ingress(1, cart, till), ["allow", "deny"]);
  assert.equal(bench.engine.report().invalidPolicies, 1);
});

test("address rows that somebody else removed come back", () => {
  using bench = new Bench();
  bench.want(1).tell(...cluster, networkPolicy("web", fromBlock("10.244.0.0/24")), synced);
  const { maps } = bench.node.open();
  maps.deleteAddresses([Prefix.parse("10.244.0.1/32"), Prefix.parse("10.244.0.0/24")]);
  assert.deepEqual(bench.ingress(1, cart), ["deny"]);
  bench.engine.refresh();
  bench.settle();
  assert.deepEqual(bench.ingress(1, cart), ["allow"]);
});

test("a new identity is in the policies that select it, and moves nothing for others", () => {
  using bench = new Bench();
  bench.want(1).tell(...cluster, networkPolicy("web", fromApp("cart", "new")), synced);
  const { epoch } = bench.node;
  bench.tell(identity(303, "new"));
  assert.deepEqual(bench.ingress(1, [303, "10.244.0.3"]), ["allow"]);
  assert.equal(bench.node.epoch, epoch);
});

test("the epoch moves when policy or whose an address is changes, and not for what decides nothing", () => {
  using bench = new Bench();
  bench.want(1).tell(...cluster, synced);
  const moved = (...inputs: PolicyInput[]) => {
    const before = bench.node.epoch;
    bench.tell(...inputs);
    return bench.node.epoch - before;
  };
  const service = { kind: "service-gone", namespace: "shop", name: "s" } as const;
  assert.deepEqual(
    [
      moved(networkPolicy("web", fromApp("cart"))),
      moved(address("10.244.0.1/32", 301, "another")),
      moved(address("10.244.0.1/32", 302, "another")),
      moved(address("10.244.0.1/32", 302, "another")),
      moved({ kind: "address-gone", prefix: "10.244.0.1/32" }),
      moved(service),
    ],
    [1, 1, 1, 0, 1, 0],
  );
});

test("when the tables of a policy are full the policy before stays, and the condition tells", () => {
  using bench = new Bench({ classes: 4 });
  bench.want(1).tell(...cluster, networkPolicy("web", fromApp("cart")), synced);
  assert.deepEqual(bench.ingress(1, cart, till), ["allow", "deny"]);
  const many = Array.from({ length: 10 }, (_, index) => identity(400 + index, "till"));
  bench.tell(...many, networkPolicy("web", fromApp("till"), 2));
  assert.deepEqual(bench.ingress(1, cart, till), ["allow", "deny"]);
  assert.match(bench.conditions().join("\n"), /slot \d+: .*E2BIG/);
  assert.equal(bench.engine.isFailing, true);
  const gone = many.map((_, index): PolicyInput => ({ kind: "identity-gone", id: 400 + index }));
  bench.tell(...gone);
  bench.engine.retry();
  bench.settle();
  assert.deepEqual(bench.ingress(1, cart, till), ["deny", "allow"]);
  assert.deepEqual(bench.conditions(), []);
});

test("a denied identity that there is no room for is refused as unknown, and let be denied once there is", () => {
  using bench = new Bench({ classes: 4 });
  bench.want(1).tell(...cluster, denyApp("deny", "bad"), synced);
  assert.deepEqual(bench.ingress(1, cart, outside), ["allow", "allow"]);
  const bad = Array.from({ length: 6 }, (_, index) => 500 + index);
  bench.tell(...bad.map((id) => identity(id, "bad")));
  const verdicts = bench.ingress(1, ...bad.map((id) => [id, "10.244.1.1"] as const));
  assert.ok(
    verdicts.every((verdict) => verdict !== "allow"),
    verdicts.join(),
  );
  assert.ok(verdicts.includes("unknown identity"), verdicts.join());
  assert.deepEqual(bench.ingress(1, cart, outside), ["allow", "allow"]);
  assert.match(bench.conditions().join("\n"), /identity 50\d: /);
});

test("a full table of identities costs new peers, and no deny", () => {
  using bench = new Bench({ identities: 6 });
  bench.want(1).tell(...cluster, denyApp("deny", "bad"), synced);
  bench.tell(identity(500, "bad"), identity(501, "good"));
  assert.deepEqual(bench.ingress(1, cart, [500, "10.244.1.1"]), ["allow", "deny"]);
  assert.deepEqual(bench.ingress(1, [501, "10.244.1.2"]), ["unknown identity"]);
  assert.match(bench.conditions().join("\n"), /identity 501: .*E2BIG/);
});

test("a full table of addresses keeps a policy with exceptions from being taken for one without", () => {
  using bench = new Bench({ addresses: 5 });
  bench.want(1).tell(...cluster, networkPolicy("web", fromApp("cart")), synced);
  bench.tell(
    networkPolicy("block", fromBlock("10.244.0.0/16", ["10.244.0.2/32", "10.244.9.0/24"])),
  );
  assert.match(bench.conditions().join("\n"), /10\.244\.\d+\.0\/\d+: .*ENOSPC/);
  assert.deepEqual(bench.ingress(1, cart, till, [9, "10.244.9.1"]), ["allow", "deny", "deny"]);
});

test("a subject whose number an earlier agent used for one just alike is told to be in force", () => {
  using bench = new Bench();
  bench.want(1).tell(...cluster, synced);
  // Killed before it removed the subject; then asked for, and told of, before everything that exists was said.
  bench.restart().want(1);
  assert.deepEqual(bench.engine.report().subjects, []);
  bench.tell(...cluster, synced);
  assert.deepEqual(bench.engine.report().subjects, [
    { id: 1, ingress: "disabled", egress: "disabled" },
  ]);
  assert.deepEqual(bench.engine.report().subjects, []);
});

test("a restart takes over what is in force, switches to its own, and removes what was", () => {
  using bench = new Bench();
  const policies = [
    networkPolicy("web", fromApp("cart")),
    networkPolicy("blocks", fromBlock("192.0.2.0/24", ["192.0.2.128/25"])),
  ];
  bench.want(1).tell(...cluster, ...policies, synced);
  bench.engine.adopt();
  bench.settle();
  const before = bench.node.counts();
  const verdicts = () => bench.ingress(1, cart, till, outside, [9, "192.0.2.129"]);
  const expected = ["allow", "deny", "allow", "deny"];
  assert.deepEqual(verdicts(), expected);

  // Its endpoint's row still names subject 1; the new agent gives it number 7.
  bench
    .restart()
    .want(7)
    .tell(...cluster, ...policies);
  assert.deepEqual(verdicts(), expected);
  bench.tell(synced);
  assert.deepEqual(verdicts(), expected);
  assert.deepEqual(bench.ingress(7, cart, till, outside, [9, "192.0.2.129"]), expected);
  assert.equal(bench.engine.report().adopting, true);
  bench.engine.adopt();
  bench.settle();
  assert.deepEqual(bench.ingress(1, cart), ["not ready"]);
  assert.deepEqual(bench.ingress(7, cart, till, outside, [9, "192.0.2.129"]), expected);
  assert.deepEqual(bench.node.counts(), before);
  assert.equal(bench.engine.report().adopting, false);
});

test("a worker that dies in the middle of its work is replaced by one that ends it", () => {
  using bench = new Bench();
  bench.want(1).tell(...cluster, networkPolicy("web", fromApp("cart")), synced);
  bench.engine.adopt();
  bench.settle();
  const before = bench.node.counts();
  // Everything of the next policy is written but the switch.
  bench.restart(onCall((method) => assert.notEqual(method, "setSubjects", "killed"))).want(1);
  assert.throws(
    () => bench.tell(...cluster, networkPolicy("web", fromApp("till"), 2), synced),
    /killed/,
  );
  assert.deepEqual(bench.ingress(1, cart, till), ["allow", "deny"]);

  bench
    .restart()
    .want(1)
    .tell(...cluster, networkPolicy("web", fromApp("till"), 2), synced);
  assert.deepEqual(bench.ingress(1, cart, till), ["deny", "allow"]);
  bench.engine.adopt();
  bench.settle();
  assert.deepEqual(bench.node.counts(), before);
});

test("what events may name from now on is told once, with the policies that changed, and named the same when asked", () => {
  using bench = new Bench();
  bench.want(1).tell(...cluster, networkPolicy("web", fromApp("cart")), synced);
  const { news } = bench.engine.report();
  const names = (news?.rules ?? []).map(({ name }) => name);
  const web = { kind: "NetworkPolicy", namespace: "shop", name: "web" };
  assert.ok(names.some((name) => name.kind === "rule" && name.path === "spec.ingress[0]"));
  assert.deepEqual(
    names.filter(({ kind }) => kind === "default-deny"),
    [{ kind: "default-deny", by: [{ ref: web, path: "spec" }] }],
  );
  assert.deepEqual(news?.policies, [{ ref: web, revision: 1, rules: 1, gone: false }]);
  for (const { number, name } of news?.rules ?? [])
    assert.deepEqual(bench.engine.world.compiler.ruleName(number), name);
  assert.equal(bench.engine.report().news, undefined);
  bench.tell(policyGone("web"));
  assert.deepEqual(bench.engine.report().news?.policies, [
    { ref: web, revision: 2, rules: 0, gone: true },
  ]);
});
