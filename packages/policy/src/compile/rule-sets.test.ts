// Rule sets and their ports: the same content has one, whatever asks for it, and it goes when nobody does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import type { PolicyKind, RuleSet } from "../model.ts";
import { SlotError } from "./errors.ts";
import type { RuleSetPorts } from "./rule-set-ports.ts";
import {
  allow,
  defaults,
  identity,
  pods,
  policy,
  ports,
  selector,
  subject,
} from "./testing/build.ts";
import { http, kafka } from "./testing/l7.ts";
import { TestNode } from "./testing/node.ts";

/** Ports from 10 on, counted, of which there are so many. */
class Ports implements RuleSetPorts {
  readonly held = new Map<number, { readonly ruleSet: RuleSet; readonly content: string }>();
  readonly contents: string[] = [];
  readonly #most: number;

  constructor(most = 100) {
    this.#most = most;
  }

  acquire(ruleSet: RuleSet, content: string): number {
    if (this.held.size >= this.#most) throw new SlotError("no_port_left", "no listener is left");
    let port = 10;
    while (this.held.has(port)) port++;
    this.held.set(port, { ruleSet, content });
    this.contents.push(content);
    return port;
  }

  release(port: number): void {
    assert.ok(this.held.delete(port), `port ${port} is not held`);
  }
}

const web = pods("app=web");
const l7 = (name: string, ...paths: string[]) =>
  policy(name, [allow({ peers: [web], ports: ports("80"), l7: http(paths) })]);

function nodeWith(given: Ports, ...subjects: ReturnType<typeof subject>[]): TestNode {
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
  const given = new Ports();
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
  const [one, other] = [new Ports(), new Ports()];
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

test("without a port left a subject keeps the slot that it has, and gets the new one when there is", () => {
  const given = new Ports(1);
  const node = nodeWith(given, subject(1, ["app=db"]), subject(2, ["app=x"]));
  node.compiler.setPolicy({ ...l7("p", "/a") });
  node.compiler.commit();
  const before = node.compiler.slotsOf(1).ingress.slot;
  node.compiler.setPolicy(
    policy("q", [allow({ peers: [web], ports: ports("80"), l7: http(["/b"]) })], {
      subject: selector("app=db"),
    }),
  );
  const { failed } = node.compiler.commit();
  assert.deepEqual(failed, [{ subject: 1, direction: "ingress", reason: "no listener is left" }]);
  assert.equal(node.compiler.slotsOf(1).ingress.slot, before);
  assert.equal(given.held.size, 1);
  node.compiler.deletePolicy({ kind: "CiliumNetworkPolicy", namespace: "", name: "p" });
  node.compiler.commit();
  const delta = node.compiler.commit();
  assert.deepEqual([delta.failed, given.held.size], [[], 1]);
});

test("a peer for whose rule set there is no port is not taken for known", () => {
  const given = new Ports(1);
  const node = nodeWith(given, subject(1, ["app=db"]));
  node.compiler.setPolicy(
    policy("p", [
      allow({ peers: [web], ports: ports("80"), l7: http(["/a"]) }),
      allow({ peers: [pods("app=new")], ports: ports("80"), l7: http(["/b"]) }),
    ]),
  );
  node.commit();
  node.compiler.setIdentity(identity(302, ["app=new"]));
  const delta = node.compiler.commit();
  assert.deepEqual([delta.known, delta.classes], [[], []]);
  assert.equal(delta.failed.length, 1);
  assert.equal(given.held.size, 1);
});

test("rules that allow nothing beside others of another kind are told", () => {
  const node = nodeWith(new Ports(), subject(1, ["app=db"]));
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
  const node = nodeWith(new Ports(), subject(1, ["app=db"]));
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
