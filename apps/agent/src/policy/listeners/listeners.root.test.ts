// L7 policy on real maps: slots wait for the proxies that they send connections to, ports keep their meaning whatever
// dies, and connections that proxies have follow the rules.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { policyHealth } from "../health.ts";
import {
  address,
  Bench,
  cart,
  ciliumPolicy,
  cluster,
  clusterwidePolicy,
  fromApp,
  httpFrom,
  identity,
  networkPolicy,
  policyGone,
  synced,
  till,
  web,
} from "../testing/bench.ts";

const webAddress = "10.244.0.9";
const http = (...paths: string[]) => ciliumPolicy("l7", httpFrom(paths, "cart"));
const l7Gone = policyGone("l7", "CiliumNetworkPolicy");

function benchWith(...inputs: Parameters<Bench["tell"]>): Bench {
  const bench = new Bench();
  bench.node.setEndpoint(1, webAddress);
  return bench.want(1).tell(...cluster, ...inputs, synced);
}

/** A connection of the cart to web that the listener has accepted. */
function proxied(bench: Bench, proxyPort: number, port = 40_000): void {
  bench.node.setProxied({
    client: { identity: cart[0], address: cart[1], port },
    server: { identity: 300, address: webAddress, port: 80 },
    proxyPort,
  });
}

const listenerOf = (bench: Bench) => bench.ingress(1, cart)[0];
const moves = ({ moved }: Bench) =>
  moved
    .splice(0)
    .map(({ client, from, to }) => `${client.port}: ${from} -> ${to}`)
    .sort();
const paths = ({ enforced }: Bench) =>
  Array.from(enforced.values(), ({ port, ruleSet }) => [
    port,
    ruleSet.rules.map(({ match }) => ("path" in match ? match.path : "?")).join(),
  ]);

test("a policy is in force when its proxy has acknowledged it; until then the one before is", () => {
  using bench = benchWith();
  bench.areProxiesWell = false;
  bench.tell(http("/a"));
  assert.deepEqual(bench.ingress(1, cart, till), ["allow", "allow"]);
  assert.deepEqual(bench.conditions(), [
    "listener 11008: no proxy has acknowledged its http rules",
  ]);
  assert.deepEqual([bench.engine.isFailing, bench.engine.report().conditionCount], [false, 1]);
  bench.acknowledge();
  bench.settle();
  assert.deepEqual(bench.ingress(1, cart, till), ["redirect 11008", "deny"]);
  assert.equal(listenerOf(bench), "redirect 11008");
  assert.deepEqual(bench.conditions(), []);
  assert.deepEqual(paths(bench), [[11_008, "/a"]]);
});

test("without an acknowledgement a policy is put in force after five seconds, and the problem is told", () => {
  using bench = benchWith();
  bench.areProxiesWell = false;
  bench.tell(http("/a"));
  bench.acknowledge("haproxy is not there");
  bench.settle().skip(4_000);
  assert.deepEqual(bench.ingress(1, cart), ["allow"]);
  assert.ok((bench.engine.waitMs ?? Infinity) <= 1_000);
  bench.skip(1_000);
  assert.deepEqual(bench.ingress(1, cart, till), ["redirect 11008", "deny"]);
  assert.equal(bench.engine.waitMs, undefined);
  assert.deepEqual(bench.conditions(), ["listener 11008: haproxy is not there"]);
  bench.acknowledge();
  bench.settle();
  assert.deepEqual(bench.conditions(), []);
});

test("the same rules have the same port after a restart, told anew, and are not lost to a file half written", () => {
  using bench = benchWith(ciliumPolicy("other", httpFrom(["/other"], "till")), http("/a"));
  const before = new Map(paths(bench).map(([port, text]) => [text, port]));
  writeFileSync(`${bench.listenersPath}.new`, '{"format":1,"listeners":[');
  bench.areProxiesWell = false;
  bench.restart().want(1);
  // Everything else first, so that numbers of rules and the order of ports would be others.
  bench.tell(...cluster, networkPolicy("z", fromApp("new")), http("/a"), synced);
  bench.tell(ciliumPolicy("other", httpFrom(["/other"], "till")));
  assert.equal(listenerOf(bench), `redirect ${before.get("/a")}`);
  bench.acknowledge();
  bench.settle();
  assert.deepEqual(new Map(paths(bench).map(([port, text]) => [text, port])), before);
  const [rules] = bench.enforced.values();
  const number = rules?.ruleSet.rules[0]?.rule ?? 0;
  assert.equal(bench.engine.world.compiler.ruleName(number)?.kind, "rule");
});

test("what an earlier agent's slots refer to is restated and stays until they are replaced", () => {
  using bench = benchWith(http("/a"));
  bench.areProxiesWell = false;
  bench
    .restart()
    .want(1)
    .tell(...cluster, http("/b"), synced);
  assert.deepEqual(paths(bench), [
    [11_008, "/a"],
    [11_009, "/b"],
  ]);
  assert.equal(listenerOf(bench), "redirect 11008");
  bench.engine.adopt();
  bench.acknowledge();
  bench.settle();
  assert.equal(listenerOf(bench), "redirect 11009");
  assert.deepEqual(paths(bench), [[11_009, "/b"]]);
});

for (const [what, content] of [
  ["is torn", '{"format":1,"listeners":[{"port":11008'],
  ["is of another kind", '{"format":1,"listeners":[{"port":80}],"used":[],"version":1}'],
  ["is empty", ""],
  ["says two things of one port", undefined],
] as const)
  test(`a file that ${what} gives no port to other rules that the kernel still refers to`, () => {
    using bench = benchWith(http("/a"));
    const twice = () => {
      const saved = JSON.parse(readFileSync(bench.listenersPath, "utf8"));
      const [first] = saved.listeners;
      return JSON.stringify({
        ...saved,
        listeners: [first, { ...first, content: "0".repeat(64) }],
      });
    };
    writeFileSync(bench.listenersPath, content ?? twice());
    bench.areProxiesWell = false;
    bench
      .restart()
      .want(1)
      .tell(...cluster, http("/b"), synced);
    assert.equal(listenerOf(bench), "redirect 11008");
    assert.deepEqual(paths(bench), [[11_009, "/b"]]);
    bench.engine.adopt();
    bench.acknowledge();
    bench.settle();
    assert.equal(listenerOf(bench), "redirect 11009");
    assert.equal(JSON.parse(readFileSync(bench.listenersPath, "utf8")).listeners.length, 1);
  });

test("connections that a proxy has follow the rules, also to none and back, and each is told once", () => {
  using bench = benchWith(http("/a"));
  bench.tell(http("/b"));
  assert.deepEqual(moves(bench), []);
  proxied(bench, 11_009);
  bench.tell(http("/c"));
  assert.deepEqual(moves(bench), ["40000: 11009 -> 11010"]);
  proxied(bench, 11_010, 40_001);
  bench.tell(networkPolicy("more", fromApp("till")));
  assert.deepEqual(moves(bench), []);
  bench.tell(l7Gone, ciliumPolicy("plain", { ingress: [{ fromEntities: ["all"] }] }));
  assert.deepEqual(moves(bench), ["40000: 11009 -> 0", "40001: 11010 -> 0"]);
  bench.tell(policyGone("plain", "CiliumNetworkPolicy"), http("/d"));
  assert.deepEqual(moves(bench), ["40000: 11009 -> 11011", "40001: 11010 -> 11011"]);
});

test("a connection is let go of when its own direction is free, whatever the other one waits for", () => {
  using bench = benchWith(http("/a"));
  proxied(bench, 11_008);
  bench.areProxiesWell = false;
  const out = {
    toEntities: ["all"],
    toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [{ path: "/x" }] } }],
  };
  bench.tell(l7Gone, ciliumPolicy("out", { egress: [out] }));
  assert.deepEqual(moves(bench), ["40000: 11008 -> 0"]);
  bench.acknowledge();
  bench.settle();
  assert.deepEqual(moves(bench), []);
});

test("a denied connection is not moved, and is when it is let through again", () => {
  using bench = benchWith(http("/a"));
  proxied(bench, 11_008);
  bench.tell(http("/b"));
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11009"]);
  bench.tell(l7Gone, networkPolicy("other", fromApp("till")));
  assert.deepEqual(moves(bench), []);
  bench.tell(http("/e"));
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11010"]);
});

test("a worker that starts says of every connection where it is held, for nobody knows what was said before", () => {
  using bench = benchWith(http("/a"));
  proxied(bench, 11_008);
  bench
    .restart()
    .want(1)
    .tell(...cluster, http("/a"), synced);
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11008"]);
});

test("connections of a pod whose row names another subject are held by that one's policy", () => {
  using bench = benchWith(http("/a"));
  proxied(bench, 11_008);
  bench
    .restart()
    .want(2)
    .tell(...cluster, http("/b"), synced);
  // The row still names the subject of the agent before.
  assert.deepEqual(moves(bench), []);
  bench.moveEndpoint(2, webAddress);
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11009"]);
  // Back to its own rules while the agent is away: the proxy has to hear of it.
  bench
    .restart()
    .want(1)
    .tell(...cluster, http("/a"), synced);
  bench.moveEndpoint(1, webAddress);
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11008"]);
  bench.want(3, { ...web, audit: true });
  assert.deepEqual(moves(bench), []);
  bench.moveEndpoint(3, webAddress);
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11010"]);
});

test("both legs of a connection through two proxies of the node are held by their own policy", () => {
  using bench = benchWith(http("/a"));
  const egress = (path: string) =>
    ciliumPolicy("out", {
      egress: [
        {
          toEntities: ["all"],
          toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [{ path }] } }],
        },
      ],
    });
  bench.tell(egress("/x"));
  const [web, other] = [
    { identity: 300, address: webAddress, port: 50_000 },
    { identity: 300, address: webAddress, port: 80 },
  ];
  bench.node.setProxied({
    client: web,
    server: { ...other, address: "192.0.2.1", identity: 9 },
    proxyPort: 10_000,
  });
  bench.node.setProxied({
    client: { identity: cart[0], address: cart[1], port: 17_000 },
    server: other,
    proxyPort: 11_008,
    part: 1,
  });
  bench.tell(egress("/y"));
  assert.deepEqual(moves(bench), ["50000: 10000 -> 10001"]);
  bench.tell(http("/b"));
  assert.deepEqual(moves(bench), ["17000: 11008 -> 11009"]);
});

test("policy counts as applied when proxies have said that connections follow, or after twenty seconds", () => {
  using bench = benchWith(http("/a"));
  proxied(bench, 11_008);
  const applied = () => bench.engine.report().applied;
  const before = applied();
  bench.areProxiesWell = false;
  bench.tell(http("/b"));
  bench.acknowledge();
  bench.settle();
  assert.equal(listenerOf(bench), "redirect 11009");
  assert.equal(applied(), before);
  assert.deepEqual(bench.conditions(), [
    "connections: no proxy has said yet that 1 of its connections follow their new rules",
  ]);
  assert.deepEqual([...bench.enforced.keys()].sort(), [11_008, 11_009]);
  bench.engine.acknowledgeMoved(1);
  bench.settle();
  assert.equal(applied(), before + 1);
  assert.deepEqual(bench.conditions(), []);
  assert.deepEqual([...bench.enforced.keys()], [11_009]);
  bench.tell(http("/c"));
  bench.acknowledge();
  bench.settle().skip(19_000);
  assert.equal(applied(), before + 1);
  bench.skip(1_000);
  assert.equal(applied(), before + 2);
  assert.deepEqual(bench.conditions(), []);
});

test("what comes after a change that connections do not follow yet is not applied, and what came before is", () => {
  using bench = benchWith(http("/a"));
  proxied(bench, 11_008);
  const applied = () => bench.engine.report().applied;
  const before = applied();
  bench.tell(identity(303, "new"));
  bench.areProxiesWell = false;
  bench.tell(http("/b"));
  bench.tell(identity(304, "newer"));
  assert.equal(applied(), before + 1);
  bench.acknowledge();
  bench.settle().tell(identity(305, "newest"));
  assert.equal(applied(), before + 1);
  bench.engine.acknowledgeMoved(1);
  bench.settle();
  assert.equal(applied(), before + 4);
});

test("a peer whose rules are another set waits for its listener, and for nobody else", () => {
  const fromNew = {
    ingress: [...httpFrom(["/a"], "cart", "new").ingress, ...httpFrom(["/n"], "new").ingress],
  };
  using bench = benchWith(ciliumPolicy("l7", fromNew));
  bench.areProxiesWell = false;
  bench.tell(identity(303, "new"));
  const stranger = [303, "10.244.0.3"] as const;
  assert.deepEqual(bench.ingress(1, cart, stranger), ["redirect 11008", "deny"]);
  assert.equal(bench.engine.isFailing, false);
  bench.acknowledge();
  bench.settle();
  assert.deepEqual(bench.ingress(1, cart, stranger), ["redirect 11008", "redirect 11009"]);
  assert.deepEqual(paths(bench), [
    [11_008, "/a"],
    [11_009, "/a,/n"],
  ]);
});

test("rule sets that change over and over leave nothing behind, and ports come back when all have been used", () => {
  using bench = benchWith(http("/0"));
  proxied(bench, 11_008);
  const before = bench.node.counts();
  for (let index = 1; index <= 600; index++) bench.tell(http(`/${index}`));
  assert.deepEqual(bench.node.counts(), before);
  // 512 ports, of which the first is still some connection's.
  assert.deepEqual(paths(bench), [[11_008 + 600 - 511, "/600"]]);
  assert.equal(JSON.parse(readFileSync(bench.listenersPath, "utf8")).listeners.length, 1);
});

/** A rule set for each app, of which there are so many. */
const kafkaFrom = (apps: readonly string[]) => ({
  ingress: apps.map((app) => ({
    fromEndpoints: [{ matchLabels: { app } }],
    toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { kafka: [{ topic: app }] } }],
  })),
});
const crowd = Array.from({ length: 130 }, (_, index) => `app-${index}`);
const crowded = crowd.map((app, index) => identity(400 + index, app));
const inCrowd = (index: number) => [400 + index, `10.244.1.${index}`] as const;

test("rules that more listeners are needed for than there are deny, what comes with them is in force, and they follow", () => {
  using bench = benchWith(networkPolicy("web", fromApp("cart", "till")));
  bench.tell(...crowded, ...crowd.map((_, at) => address(`10.244.1.${at}/32`, 400 + at)));
  assert.deepEqual(bench.ingress(1, cart, till), ["allow", "allow"]);
  const spec = {
    ...kafkaFrom(crowd),
    ingressDeny: [{ fromEndpoints: [{ matchLabels: { app: "till" } }] }],
  };
  bench.tell(ciliumPolicy("l7", spec));
  // A namespace has more than its quarter while more than half are free: 64 of 128.
  const [first, second, last] = [inCrowd(0), inCrowd(64), inCrowd(129)];
  assert.deepEqual(bench.ingress(1, cart, till, first, second, last), [
    "allow",
    "deny",
    "redirect 11649",
    "deny",
    "deny",
  ]);
  const scarce = "128 listeners for kafka of ingress";
  assert.deepEqual(bench.conditions(), [
    `listeners: namespace shop has its share of the ${scarce}, which are scarce: what needs one more of it is denied`,
  ]);
  assert.deepEqual([bench.enforced.size, bench.engine.isFailing], [64, false]);
  assert.ok((bench.engine.waitMs ?? Infinity) <= 5_000);
  bench.tell(ciliumPolicy("l7", kafkaFrom(crowd.slice(0, 65))));
  assert.equal(bench.conditions().length, 1);
  // One is free again, and goes to whom it was denied.
  bench.tell(ciliumPolicy("l7", kafkaFrom(crowd.slice(1, 65))));
  assert.deepEqual(bench.conditions(), []);
  assert.match(bench.ingress(1, second)[0] ?? "", /^redirect/);
  assert.deepEqual(bench.ingress(1, till), ["allow"]);
  bench.tell(l7Gone);
  assert.deepEqual([bench.conditions(), bench.enforced.size], [[], 0]);
});

test("without any listener left the node says so, and rules of nobody's namespace have what there is", () => {
  using bench = benchWith(networkPolicy("web", fromApp("cart")));
  bench.tell(...crowded);
  bench.tell(clusterwidePolicy("l7", kafkaFrom(crowd)));
  assert.deepEqual(bench.conditions(), [
    "listeners: all 128 listeners for kafka of ingress are in use: what needs one is denied",
  ]);
  assert.equal(bench.enforced.size, 128);
  assert.deepEqual(bench.ingress(1, cart), ["allow"]);
  const healthOf = policyHealth({ down: undefined, restarts: 0, report: bench.engine.report() });
  assert.deepEqual(healthOf, {
    state: "degraded",
    message:
      "policies are in force, and what lacks a listener is denied: " +
      "listeners: all 128 listeners for kafka of ingress are in use: what needs one is denied",
  });
});

test("a port that a connection kept is given out when that is over, though nobody tells", () => {
  using bench = benchWith();
  bench.tell(...crowded, clusterwidePolicy("l7", kafkaFrom(crowd.slice(0, 128))));
  proxied(bench, 11_649);
  // The one of the first app is free, but for the connection.
  bench.tell(clusterwidePolicy("l7", kafkaFrom(crowd.slice(1, 129))));
  const other = inCrowd(128);
  assert.deepEqual(bench.ingress(1, other), ["deny"]);
  bench.skip(5_000);
  assert.deepEqual(bench.ingress(1, other), ["deny"]);
  bench.node.setProxied({
    client: { identity: cart[0], address: cart[1], port: 40_000 },
    server: { identity: 300, address: webAddress, port: 80 },
    proxyPort: 0,
  });
  bench.skip(5_000);
  assert.deepEqual(bench.ingress(1, other), ["redirect 11649"]);
  assert.deepEqual(bench.conditions(), []);
});

test("names of DNS rules are told as long as a slot in force looks for them", () => {
  using bench = benchWith();
  assert.deepEqual(bench.selectors, []);
  const to = (...names: string[]) =>
    ciliumPolicy("names", { egress: [{ toFQDNs: names.map((matchName) => ({ matchName })) }] });
  bench.tell(to("b.test", "a.test"));
  assert.deepEqual(bench.selectors, ["a.test", "b.test"]);
  bench.areProxiesWell = false;
  bench.tell(to("c.test"), http("/a"));
  // Both directions are switched by themselves, but the subject is not done with.
  assert.deepEqual(bench.selectors, ["a.test", "b.test", "c.test"]);
  bench.acknowledge();
  bench.settle();
  assert.deepEqual(bench.selectors, ["c.test"]);
});
