import assert from "node:assert/strict";
import { test } from "node:test";
import { Prefix } from "@tsilium/net";
import { PolicyCompiler } from "./compiler.ts";
import type { PolicyDelta } from "./delta.ts";
import {
  allow,
  cidr,
  defaults,
  deny,
  identity,
  pods,
  policy,
  ports,
  selector,
  subject,
} from "./testing/build.ts";

const web = { peers: [pods("app=web")] };
const peers = [
  identity(1, ["reserved:host"]),
  identity(2, ["reserved:world"]),
  identity(300, ["app=web"]),
];

/** A compiler that knows everybody and has said so. */
function started(): PolicyCompiler {
  const compiler = new PolicyCompiler(defaults);
  for (const peer of peers) compiler.setIdentity(peer);
  compiler.commit();
  return compiler;
}

/** What a delta says, without what it does not say. */
function told(delta: PolicyDelta): Partial<PolicyDelta> {
  return Object.fromEntries(Object.entries(delta).filter(([, items]) => items.length > 0));
}

test("without changes there is nothing to tell", () => {
  const compiler = started();
  assert.deepEqual(told(compiler.commit()), {});
  compiler.setIdentity(identity(300, ["app=web"]));
  compiler.deleteIdentity(400);
  compiler.deletePolicy({ kind: "NetworkPolicy", namespace: "a", name: "none" });
  assert.deepEqual(told(compiler.commit()), {});
});

test("a subject that no policy selects is on the slot that allows everything", () => {
  const compiler = started();
  compiler.setSubject(subject(1, ["app=db"]));
  assert.deepEqual(told(compiler.commit()), { subjects: [{ subject: 1, ingress: 1, egress: 1 }] });
  assert.deepEqual(compiler.ruleName(0), { kind: "builtin", reason: "no policy selects it" });
});

test("a subject has no policy before it is compiled: the slot that is not known yet", () => {
  const compiler = started();
  compiler.setSubject(subject(1, ["app=db"]));
  const { ingress, egress } = compiler.slotsOf(1);
  assert.deepEqual([ingress.slot, egress.slot], [0, 0]);
  assert.equal(ingress.otherwise.verdict, "deny");
});

test("a policy makes a slot for whom it selects, whole and at once", () => {
  const compiler = started();
  compiler.setSubject(subject(1, ["app=db"]));
  compiler.commit();
  compiler.setPolicy(policy("p", [allow({ ...web, ports: ports("80") })]));
  assert.deepEqual(told(compiler.commit()), {
    slots: [
      {
        slot: 2,
        direction: "ingress",
        otherwise: { verdict: "deny", rule: 2 },
        response: "drop",
        portLengths: [16],
        usesCidr: false,
        defaultIgnoresCidr: false,
        knownPeersOnly: false,
        classes: [{ identity: 300, class: 1, ignoresCidr: false }],
        cidrClasses: [],
        rules: [
          {
            class: 1,
            cidrClass: 0,
            protocol: 6,
            port: 80,
            portLength: 16,
            verdict: "allow",
            response: "drop",
            rule: 1,
            proxyPort: 0,
          },
        ],
      },
    ],
    subjects: [{ subject: 1, ingress: 2, egress: 1 }],
  });
  const { ref } = policy("p", []);
  assert.deepEqual(compiler.ruleName(1), {
    kind: "rule",
    ref,
    path: "spec.rules[0]",
    matches: { peers: true, ports: "port" },
  });
  assert.deepEqual(compiler.ruleName(2), { kind: "default-deny", by: [{ ref, path: "spec" }] });
});

test("subjects that the same specs select share their slots", () => {
  const compiler = started();
  compiler.setPolicy(policy("p", [allow(web)]));
  for (const id of [1, 2, 3]) compiler.setSubject(subject(id, [`app=x${id}`]));
  const { slots, subjects } = compiler.commit();
  assert.equal(slots.length, 1);
  assert.deepEqual(new Set(subjects.map(({ ingress }) => ingress)), new Set([2]));
});

test("subjects whose own ports mean something else by a rule's names do not", () => {
  const compiler = started();
  compiler.setPolicy(policy("p", [allow({ ...web, ports: ports("http") })]));
  const http = (port: number) => ({ namedPorts: [{ name: "http", protocol: 6, port }] });
  compiler.setSubject(subject(1, ["app=a"], http(80)));
  compiler.setSubject(subject(2, ["app=a"], http(80)));
  compiler.setSubject(subject(3, ["app=a"], http(81)));
  assert.deepEqual(
    compiler.commit().subjects.map(({ ingress }) => ingress),
    [2, 2, 3],
  );
});

test("a new identity is one class entry in each slot that selects it, and nothing in others", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow(web)], { subject: selector("app=a") }));
  compiler.setPolicy(
    policy("b", [allow({ peers: [pods("app=x")] })], { subject: selector("app=b") }),
  );
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.setSubject(subject(2, ["app=b"]));
  compiler.commit();
  const { ingress } = compiler.slotsOf(1);
  compiler.setIdentity(identity(301, ["app=web"]));
  assert.deepEqual(told(compiler.commit()), {
    classes: [{ slot: ingress.slot, identity: 301, class: 1, ignoresCidr: false }],
    known: [301],
  });
});

test("an identity of a new class comes with the rules of that class", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow({ peers: [pods("app=new")], ports: ports("80") })]));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.commit();
  compiler.setIdentity(identity(301, ["app=new"]));
  const { rules, classes, slots } = compiler.commit();
  assert.deepEqual([slots.length, rules.length, classes.length], [0, 1, 1]);
  assert.equal(rules[0]?.class, classes[0]?.class);
});

test("an identity that only rules about everybody match needs no entry", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow({ ports: ports("80") })]));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.commit();
  compiler.setIdentity(identity(301, ["app=new"]));
  assert.deepEqual(told(compiler.commit()), { known: [301] });
});

test("an identity whose ports a rule about everybody names is of a class of its own, from the start", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow({ direction: "egress", ports: ports("http") })]));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.commit();
  compiler.setIdentity(identity(301, ["app=x"], [{ name: "http", protocol: 6, port: 8080 }]));
  const { rules, classes } = compiler.commit();
  assert.deepEqual(
    [rules.map(({ port }) => port), classes.map((entry) => entry.identity)],
    [[8080], [301]],
  );
});

test("an identity outside the cluster is looked at by address, from the start", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow({ peers: [cidr("10.0.0.0/8")] })]));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.commit();
  compiler.setIdentity(identity(0x01000001, ["reserved:kube-apiserver", "reserved:world"]));
  const { classes } = compiler.commit();
  assert.deepEqual(
    classes.map((entry) => [entry.identity, entry.ignoresCidr]),
    [[0x01000001, false]],
  );
});

test("an identity that goes takes its entries with it, and is forgotten", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow(web)]));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.commit();
  compiler.deleteIdentity(300);
  assert.deepEqual(told(compiler.commit()), {
    removedClasses: [{ slot: 2, identity: 300 }],
    forgotten: [300],
  });
});

test("an identity whose labels change makes new slots where it is treated otherwise, and only there", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow(web)], { subject: selector("app=a") }));
  compiler.setPolicy(
    policy("b", [allow({ peers: [pods("env=prod")] })], { subject: selector("app=b") }),
  );
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.setSubject(subject(2, ["app=b"]));
  compiler.commit();
  compiler.setIdentity(identity(300, ["app=web", "env=prod"]));
  const { slots, subjects, removedSlots, known, forgotten } = compiler.commit();
  assert.deepEqual(
    { slots: slots.length, subjects, removedSlots, known, forgotten },
    {
      slots: 1,
      subjects: [{ subject: 2, ingress: 4, egress: 1 }],
      removedSlots: [3],
      known: [],
      forgotten: [],
    },
  );
});

test("an identity's named ports make new slots where rules use their names, and only there", () => {
  const compiler = started();
  const toPort = (...names: string[]) => allow({ direction: "egress", ports: ports(...names) });
  compiler.setPolicy(policy("a", [toPort("http")], { subject: selector("app=a") }));
  compiler.setPolicy(policy("b", [toPort("dns")], { subject: selector("app=b") }));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.setSubject(subject(2, ["app=b"]));
  compiler.commit();
  compiler.setIdentity(identity(300, ["app=web"], [{ name: "http", protocol: 6, port: 80 }]));
  const { slots, subjects } = compiler.commit();
  assert.equal(slots.length, 1);
  assert.deepEqual(
    subjects.map(({ subject: id }) => id),
    [1],
  );
});

test("a policy that is set again as it was changes nothing", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow(web)]));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.commit();
  compiler.setPolicy({ ...policy("a", [allow(web)]), generation: 2, uid: "another" });
  assert.deepEqual(told(compiler.commit()), {});
});

test("a policy that changes touches only subjects that it selects, and of those only the direction", () => {
  const compiler = started();
  const both = (port: string) =>
    policy("a", [allow({ ...web, ports: ports(port) }), allow({ ...web, direction: "egress" })], {
      subject: selector("app=a"),
    });
  compiler.setPolicy(both("80"));
  compiler.setPolicy(policy("b", [allow(web)], { subject: selector("app=b") }));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.setSubject(subject(2, ["app=b"]));
  compiler.commit();
  const before = compiler.slotsOf(1);
  compiler.setPolicy(both("81"));
  const { slots, subjects, removedSlots } = compiler.commit();
  assert.deepEqual(
    slots.map(({ direction }) => direction),
    ["ingress"],
  );
  assert.deepEqual(subjects, [{ subject: 1, ingress: slots[0]?.slot, egress: before.egress.slot }]);
  assert.deepEqual(removedSlots, [before.ingress.slot]);
});

test("a rule keeps its number as long as it has its place in its object, and its name for a while after", () => {
  const compiler = started();
  compiler.setSubject(subject(1, ["app=a"]));
  const ruleOf = (port: string) => {
    compiler.setPolicy(policy("a", [allow({ ...web, ports: ports(port) })]));
    compiler.commit();
    return compiler.slotsOf(1).ingress.rules[0]?.rule;
  };
  const number = ruleOf("80");
  assert.equal(ruleOf("81"), number);
  compiler.deletePolicy(policy("a", []).ref);
  compiler.commit();
  assert.deepEqual(compiler.ruleName(number ?? 0), {
    kind: "rule",
    ref: policy("a", []).ref,
    path: "spec.rules[0]",
    matches: { peers: true, ports: "port" },
  });
});

test("what a rule looks at, and what it has flows say, are part of its name", () => {
  const compiler = started();
  compiler.setSubject(subject(1, ["app=a"]));
  const namesOf = (log: string | undefined, ...rules: Parameters<typeof policy>[1]) => {
    const { specs, ...rest } = policy("a", rules);
    compiler.setPolicy({ ...rest, specs: specs.map((spec) => ({ ...spec, ...(log && { log }) })) });
    compiler.commit();
    const numbers = new Set(compiler.slotsOf(1).ingress.rules.map(({ rule }) => rule));
    return Array.from(numbers, (number) => compiler.ruleName(number)).map((name) => {
      assert.ok(name?.kind === "rule");
      return `${name.matches?.peers} ${name.matches?.ports} ${name.log}`;
    });
  };
  const wholeTcp = [{ kind: "range", protocol: 6, first: 0, last: 65_535 }] as const;
  assert.deepEqual(namesOf(undefined, allow(web)), ["true any undefined"]);
  assert.deepEqual(namesOf("seen", allow(web)), ["true any seen"]);
  assert.deepEqual(namesOf("seen", allow({ ...web, ports: ports("80") })), ["true port seen"]);
  assert.deepEqual(namesOf("seen", allow({ ports: ports("80") })), ["false port seen"]);
  assert.deepEqual(namesOf("seen", allow({ peers: undefined, ports: wholeTcp })), [
    "false protocol seen",
  ]);
});

test("a compiler that starts after another stays clear of its numbers", () => {
  const compiler = new PolicyCompiler(defaults, { firstSlot: 500, firstRule: 9000 });
  for (const peer of peers) compiler.setIdentity(peer);
  compiler.setPolicy(policy("a", [allow(web)]));
  compiler.setSubject(subject(1, ["app=a"]));
  const [slot] = compiler.commit().slots;
  assert.deepEqual([slot?.slot, slot?.rules[0]?.rule], [500, 9000]);
});

test("a subject that goes takes its slots with it, unless others use them", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow(web)]));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.setSubject(subject(2, ["app=b"]));
  compiler.commit();
  compiler.deleteSubject(1);
  assert.deepEqual(told(compiler.commit()), { removedSubjects: [1] });
  compiler.deleteSubject(2);
  assert.deepEqual(told(compiler.commit()), { removedSubjects: [2], removedSlots: [2] });
});

test("a subject that goes and comes back before anybody was told is a subject that changed", () => {
  const compiler = started();
  compiler.setPolicy(policy("a", [allow(web)], { subject: selector("app=a") }));
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.commit();
  compiler.deleteSubject(1);
  compiler.setSubject(subject(1, ["app=b"]));
  assert.deepEqual(told(compiler.commit()), {
    subjects: [{ subject: 1, ingress: 1, egress: 1 }],
    removedSlots: [2],
  });
});

test("cidr-sets only say which of the classes that a slot has they are", () => {
  const compiler = started();
  compiler.setPolicy(
    policy("a", [deny({ peers: [cidr("10.0.0.0/8")] }), allow({ peers: [cidr("10.1.0.0/16")] })]),
  );
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.commit();
  const prefixes = [...compiler.prefixes().values()];
  compiler.setCidrSet(1, prefixes);
  compiler.setCidrSet(2, prefixes.slice(0, 1));
  const { cidrClasses, rules } = compiler.commit();
  assert.deepEqual([cidrClasses.map(({ cidrSet }) => cidrSet), rules], [[1, 2], []]);
  compiler.deleteCidrSet(1);
  assert.deepEqual(told(compiler.commit()), { removedCidrClasses: [{ slot: 2, cidrSet: 1 }] });
});

test("a cidr-set that is older than a prefix of the slot is judged by the prefixes that it has", () => {
  const compiler = started();
  const [wide, narrow] = ["10.0.0.0/8", "10.1.0.0/16"].map((text) => Prefix.parse(text)) as [
    Prefix,
    Prefix,
  ];
  compiler.setPolicy(
    policy("a", [deny({ peers: [cidr(`${narrow}`)] }), allow({ peers: [cidr(`${wide}`)] })]),
  );
  compiler.setSubject(subject(1, ["app=a"]));
  compiler.commit();
  compiler.setCidrSet(1, [narrow]);
  const { rules, cidrClasses } = compiler.commit();
  assert.deepEqual(
    rules.map(({ cidrClass, verdict }) => ({ cidrClass, verdict })),
    [{ cidrClass: cidrClasses[0]?.class, verdict: "deny" }],
  );
});
