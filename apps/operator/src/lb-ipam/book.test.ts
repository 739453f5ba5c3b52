// Who gets which address, told in small scenes. The book's random twin is in book.property.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CiliumLoadBalancerIPPool } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import { AddressBook } from "./book.ts";
import type { ServiceRequest } from "./model.ts";
import { readPool } from "./pool.ts";

type PoolSpec = NonNullable<CiliumLoadBalancerIPPool["spec"]>;

/** A book and short words for what happens to it. */
class Scene {
  readonly book = new AddressBook();
  readonly #pools = new Map<string, CiliumLoadBalancerIPPool>();
  readonly #requests = new Map<string, ServiceRequest>();

  /** Pools are as old as their names say: "a" before "b". */
  pool(name: string, spec: PoolSpec | undefined): this {
    if (spec) this.#pools.set(name, { metadata: { name, creationTimestamp: name }, spec });
    else this.#pools.delete(name);
    this.book.setPools([...this.#pools.values()].map(readPool));
    return this;
  }

  service(name: string, change: Partial<ServiceRequest> = {}, present: string[] = []): this {
    const request = { ...defaults, name, createdAt: name, ...this.#requests.get(name), ...change };
    this.#requests.set(name, request);
    this.book.setService(request, {
      addresses: present.map((text) => Address.parse(text)),
      given: true,
    });
    return this;
  }

  gone(name: string): this {
    this.book.removeService(name);
    this.#requests.delete(name);
    return this;
  }

  /** "a=192.0.2.1 b=no_pool", after settling: all services, or those that are named. */
  now(...names: string[]): string {
    this.book.settle();
    const shown = names.length > 0 ? names : [...this.#requests.keys()].sort();
    return shown
      .map((name) => {
        const { addresses = [], reason } = this.book.outcomeOf(name) ?? {};
        const has = addresses.join("+");
        return `${name}=${reason === "satisfied" ? has : [has, reason].filter(Boolean).join("/")}`;
      })
      .join(" ");
  }

  /** "a: 4 total 1 used 3 available", conflicts marked. */
  pools(): string {
    return this.book
      .poolStates()
      .map(
        ({ pool, conflict, total, used, available }) =>
          `${pool.name}${conflict === undefined ? "" : "!"}: ${total} ${used} ${available}`,
      )
      .join(", ");
  }
}

const defaults: Omit<ServiceRequest, "name" | "createdAt"> = {
  namespace: "x",
  labels: {},
  families: [4],
  requested: [],
  unreadable: [],
  sharingKey: "",
  crossNamespace: [],
  ports: ["TCP/80"],
  externalTrafficPolicy: "Cluster",
  selector: {},
};
const cidr = (...cidrs: string[]): PoolSpec => ({ blocks: cidrs.map((each) => ({ cidr: each })) });
const ips = (...texts: string[]) => ({ requested: texts.map((text) => Address.parse(text)) });

test("services get the lowest free address, the older ones first", () => {
  const scene = new Scene().service("b").service("a").pool("p", cidr("192.0.2.0/30"));
  assert.equal(scene.now(), "a=192.0.2.0 b=192.0.2.1");
  assert.equal(scene.gone("a").service("c").now(), "b=192.0.2.1 c=192.0.2.0");
  assert.equal(scene.pools(), "p: 4 2 2");
});

test("ends of CIDRs are left out when the pool says so, unless there are only ends; those of runs never are", () => {
  const ends = (spec: PoolSpec) => ({ ...spec, allowFirstLastIPs: "No" as const });
  const scene = new Scene()
    .pool("p", ends(cidr("192.0.2.0/30")))
    .service("a")
    .service("b")
    .service("c");
  assert.equal(scene.now(), "a=192.0.2.1 b=192.0.2.2 c=out_of_ips");
  assert.equal(
    scene.pool("q", ends(cidr("192.0.2.8/31"))).now(),
    "a=192.0.2.1 b=192.0.2.2 c=192.0.2.8",
  );
  const run = ends({ blocks: [{ start: "192.0.2.16", stop: "192.0.2.18" }] });
  assert.equal(
    scene.pool("r", run).service("d").service("e").now("d", "e"),
    "d=192.0.2.9 e=192.0.2.16",
  );
  assert.equal(scene.service("f", ips("192.0.2.0")).now("f"), "f=ip_reserved");
  assert.equal(scene.pools(), "p: 2 2 0, q: 2 2 0, r: 3 1 2");
});

test("an end that a service has already is not taken from it", () => {
  const scene = new Scene().pool("p", cidr("192.0.2.0/30")).service("a");
  assert.equal(scene.now(), "a=192.0.2.0");
  scene.pool("p", { ...cidr("192.0.2.0/30"), allowFirstLastIPs: "No" });
  assert.equal(scene.service("b").now(), "a=192.0.2.0 b=192.0.2.1");
  assert.equal(scene.pools(), "p: 3 2 1");
});

test("a block of any size is never counted through", () => {
  const scene = new Scene().pool("p", cidr("2001:db8::/32")).service("a", { families: [6] });
  assert.equal(scene.now(), "a=2001:db8::");
  assert.equal(scene.pools(), `p: ${1n << 96n} 1 ${(1n << 96n) - 1n}`);
});

test("what is somebody's is stepped over: nodes, pods, cluster IPs, special addresses", () => {
  const scene = new Scene();
  scene.book.reserve("address of node a", [Address.parse("192.0.2.0")]);
  scene.book.reservePrefixes("pods of node a", [Prefix.parse("192.0.2.4/30")]);
  scene.book.reserve("service x/y", [Address.parse("192.0.2.1")]);
  scene.pool("p", {
    blocks: [{ start: "192.0.2.0", stop: "192.0.2.9" }, { cidr: "127.0.0.0/30" }],
  });
  for (const name of ["a", "b", "c", "d", "e"]) scene.service(name);
  assert.equal(scene.now(), "a=192.0.2.2 b=192.0.2.3 c=192.0.2.8 d=192.0.2.9 e=out_of_ips");
  assert.equal(scene.pools(), "p: 14 4 0");
  assert.equal(scene.service("f", ips("192.0.2.5")).now("f"), "f=ip_reserved");
  assert.match(scene.book.outcomeOf("f")?.message ?? "", /reserved: pods of node a/);
});

test("an address that becomes a node's is taken away, and another given", () => {
  const scene = new Scene().pool("p", cidr("192.0.2.0/30")).service("a");
  assert.equal(scene.now(), "a=192.0.2.0");
  scene.book.reserve("address of node n", [Address.parse("192.0.2.0")]);
  assert.equal(scene.now(), "a=192.0.2.1");
  scene.book.reserve("address of node n", []);
  assert.equal(scene.service("b").now(), "a=192.0.2.1 b=192.0.2.0");
});

test("a dual-stack service has an address of each family, or tells what is missing", () => {
  const scene = new Scene().pool("p", cidr("192.0.2.0/31")).service("a", { families: [4, 6] });
  assert.equal(scene.now(), "a=192.0.2.0/no_pool");
  assert.equal(scene.pool("q", cidr("2001:db8::/127")).now(), "a=192.0.2.0+2001:db8::");
  assert.equal(scene.service("a", { families: [6] }).now(), "a=2001:db8::");
  assert.equal(scene.service("b").now(), "a=2001:db8:: b=192.0.2.0");
});

test("pools serve the services that they select, older pools first", () => {
  const red = { matchLabels: { color: "red" } };
  const scene = new Scene()
    .pool("p", { ...cidr("192.0.2.0/32"), serviceSelector: red })
    .pool("q", cidr("192.0.2.1/32"))
    .service("a", { labels: { color: "blue" } })
    .service("b", { labels: { color: "red" } })
    .service("c", { labels: { color: "green" } });
  assert.equal(scene.now(), "a=192.0.2.1 b=192.0.2.0 c=out_of_ips");
  assert.equal(
    scene.service("b", { labels: {} }).now(),
    "a=192.0.2.1 b=out_of_ips c=out_of_ips",
    "an address goes with the label",
  );
  assert.equal(scene.service("c", { labels: { color: "red" } }).now("c"), "c=192.0.2.0");
});

test("addresses that are asked for are given, or it is said why not", () => {
  const red = { matchLabels: { color: "red" } };
  const scene = new Scene()
    .pool("p", cidr("192.0.2.0/29"))
    .pool("q", { ...cidr("198.51.100.0/29"), serviceSelector: red })
    .pool("r", { ...cidr("203.0.113.0/29"), disabled: true })
    .service("a", ips("192.0.2.5", "192.0.2.3"))
    .service("b", ips("192.0.2.5"))
    .service("c", ips("198.51.100.1"))
    .service("d", ips("203.0.113.1"))
    .service("e", ips("10.0.0.1"))
    .service("f", ips("2001:db8::1"))
    .service("g", { unreadable: ["192.0.2"] });
  assert.equal(
    scene.now(),
    "a=192.0.2.5+192.0.2.3 b=already_allocated c=pool_selector_mismatch d=no_pool e=no_pool f=ip_family_mismatch g=invalid_ip",
  );
  assert.equal(scene.gone("a").now("b"), "b=192.0.2.5");
  assert.equal(scene.service("b", ips("192.0.2.6")).now("b"), "b=192.0.2.6");
  assert.equal(scene.service("b", { requested: [] }).now("b"), "b=192.0.2.6");
  const typo = scene.service("b", { unreadable: ["192.0.2.6x"] }).now("b");
  assert.equal(typo, "b=192.0.2.6/invalid_ip", "a slip costs nobody an address");
});

test("services that share a key share an address as long as their ports do not collide", () => {
  const shared = (port: string, more: Partial<ServiceRequest> = {}) => ({
    sharingKey: "k",
    ports: [port],
    ...more,
  });
  const scene = new Scene()
    .pool("p", cidr("192.0.2.0/30"))
    .service("a", shared("TCP/80"))
    .service("b", shared("TCP/443"))
    .service("c", shared("UDP/80"))
    .service("d", shared("TCP/80"))
    .service("e", shared("TCP/81", { namespace: "y" }));
  assert.equal(scene.now(), "a=192.0.2.0 b=192.0.2.0 c=192.0.2.0 d=192.0.2.1 e=192.0.2.2");
  assert.equal(scene.pools(), "p: 4 3 1", "counted once");
  assert.equal(
    scene.service("b", { ports: ["TCP/80"] }).now(),
    "a=192.0.2.0 b=192.0.2.3 c=192.0.2.0 d=192.0.2.1 e=192.0.2.2",
    "the one that changes gives way",
  );
  assert.equal(
    scene.service("f", { ...shared("TCP/80"), ...ips("192.0.2.0") }).now("f"),
    "f=already_allocated_incompatible_service",
  );
  assert.match(scene.book.outcomeOf("f")?.message ?? "", /Reason: same port and protocol$/);
  assert.equal(scene.gone("a").now("f"), "f=192.0.2.0");
});

test("the younger of two pools that overlap gives nothing, keeps what it gave, and is back when the other goes", () => {
  const scene = new Scene().pool("b", cidr("192.0.2.0/30")).service("s");
  assert.equal(scene.now(), "s=192.0.2.0");
  scene.pool("a", { blocks: [{ start: "192.0.2.0", stop: "192.0.2.1" }] });
  assert.equal(scene.service("t").now(), "s=192.0.2.0 t=192.0.2.1", "never the same twice");
  assert.equal(scene.pools(), "a: 2 2 0, b!: 4 2 2");
  assert.equal(scene.service("u").now("u"), "u=out_of_ips");
  const [, younger] = scene.book.poolStates();
  assert.equal(
    younger?.conflict,
    "Pool conflicts since range '192.0.2.0 - 192.0.2.3' overlaps range '192.0.2.0 - 192.0.2.1' from IP Pool 'a'",
  );
  assert.equal(scene.pool("a", undefined).now(), "s=192.0.2.0 t=192.0.2.1 u=192.0.2.2");
});

test("a pool that overlaps itself gives nothing", () => {
  const scene = new Scene().pool("p", cidr("192.0.2.0/30", "192.0.2.0/31")).service("a");
  assert.equal(scene.now(), "a=no_pool");
});

test("a disabled pool gives nothing and takes nothing", () => {
  const scene = new Scene().pool("p", cidr("192.0.2.0/30")).service("a");
  scene.now();
  scene.pool("p", { ...cidr("192.0.2.0/30"), disabled: true }).service("b");
  assert.equal(scene.now(), "a=192.0.2.0 b=no_pool");
  assert.equal(scene.pool("p", cidr("192.0.2.0/30")).now(), "a=192.0.2.0 b=192.0.2.1");
});

test("a pool that shrinks or goes takes its addresses along, and others come in their place", () => {
  const scene = new Scene().pool("p", cidr("192.0.2.0/30")).service("a").service("b");
  assert.equal(scene.now(), "a=192.0.2.0 b=192.0.2.1");
  scene.pool("p", { blocks: [{ start: "192.0.2.1", stop: "192.0.2.3" }] });
  assert.equal(scene.now(), "a=192.0.2.2 b=192.0.2.1");
  scene.pool("q", cidr("198.51.100.0/31")).pool("p", undefined);
  assert.equal(scene.now(), "a=198.51.100.0 b=198.51.100.1");
  assert.equal(scene.pool("q", undefined).now(), "a=no_pool b=no_pool");
});

test("a block that moves to another pool keeps its services", () => {
  const scene = new Scene().pool("p", cidr("192.0.2.0/30")).service("a").service("b");
  scene.now();
  scene.pool("q", cidr("192.0.2.0/28")).pool("p", undefined);
  assert.equal(scene.now(), "a=192.0.2.0 b=192.0.2.1");
});

test("a successor takes over what statuses say, in disabled and conflicting pools too", () => {
  const scene = new Scene()
    .pool("p", { ...cidr("192.0.2.0/29"), disabled: true })
    .pool("q", cidr("198.51.100.0/29"))
    .pool("r", cidr("198.51.100.0/28"))
    .service("a", {}, ["192.0.2.3"])
    .service("b", {}, ["198.51.100.9"])
    .service("c", {}, ["203.0.113.1"])
    .service("d", {}, ["192.0.2.3"]);
  assert.equal(scene.now(), "a=192.0.2.3 b=198.51.100.9 c=198.51.100.0 d=198.51.100.1");
});

test("ten thousand services are settled in one go, and one more at the price of one", () => {
  const scene = new Scene().pool("p", cidr("10.0.0.0/16")).pool("q", cidr("2001:db8::/64"));
  for (let at = 0; at < 10_000; at++)
    scene.service(`s${String(at).padStart(5, "0")}`, { families: [4, 6] });
  const begin = performance.now();
  scene.book.settle();
  const allMs = performance.now() - begin;
  assert.equal(
    scene.pools(),
    `p: 65536 10000 55536, q: ${1n << 64n} 10000 ${(1n << 64n) - 10_000n}`,
  );
  scene.service("t", { families: [4, 6] });
  const then = performance.now();
  scene.book.settle();
  const oneMs = performance.now() - then;
  assert.equal(scene.book.outcomeOf("t")?.addresses.join(" "), "10.0.39.16 2001:db8::2710");
  // Many times what it takes, for a machine that does something else at the time.
  assert.ok(allMs < 3_000 && oneMs < 100, `${allMs} ms, ${oneMs} ms`);
});
