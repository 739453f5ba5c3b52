import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyDelta } from "./delta.ts";
import { KernelPolicy } from "../testing/player/kernel-policy.ts";
import { PolicyCompiler } from "./compiler.ts";
import { allow, defaults, deny, identity, pods, policy, ports, subject } from "./testing/build.ts";

/** One entry for everybody, and one each for peers of as many kinds. */
const denials = (count: number) =>
  policy("p", [
    allow({ ports: ports("80") }),
    ...Array.from({ length: count }, (_, kind) => deny({ peers: [pods(`kind=${kind}`)] })),
  ]);

const peer = (kind: number) => identity(300 + kind, [`kind=${kind}`]);

/** With a subject whose policy has room for the peers that there are, and for one kind more. */
function nearlyFull(): { readonly compiler: PolicyCompiler; readonly kernel: KernelPolicy } {
  const compiler = new PolicyCompiler(defaults, { maxRules: 4 });
  const kernel = new KernelPolicy();
  for (const kind of [0, 1]) compiler.setIdentity(peer(kind));
  compiler.setPolicy(denials(9));
  compiler.setSubject(subject(1, ["app=db"]));
  write(kernel, compiler.commit());
  return { compiler, kernel };
}

/** Writes what could be built; the kernel does not hear of the rest. */
function write(kernel: KernelPolicy, delta: PolicyDelta): void {
  kernel.apply({ ...delta, failed: [] });
}

function decide(kernel: KernelPolicy, kind: number): string {
  const packet = { subject: 1, direction: "ingress", cidrSet: 0, protocol: 6, port: 80 } as const;
  return kernel.decide({ ...packet, identity: peer(kind).id }).verdict;
}

test("a policy that has no room leaves the one in force, and says whose it is", () => {
  const { compiler, kernel } = nearlyFull();
  const before = compiler.slotsOf(1).ingress;
  const huge = policy("huge", [allow({ ports: ports("1", "3", "5", "7", "9", "11", "13", "15") })]);
  compiler.setPolicy(huge);
  const delta = compiler.commit();
  write(kernel, delta);
  assert.deepEqual(delta.failed, [
    { subject: 1, direction: "ingress", reason: "more than 4 entries in one policy" },
  ]);
  assert.deepEqual([delta.slots, delta.subjects, delta.removedSlots], [[], [], []]);
  assert.deepEqual(compiler.slotsOf(1).ingress, before);
  assert.equal(decide(kernel, 0), "deny");
});

test("what had no room is built when there is room", () => {
  const { compiler, kernel } = nearlyFull();
  const huge = policy("huge", [allow({ ports: ports("1", "3", "5", "7", "9", "11", "13", "15") })]);
  compiler.setPolicy(huge);
  write(kernel, compiler.commit());
  compiler.setPolicy(policy("huge", [allow()]));
  const { failed, subjects } = compiler.commit();
  assert.deepEqual([failed.length, subjects.length], [0, 1]);
});

test("a policy that has no room and goes again is told of as over, though nothing else changed", () => {
  const { compiler } = nearlyFull();
  const before = compiler.slotsOf(1);
  compiler.setPolicy(policy("huge", [allow({ ports: ports("1", "3", "5", "7", "9") })]));
  assert.equal(compiler.commit().failed.length, 1);
  compiler.deletePolicy(policy("huge", []).ref);
  const { failed, subjects } = compiler.commit();
  assert.deepEqual(failed, []);
  assert.deepEqual(subjects, [
    { subject: 1, ingress: before.ingress.slot, egress: before.egress.slot },
  ]);
});

test("a pod whose first policy has no room is let do nothing", () => {
  const compiler = new PolicyCompiler(defaults, { maxRules: 1 });
  compiler.setPolicy(policy("p", [allow({ ports: ports("1", "3") })]));
  compiler.setSubject(subject(1, ["app=db"]));
  const { subjects, failed } = compiler.commit();
  assert.deepEqual([subjects, failed.length], [[{ subject: 1, ingress: 0, egress: 1 }], 1]);
  assert.equal(compiler.slotsOf(1).ingress.otherwise.verdict, "deny");
});

test("peers that a slot has no room for are refused, never taken for strangers: a full table loses no deny", () => {
  const { compiler, kernel } = nearlyFull();
  for (const kind of [2, 3, 4, 5]) compiler.setIdentity(peer(kind));
  const delta = compiler.commit();
  write(kernel, delta);
  assert.equal(delta.failed.length, 1);
  const verdicts = [0, 1, 2, 3, 4, 5].map((kind) => decide(kernel, kind));
  assert.deepEqual(verdicts.slice(0, 2), ["deny", "deny"]);
  for (const verdict of verdicts) assert.ok(["deny", "unknown peer"].includes(verdict), verdict);
  assert.ok(verdicts.includes("unknown peer"));

  // With less to say there is room for all of them.
  compiler.setPolicy(denials(3));
  write(kernel, compiler.commit());
  assert.deepEqual(
    [0, 2, 3, 5].map((kind) => decide(kernel, kind)),
    ["deny", "deny", "allow", "allow"],
  );
});
