import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy } from "../model.ts";
import { allow, deny, pass, pods, policy, ports, subject } from "./testing/build.ts";
import { Scene } from "./testing/scene.ts";

/** The verdict about `web` on port 80, and why. */
function verdict(policies: readonly Policy[], audit = false): string {
  return new Scene({ policies, subject: subject(1, ["app=db"], { audit }) }).ask({ peer: "web" });
}

const web = { peers: [pods("app=web")] };
const isolate = policy("isolate", [allow({ peers: [] })]);
const admin = (name: string, rules: Parameters<typeof policy>[1], priority = 10) =>
  policy(name, rules, { tier: "admin", priority });
const baseline = (name: string, rules: Parameters<typeof policy>[1], priority = 10) =>
  policy(name, rules, { tier: "baseline", priority });
const normalAllow = policy("normal", [allow(web)], { isolates: false });
const normalDeny = policy("normal", [deny(web)], { isolates: false });

const rows: readonly (readonly [name: string, policies: readonly Policy[], expected: string])[] = [
  ["an admin accept wins over a deny", [admin("a", [allow(web)]), normalDeny], "allow by a[0]"],
  [
    "an admin accept wins over a default deny",
    [admin("a", [allow(web)]), isolate],
    "allow by a[0]",
  ],
  ["an admin deny wins over an allow", [admin("a", [deny(web)]), normalAllow], "deny by a[0]"],
  [
    "an admin pass leaves it to the normal tier",
    [admin("a", [pass(web), deny(web)]), normalAllow],
    "allow by normal[0]",
  ],
  [
    "an admin pass leaves it to the default deny",
    [admin("a", [pass(web), allow(web)]), isolate],
    "deny by default of isolate",
  ],
  [
    "an admin pass leaves it to the baseline when the normal tier says nothing",
    [admin("a", [pass(web), allow(web)]), baseline("b", [deny(web)])],
    "deny by b[0]",
  ],
  [
    "an admin pass ends the tier: a later policy's rules are passed over",
    [admin("a", [pass(web)], 1), admin("b", [deny(web)], 2), normalAllow],
    "allow by normal[0]",
  ],
  [
    "of admin policies the lower number comes first",
    [admin("a", [deny(web)], 2), admin("b", [allow(web)], 1)],
    "allow by b[0]",
  ],
  [
    "of admin policies with one number the lower name comes first",
    [admin("b", [allow(web)]), admin("a", [deny(web)])],
    "deny by a[0]",
  ],
  [
    "of one policy's rules the first match counts",
    [admin("a", [allow(web), deny(web)])],
    "allow by a[0]",
  ],
  [
    "an earlier rule about other ports does not count",
    [admin("a", [allow({ ...web, ports: ports("81") }), deny(web)])],
    "deny by a[1]",
  ],
  [
    "a deny wins over an allow of the same object",
    [policy("p", [allow(web), deny(web)])],
    "deny by p[1]",
  ],
  [
    "a deny wins over an allow of another object",
    [normalAllow, policy("z", [deny(web)])],
    "deny by z[0]",
  ],
  [
    "a default deny is final: the baseline is not asked",
    [isolate, baseline("b", [allow(web)])],
    "deny by default of isolate",
  ],
  [
    "an allow is final: the baseline is not asked",
    [normalAllow, baseline("b", [deny(web)])],
    "allow by normal[0]",
  ],
  [
    "a baseline deny denies what nobody else speaks of",
    [baseline("b", [deny(web)])],
    "deny by b[0]",
  ],
  [
    "of baseline policies the lower number comes first",
    [baseline("a", [deny(web)], 2), baseline("b", [allow(web)], 1)],
    "allow by b[0]",
  ],
  [
    "what no tier speaks of is allowed",
    [baseline("b", [deny({ peers: [] })]), admin("a", [deny({ peers: [pods("app=api")] })])],
    "allow by no policy denies it",
  ],
];

for (const [name, policies, expected] of rows)
  test(name, () => assert.equal(verdict(policies), expected));

/** What a policy that denies `web` does, in each way that there is. */
const denials: readonly (readonly [
  kind: string,
  policy: (name: string) => Policy,
  reason: string,
])[] = [
  ["an admin deny", (name) => admin(name, [deny(web)]), "[0]"],
  ["a deny", (name) => policy(name, [deny(web)], { isolates: false }), "[0]"],
  ["a baseline deny", (name) => baseline(name, [deny(web)]), "[0]"],
  ["a default deny", (name) => policy(name, [allow({ peers: [] })]), "default"],
];

const reasonOf = (name: string, reason: string) =>
  reason === "default" ? `default of ${name}` : `${name}${reason}`;
const inAudit = (one: Policy): Policy => ({ ...one, enforcement: "audit" });

for (const [kind, make, reason] of denials) {
  test(`${kind} of a policy in audit mode lets through and tells`, () => {
    assert.equal(verdict([inAudit(make("p"))]), `audit by ${reasonOf("p", reason)}`);
  });

  test(`${kind} about a pod in audit mode lets through and tells`, () => {
    assert.equal(verdict([make("p")], true), `audit by ${reasonOf("p", reason)}`);
  });

  test(`${kind} is enforced beside a policy in audit mode that would allow it`, () => {
    const lenient = inAudit(admin("lenient", [allow(web)], 0));
    assert.equal(verdict([lenient, make("p")]), `deny by ${reasonOf("p", reason)}`);
  });

  test(`${kind} is enforced when a policy in audit mode denies it too`, () => {
    const strict = inAudit(admin("strict", [deny(web)], 0));
    assert.equal(verdict([strict, make("p")]), `deny by ${reasonOf("p", reason)}`);
  });
}

test("an allow is told when only a policy in audit mode would deny it", () => {
  const strict = inAudit(policy("strict", [deny(web)]));
  assert.equal(verdict([strict, policy("p", [allow(web)])]), "audit by strict[0]");
});

test("an audit policy that allows hides nothing that another one would deny by default", () => {
  const audited = inAudit(policy("audited", [allow({ peers: [pods("app=api")] })]));
  assert.equal(verdict([audited, policy("p", [allow(web)], { isolates: false })]), "allow by p[0]");
  assert.equal(verdict([audited]), "audit by default of audited");
});

test("what a policy in audit mode allows is allowed by it when nobody else speaks of it", () => {
  assert.equal(verdict([inAudit(policy("p", [allow(web)]))]), "allow by p[0]");
});

test("a default deny that is enforced names only objects that are enforced", () => {
  const audited = inAudit(policy("audited", [allow({ peers: [] })]));
  assert.equal(verdict([audited, isolate]), "deny by default of isolate");
});

test("everybody is in audit mode with policy-audit-mode", () => {
  const scene = new Scene({ policies: [isolate], settings: { audit: true } });
  assert.equal(scene.ask({ peer: "web" }), "audit by default of isolate");
});

test("the sender hears what the denying policy says, or what the agent does", () => {
  const responses = (policies: readonly Policy[]) => {
    const { compiler } = new Scene({ policies, settings: { denyResponse: "icmp" } }).node;
    const { rules, response } = compiler.slotsOf(1).ingress;
    return {
      byDefault: response,
      byRule: rules.find(({ verdict }) => verdict === "deny")?.response,
    };
  };
  const loud = policy("loud", [deny(web)], { denyResponse: "rst" });
  const silent = policy("silent", [deny(web)], { denyResponse: "drop" });
  assert.deepEqual(responses([loud]), { byDefault: "rst", byRule: "rst" });
  assert.deepEqual(responses([silent]), { byDefault: "drop", byRule: "drop" });
  assert.deepEqual(responses([policy("p", [deny(web)])]), { byDefault: "icmp", byRule: "icmp" });
  assert.deepEqual(responses([silent, isolate]), { byDefault: "drop", byRule: "drop" });
  // Two objects cause one default deny: the sender hears what any of them wants it to hear.
  assert.deepEqual(responses([loud, silent]), { byDefault: "rst", byRule: "rst" });
});
