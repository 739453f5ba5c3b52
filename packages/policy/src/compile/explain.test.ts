import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import type { Policy, RuleSet } from "../model.ts";
import type { PolicyCompiler } from "./compiler.ts";
import type { EndPoint, ExplainedSide, Explanation } from "./explain.ts";
import {
  allow,
  cidr,
  defaults,
  deny,
  labels,
  pass,
  pods,
  policy,
  ports,
  selector,
} from "./testing/build.ts";
import {
  addresses,
  interestingPorts,
  reserved,
  someIdentity,
  somePolicy,
  someSettings,
  someSubject,
} from "./testing/generate.ts";
import { http, ruleSetText, ruleText } from "./testing/l7.ts";
import { TestNode } from "./testing/node.ts";
import { answerText } from "./testing/scene.ts";

const shop = "io.kubernetes.pod.namespace=shop";
const webLabels = labels("app=web", shop);
const dbLabels = labels("app=db", shop);
const web: EndPoint = { identity: 300, labels: webLabels, subject: 1 };
const db: EndPoint = { identity: 301, labels: dbLabels, subject: 2 };
const world: EndPoint = {
  identity: 2,
  labels: labels("reserved:world"),
  address: Address.parse("10.0.0.7"),
};

const known = {
  web: { id: 1, identity: 300, labels: webLabels, namedPorts: [], audit: false },
  db: { id: 2, identity: 301, labels: dbLabels, namedPorts: [], audit: false },
};

function compilerWith(...policies: readonly Policy[]): TestNode {
  const node = new TestNode(defaults, [Address.parse("10.0.0.7")]);
  for (const policy of policies) node.compiler.setPolicy(policy);
  node.compiler.setIdentity({ id: 2, labels: labels("reserved:world"), namedPorts: [] });
  for (const pod of [known.web, known.db]) {
    node.compiler.setIdentity({ id: pod.identity, labels: pod.labels, namedPorts: [] });
    node.compiler.setSubject(pod);
  }
  node.commit();
  return node;
}

function explain(node: TestNode, from: EndPoint, to: EndPoint, port = 80): Explanation {
  return node.compiler.explain({ from, to, protocol: 6, port });
}

const rule = (name: string, path: string) => ({
  kind: "CiliumNetworkPolicy",
  namespace: "",
  name,
  path,
});
const toDb = { subject: selector("app=db") };
const toWeb = { subject: selector("app=web") };

test("both ends are asked: a connection goes through when both let it", () => {
  const node = compilerWith(
    policy("in", [allow({ peers: [pods("app=web")], ports: ports("80") })], toDb),
    policy("out", [allow({ direction: "egress", peers: [pods("app=db")] })], toWeb),
  );
  assert.deepEqual(explain(node, web, db), {
    verdict: "allowed",
    egress: { verdict: "allowed", rules: [rule("out", "spec.rules[0]")], defaultDenyBy: [] },
    ingress: { verdict: "allowed", rules: [rule("in", "spec.rules[0]")], defaultDenyBy: [] },
  });
});

test("a default deny names who causes it, a deny its rule, and either end denies the whole", () => {
  const node = compilerWith(
    policy("in", [allow({ peers: [] })], toDb),
    policy("out", [deny({ direction: "egress", peers: [pods("app=db")] })], toWeb),
  );
  assert.deepEqual(explain(node, web, db), {
    verdict: "denied",
    egress: { verdict: "denied", rules: [rule("out", "spec.rules[0]")], defaultDenyBy: [] },
    ingress: { verdict: "denied", rules: [], defaultDenyBy: [rule("in", "spec")] },
  });
  assert.equal(explain(node, db, web).verdict, "allowed");
});

test("an end without policy says so, and one that is no pod has none", () => {
  const node = compilerWith(policy("in", [allow()], toDb));
  const free = { verdict: "allowed", rules: [], defaultDenyBy: [] };
  assert.deepEqual(explain(node, world, web), {
    verdict: "allowed",
    egress: { ...free, builtin: "not a pod" },
    ingress: { ...free, builtin: "no policy selects it" },
  });
});

test("everything that says the same is listed, what decided first", () => {
  const node = compilerWith(
    policy("b", [allow({ peers: [pods("app=web")] })], toDb),
    policy(
      "a",
      [
        allow({ ports: ports("80") }),
        allow({ ports: ports("81") }),
        allow({ ports: ports("79-80") }),
      ],
      toDb,
    ),
  );
  const { ingress } = explain(node, web, db);
  assert.deepEqual(ingress.rules, [
    rule("a", "spec.rules[0]"),
    rule("a", "spec.rules[2]"),
    rule("b", "spec.rules[0]"),
  ]);
});

test("in a tier whose first match decides, only that is listed", () => {
  const node = compilerWith(
    policy("a", [allow(), allow()], { ...toDb, tier: "admin" }),
    policy("b", [pass(), allow()], { ...toDb, tier: "admin", priority: 1 }),
  );
  assert.deepEqual(explain(node, web, db).ingress.rules, [rule("a", "spec.rules[0]")]);
});

test("an address is judged by the prefixes that cover it", () => {
  const node = compilerWith(policy("in", [allow({ peers: [cidr("10.0.0.0/24")] })], toDb));
  assert.deepEqual(explain(node, world, db).ingress.rules, [rule("in", "spec.rules[0]")]);
  // One that no packet has come from: no set of the address table says what covers it.
  const elsewhere = { ...world, address: Address.parse("10.0.1.7") };
  assert.equal(explain(node, elsewhere, db).verdict, "denied");
  const unheardOf = { ...world, address: Address.parse("10.0.0.99") };
  assert.equal(explain(node, unheardOf, db).verdict, "allowed");
});

test("pods that are not here, or not anywhere yet, are judged by their labels", () => {
  const node = compilerWith(
    policy("in", [allow({ peers: [pods("app=new")] })], { subject: selector("app=remote") }),
    policy("out", [allow({ direction: "egress", peers: [pods("app=remote")] })], {
      subject: selector("app=new"),
    }),
  );
  const from: EndPoint = { identity: 900, labels: labels("app=new", shop) };
  const to: EndPoint = { identity: 901, labels: labels("app=remote", shop) };
  const explained = explain(node, from, to);
  assert.deepEqual(
    [explained.egress.rules, explained.ingress.rules],
    [[rule("out", "spec.rules[0]")], [rule("in", "spec.rules[0]")]],
  );
  assert.equal(explain(node, web, to).verdict, "denied");
});

test("asking changes nothing that the kernel is told", () => {
  const node = compilerWith(
    policy("in", [allow({ peers: [cidr("10.0.0.0/24")] })], { subject: selector("app=remote") }),
  );
  explain(node, world, { identity: 901, labels: labels("app=remote", shop) });
  const delta = node.compiler.commit();
  assert.deepEqual(Object.values(delta).flat(), []);
  assert.equal(node.compiler.prefixes().size, 0);
});

test("a side that a proxy decides names its rules, and whose every number in the rule set is", () => {
  const node = compilerWith(
    policy("empty", [allow({ peers: [pods("app=web")], ports: ports("80"), l7: http([]) })], toDb),
    policy("in", [allow({ ports: ports("80"), l7: http(["/a"]) })], toDb),
    policy("plain", [allow({ ports: ports("80") })], toDb),
  );
  const { verdict, rules, l7 } = explain(node, web, db).ingress;
  assert.equal(verdict, "allowed");
  assert.deepEqual(
    rules,
    ["empty", "in", "plain"].map((name) => rule(name, "spec.rules[0]")),
  );
  assert.deepEqual(
    l7?.rules.map(({ name, number }) => [
      name,
      l7.ruleSet.rules.some((one) => one.rule === number),
    ]),
    [
      ["in", true],
      ["plain", true],
    ],
  );
  assert.deepEqual(
    l7?.defaultDenyBy,
    ["empty", "in"].map((name) => rule(name, "spec.rules[0]")),
  );
});

test("explain says what the kernel does, for whoever is asked about", () => {
  repeat({ runs: 25 }, (random) => {
    const node = new TestNode(someSettings(random), addresses);
    const { compiler } = node;
    const peers = [...reserved, ...[300, 301, 302].map((id) => someIdentity(random, id))];
    for (const peer of peers) compiler.setIdentity(peer);
    for (let index = 0; index < 4; index++) compiler.setPolicy(somePolicy(random, `p${index}`));
    const subject = someSubject(random, 1);
    compiler.setSubject(subject);
    node.commit();
    for (const peer of peers)
      for (const direction of ["ingress", "egress"] as const) {
        const address = random.pick(addresses);
        const packet = { protocol: random.pick([6, 17]), port: random.pick(interestingPorts) };
        const own: EndPoint = { identity: subject.identity, labels: subject.labels, subject: 1 };
        const other: EndPoint = { identity: peer.id, labels: peer.labels, address };
        const [from, to] = direction === "ingress" ? [other, own] : [own, other];
        const explained = compiler.explain({ from, to, ...packet })[direction];
        const told = node.decide({ subject: 1, direction, identity: peer.id, address, ...packet });
        const words = {
          allow: "allowed",
          redirect: "allowed",
          deny: "denied",
          audit: "audit",
        } as const;
        assert.equal(
          explained.verdict,
          words[told.verdict as keyof typeof words],
          answerText(told),
        );
        assert.deepEqual(l7Text(explained), told.ruleSet && toldText(compiler, told.ruleSet));
        if (told.name?.kind === "rule") assert.equal(explained.rules[0]?.path, told.name.path);
        if (told.name?.kind === "builtin") assert.equal(explained.builtin, told.name.reason);
        // The same pod, asked about as if it were elsewhere.
        const remote = { ...own, subject: undefined, namedPorts: subject.namedPorts };
        const asRemote = direction === "ingress" ? { from, to: remote } : { from: remote, to };
        const studied = compiler.explain({ ...asRemote, ...packet })[direction];
        if (subject.audit) continue;
        // Numbers in rule sets are the question's own.
        const { l7: _, ...rest } = explained;
        assert.deepEqual({ ...studied, l7: undefined }, { ...rest, l7: undefined });
        assert.deepEqual(l7Text(studied), l7Text(explained));
      }
  });
});

function toldText(compiler: PolicyCompiler, ruleSet: RuleSet): string {
  return ruleSetText(ruleSet, (rule) => ruleText(compiler.ruleName(rule)));
}

/** The same, from what the explanation says of numbers. */
function l7Text({ l7 }: ExplainedSide): string | undefined {
  if (!l7) return undefined;
  const { ruleSet, rules, defaultDenyBy } = l7;
  const text = ({ name, path }: { readonly name: string; readonly path: string }) =>
    `${name}${path.replace("spec.rules", "")}`;
  return ruleSetText(ruleSet, (rule) =>
    (rule === ruleSet.denyRule ? defaultDenyBy : rules.filter(({ number }) => number === rule))
      .map(text)
      .join(" and "),
  );
}
