// Rule sets and their ports: the same content has one, whatever asks for it, and it goes when nobody does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import type { Policy, PolicyKind } from "../model.ts";
import {
  allow,
  defaults,
  deny,
  identity,
  pods,
  policy,
  ports,
  selector,
  subject,
} from "./testing/build.ts";
import { http, kafka } from "./testing/l7.ts";
import { TestNode } from "./testing/node.ts";
import { FewPorts } from "./testing/few-ports.ts";

const web = pods("app=web");
const l7 = (name: string, ...paths: string[]) =>
  policy(name, [allow({ peers: [web], ports: ports("80"), l7: http(paths) })]);

function nodeWith(given: FewPorts, ...subjects: ReturnType<typeof subject>[]): TestNode {
  const node = new TestNode(defaults, [], given);
  node.compiler.setIdentity(identity(300, ["app=web"]));
  node.compiler.setIdentity(identity(301, ["app=api"]));
  for (const one of subjects) node.compiler.setSubject(one);
  return node;
}

const decided = (node: TestNode, of = 1, peer = 300) =>
  node.decide({
    subject: of,
    direction: "ingress",
    identity: peer,
    address: Address.parse("192.0.2.1"),
    protocol: 6,
    port: 80,
  });

test("the same content has one port in all slots, and is let go with the last", () => {
  const given = new FewPorts();
  const node = nodeWith(given, subject(1, ["app=db"]), subject(2, ["app=db", "x"]));
  node.compiler.setPolicy(l7("p", "/a"));
  node.compiler.setPolicy(policy("q", [allow({ peers: [] })], { subject: selector("x") }));
  node.commit();
  const slots = [1, 2].map((id) => node.compiler.slotsOf(id).ingress.slot);
  assert.notEqual(slots[0], slots[1]);
  assert.equal(decided(node, 1).ruleSet, decided(node, 2).ruleSet);
  assert.equal(given.held.size, 1);
  node.compiler.deleteSubject(2);
  node.commit();
  assert.equal(given.held.size, 1);
  node.compiler.setPolicy(l7("p", "/b"));
  node.commit();
  assert.deepEqual(
    [...given.held.values()].map(({ ruleSet }) => ruleSet.rules.map(({ match }) => match)),
    [[{ path: "/b", method: undefined, host: undefined, headers: [] }]],
  );
  node.compiler.deletePolicy({
    kind: "CiliumNetworkPolicy" as PolicyKind,
    namespace: "",
    name: "p",
  });
  node.commit();
  assert.equal(given.held.size, 0);
});

test("content says whose rules they are, and is the same text in another compiler with other numbers", () => {
  const [one, other] = [new FewPorts(), new FewPorts()];
  const first = nodeWith(one, subject(1, ["app=db"]));
  first.compiler.setPolicy(l7("p", "/a"));
  first.commit();
  const second = nodeWith(other, subject(1, ["app=db"]));
  for (const name of ["x", "y"]) second.compiler.setPolicy(l7(name, `/${name}`));
  second.commit();
  for (const name of ["x", "y"])
    second.compiler.deletePolicy({ kind: "CiliumNetworkPolicy", namespace: "", name });
  second.compiler.setPolicy(l7("p", "/a"));
  second.commit();
  const [a] = one.held.values();
  const [b] = other.held.values();
  assert.equal(a?.content, b?.content);
  assert.notDeepEqual(a?.ruleSet, b?.ruleSet);
  second.compiler.deletePolicy({ kind: "CiliumNetworkPolicy", namespace: "", name: "p" });
  second.compiler.setPolicy(l7("another", "/a"));
  second.commit();
  assert.notEqual([...other.held.values()][0]?.content, a?.content);
});

const denyingL7 = (name: string, path: string, more: Parameters<typeof policy>[1] = []) =>
  policy(name, [allow({ peers: [web], ports: ports("80"), l7: http([path]) }), ...more], {
    subject: selector("app=db"),
  });
const gone = (name: string) => ({ kind: "CiliumNetworkPolicy", namespace: "", name }) as const;

test("without a port left what needs one is denied in the name of its rules, and all else is in force at once", () => {
  const given = new FewPorts(1);
  const node = nodeWith(given, subject(1, ["app=db"]), subject(2, ["app=x"]));
  node.compiler.setPolicy(l7("p", "/a"));
  node.commit();
  assert.equal(decided(node, 1, 301).verdict, "deny");
  // A deny and a plain allow come with rules for which there is no listener.
  const more = [
    deny({ peers: [pods("app=bad")] }),
    allow({ peers: [pods("app=api")], ports: ports("80") }),
  ];
  node.compiler.setIdentity(identity(302, ["app=bad"]));
  node.compiler.setPolicy(denyingL7("q", "/b", more));
  assert.deepEqual(
    node.commit().flatMap(({ failed }) => failed),
    [],
  );
  assert.deepEqual(
    [300, 301, 302].map((peer) => decided(node, 1, peer).verdict),
    ["deny", "allow", "deny"],
  );
  const { name } = decided(node);
  assert.ok(name?.kind === "default-deny");
  assert.deepEqual(
    name.by.map(({ ref, path }) => [ref.name, path]),
    [
      ["p", "spec.rules[0]"],
      ["q", "spec.rules[0]"],
    ],
  );
  const end = (of: ReturnType<typeof identity>) => ({
    identity: of.id,
    labels: of.labels,
    address: undefined,
  });
  const { ingress } = node.compiler.explain({
    from: end(identity(300, ["app=web"])),
    to: { ...end(identity(1001, ["app=db"])), subject: 1 },
    protocol: 6,
    port: 80,
  });
  assert.deepEqual(
    [ingress.verdict, ingress.l7, ingress.defaultDenyBy.map(({ name: of }) => of)],
    ["denied", undefined, ["p", "q"]],
  );
  assert.deepEqual([decided(node, 2).verdict, given.held.size], ["redirect", 1]);
  assert.deepEqual(
    node.compiler.missingListeners().map(({ ruleSet }) => [ruleSet.kind, ruleSet.rules.length]),
    [["http", 2]],
  );
  node.compiler.deletePolicy(gone("p"));
  node.commit();
  assert.deepEqual([decided(node).verdict, decided(node).ruleSet?.rules.length], ["redirect", 1]);
  assert.deepEqual([node.compiler.missingListeners(), given.held.size], [[], 1]);
});

test("a peer for whose rule set there is no port is known, and denied until there is one", () => {
  const given = new FewPorts(1);
  const node = nodeWith(given, subject(1, ["app=db"]), subject(2, ["app=other"]));
  const fromNew = allow({ peers: [pods("app=new")], ports: ports("80"), l7: http(["/b"]) });
  node.compiler.setPolicy(denyingL7("p", "/a", [fromNew]));
  node.commit();
  node.compiler.setIdentity(identity(302, ["app=new"]));
  assert.deepEqual(node.commit()[0]?.known, [302]);
  assert.deepEqual(
    [300, 302].map((peer) => decided(node, 1, peer).verdict),
    ["redirect", "deny"],
  );
  const { slot } = node.compiler.slotsOf(1).ingress;
  node.commit();
  assert.equal(node.compiler.slotsOf(1).ingress.slot, slot);
  given.most = 2;
  node.commit();
  assert.deepEqual(
    [300, 302].map((peer) => decided(node, 1, peer).verdict),
    ["redirect", "redirect"],
  );
});

test("audit mode denies nothing for want of a listener either", () => {
  const node = nodeWith(new FewPorts(0), { ...subject(1, ["app=db"]), audit: true });
  node.compiler.setPolicy(l7("p", "/a"));
  node.commit();
  assert.deepEqual([decided(node).verdict, decided(node).name?.kind], ["audit", "default-deny"]);
});

test("a listener counts for the namespace whose rules are in its set, also beside and under the whole cluster's", () => {
  const given = new FewPorts();
  const node = nodeWith(given, subject(1, ["app=db"]));
  const inNamespace = (namespace: string, made: Policy): Policy => ({
    ...made,
    ref: { ...made.ref, namespace },
  });
  const told = (...policies: Policy[]) => {
    for (const one of policies) node.compiler.setPolicy(one);
    node.commit();
    return given.namespaces.splice(0);
  };
  assert.deepEqual(told(denyingL7("all", "/all")), [""]);
  assert.deepEqual(told(inNamespace("shop", denyingL7("p", "/a"))), ["shop"]);
  const plain = policy("p", [allow({ peers: [web], ports: ports("80") })], {
    subject: selector("app=db"),
  });
  assert.deepEqual(told(inNamespace("shop", plain)), ["shop"]);
});

test("listeners that come up are given to some slots at a time, until none is left or needed", () => {
  const given = new FewPorts(0);
  const apps = Array.from({ length: 50 }, (_, index) => `app=db-${index}`);
  const node = nodeWith(given, ...apps.map((app, index) => subject(index + 1, [app])));
  for (const [index, app] of apps.entries()) {
    const rules = [allow({ peers: [web], ports: ports("80"), l7: http([`/${index}`]) })];
    node.compiler.setPolicy(policy(`p-${index}`, rules, { subject: selector(app) }));
  }
  node.commit();
  assert.equal(node.compiler.missingListeners().length, 50);
  given.most = 40;
  assert.equal(node.compiler.commit().slots.length, 16);
  let rounds = 0;
  for (; node.compiler.hasListenersForMore; rounds++) node.compiler.commit();
  assert.deepEqual([rounds, node.compiler.missingListeners().length], [2, 10]);
  assert.deepEqual(node.compiler.commit().slots, []);
});

test("rules that allow nothing beside others of another kind are told", () => {
  const node = nodeWith(new FewPorts(), subject(1, ["app=db"]));
  node.compiler.setPolicy(l7("a", "/a"));
  node.compiler.setPolicy(
    policy("b", [allow({ peers: [web, pods("app=api")], ports: ports("80"), l7: kafka("x") })]),
  );
  node.commit();
  assert.deepEqual(
    node.compiler.conflicts().map(({ ref, path, by }) => [ref.name, path, by.ref.name]),
    [["b", "spec.rules[0]", "a"]],
  );
  assert.deepEqual(
    [decided(node).ruleSet?.kind, decided(node, 1, 301).ruleSet?.kind],
    ["http", "kafka"],
  );
});

test("names and patterns that policies of this node's pods look for are told, others are not", () => {
  const node = nodeWith(new FewPorts(), subject(1, ["app=db"]));
  const to = (name: string, selects: string) =>
    policy(name, [allow({ direction: "egress", peers: [{ kind: "fqdn", matchName: name }] })], {
      subject: selector(selects),
    });
  node.compiler.setPolicy(to("b.test", "app=db"));
  node.compiler.setPolicy(to("a.test", "app=db"));
  node.compiler.setPolicy(to("elsewhere.test", "app=other"));
  node.commit();
  assert.deepEqual(node.compiler.fqdnSelectors(), ["a.test", "b.test"]);
});
