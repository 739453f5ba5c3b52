// The book, step by step: numbers, slots, who gets what.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceChanges } from "@tsilium/datapath/model.ts";
import { decideHostPorts } from "../decide/host-ports.ts";
import { decideRedirect } from "../decide/redirect.ts";
import { decideService } from "../decide/service.ts";
import {
  context,
  contextWith,
  endpoint,
  notReady,
  pod,
  service,
  type ServiceParts,
  slice,
  terminating,
} from "../testing/build.ts";
import { KernelTables } from "../testing/kernel.ts";
import { serve } from "../testing/serve.ts";
import { ServiceBook } from "./book.ts";

const plain = contextWith({ facts: { addresses: [] } });

function decide(parts: ServiceParts, endpoints: Parameters<typeof slice>[0] = []) {
  const { name = "web", namespace = "shop" } = parts;
  const slices = endpoints.length > 0 ? [slice(endpoints, { service: name, namespace })] : [];
  return decideService(service(parts), slices, plain);
}

/** "backends +1 -0, sets +1 -0": what is written. */
function countText(changes: ServiceChanges): string {
  return Object.entries(changes)
    .filter(([, { put, remove }]) => put.length + remove.length > 0)
    .map(([table, { put, remove }]) => `${table} +${put.length} -${remove.length}`)
    .join(", ");
}

function slotsText({ sets }: ServiceChanges): string {
  return sets.put.map(({ id, backends }) => `${id}: ${backends}`).join("; ");
}

const ip = (last: number) => `10.244.1.${last}`;

test("frontends of a port share a set, and what is told again is not written again", () => {
  const { set } = serve();
  const parts = { spec: { externalIPs: ["203.0.113.7"] } };
  assert.equal(
    countText(set(decide(parts, [ip(1), ip(2)]))),
    "backends +2 -0, sets +1 -0, frontends +3 -0",
  );
  assert.equal(countText(set(decide(parts, [ip(1), ip(2)]))), "");
});

test("a backend that goes is replaced by the last, one that comes goes to the end", () => {
  const { set } = serve();
  assert.equal(slotsText(set(decide({}, [1, 2, 3, 4].map(ip)))), "1: 1,2,3,4");
  assert.equal(slotsText(set(decide({}, [1, 3, 4].map(ip)))), "1: 1,4,3");
  assert.equal(slotsText(set(decide({}, [1, 3, 4, 5].map(ip)))), "1: 1,4,3,5");
  assert.equal(slotsText(set(decide({}, [3, 5, 6].map(ip)))), "1: 5,3,6");
});

test("a backend that terminates stays in the kernel and leaves its slot", () => {
  const { set, kernel } = serve();
  set(decide({}, [ip(1), ip(2)]));
  const changes = set(decide({}, [endpoint(ip(1), terminating), ip(2)]));
  assert.equal(countText(changes), "backends +1 -0, sets +1 -0");
  assert.deepEqual(
    [...kernel.backends.values()].map(({ id, state }) => `${id} ${state}`),
    ["1 terminating", "2 active"],
  );
  assert.equal(countText(set(decide({}, [ip(2)]))), "backends +0 -1");
});

test("a backend of two services is one, active as long as it is so in either", () => {
  const { set, remove, kernel } = serve();
  set(
    decide({}, [ip(1)]),
    decide({ name: "db", spec: { clusterIP: "10.96.0.11" } }, [endpoint(ip(1), notReady)]),
  );
  assert.deepEqual(
    [...kernel.backends.values()].map(({ state }) => state),
    ["active"],
  );
  set(decide({}, [endpoint(ip(1), notReady)]));
  assert.deepEqual(
    [...kernel.backends.values()].map(({ state }) => state),
    ["terminating"],
  );
  assert.equal(countText(remove("shop/db")), "sets +0 -1, frontends +0 -2");
});

test("numbers that were given back are used again only after all others", () => {
  const { set, remove, kernel } = serve({ maxSets: 3 });
  set(decide({}, [ip(1)]));
  remove("shop/web");
  const ids = [1, 2, 3].map((round) => {
    set(decide({}, [ip(round)]));
    const found = [
      [...kernel.backends.keys()],
      [...kernel.sets.keys()],
      [...kernel.frontends.values()].map(({ id }) => id),
    ];
    remove("shop/web");
    return found.join(" ");
  });
  assert.deepEqual(ids, ["2 2 3,4", "3 3 5,6", "4 1 7,8"]);
});

test("a number is not used again before the kernel has given up what had it", () => {
  const { book, kernel, set } = serve({ maxSets: 1 });
  set(decide({}, [ip(1)]));
  book.remove("shop/web");
  book.set(decide({ name: "db" }, [ip(2)])!);
  const changes = book.changes();
  assert.equal(changes.sets.put.length, 0);
  kernel.apply(changes);
  book.applied();
  assert.match(book.warnings("shop/db")[0]?.message ?? "", /all backend sets are in use/);
  kernel.apply(book.changes());
  book.applied();
  assert.deepEqual(book.warnings("shop/db"), []);
  assert.equal(kernel.frontends.get("10.96.0.10:80/TCP")?.internalSet, 1);
});

test("what comes back while its removal is on its way is there in the end", () => {
  const { book, kernel, set } = serve();
  const parts = { spec: { type: "LoadBalancer" as const, loadBalancerSourceRanges: ["::/0"] } };
  const decided = decide({ ...parts, ingress: [{ ip: "203.0.113.7" }] }, [ip(1)]);
  assert.ok(decided);
  set(decided);
  const text = kernel.text();
  book.remove("shop/web");
  const changes = book.changes();
  book.set(decided);
  kernel.apply(changes);
  book.applied();
  kernel.apply(book.changes());
  book.applied();
  assert.equal(kernel.text(), text);
  book.remove("shop/web");
  kernel.apply(book.changes());
  book.applied();
  assert.deepEqual(kernel.survey(), new KernelTables().survey());
  assert.deepEqual(book.sizes, serve().book.sizes);
});

test("what failed is said again, and what came since", () => {
  const { book } = serve();
  book.set(decide({}, [ip(1)])!);
  const first = countText(book.changes());
  book.failed();
  assert.equal(countText(book.changes()), first);
  book.failed();
  book.set(decide({}, [ip(1), ip(2)])!);
  assert.equal(countText(book.changes()), "backends +2 -0, sets +1 -0, frontends +2 -0");
  book.applied();
  assert.equal(countText(book.changes()), "");
});

test("a failed removal is said again with as many slots as the kernel may have", () => {
  const { book, set } = serve();
  set(decide({}, [ip(1)]));
  book.set(decide({}, [1, 2, 3].map(ip))!);
  book.changes();
  book.failed();
  book.remove("shop/web");
  assert.deepEqual(
    book.changes().sets.remove.map(({ backends }) => backends.length),
    [3],
  );
});

test("of 10,000 endpoints whose one changes, two slots and one backend are written", () => {
  const { set, kernel } = serve();
  const slicesOf = (gone: number) =>
    Array.from({ length: 100 }, (_, index) =>
      slice(
        Array.from({ length: 100 }, (_each, last) =>
          endpoint(`172.20.${index}.${last + 1}`),
        ).filter((_each, last) => index * 100 + last !== gone),
        { name: `web-${index + 100}` },
      ),
    );
  const all = slicesOf(-1);
  set(decideService(service(), all, plain));
  const before = [...kernel.sets.values()][0]?.backends ?? [];
  const changes = set(decideService(service(), all.with(50, slicesOf(5050)[50]!), plain));
  assert.equal(countText(changes), "backends +0 -1, sets +1 -0");
  const after = [...kernel.sets.values()][0]?.backends ?? [];
  assert.equal(after.length, 9999);
  assert.equal(after.filter((id, slot) => id !== before[slot]).length, 1);
});

test("session affinity and what clients hear change without slots", () => {
  const { set } = serve();
  set(decide({}, [ip(1)]));
  const changes = set(decide({ spec: { sessionAffinity: "ClientIP" } }, [ip(1)]));
  assert.equal(countText(changes), "sets +1 -0");
  assert.equal(changes.sets.put[0]?.affinityTimeoutS, 10_800);
});

test("a Maglev table is written when its set changes, names backends, and is none for one", () => {
  const outside = { spec: { externalIPs: ["203.0.113.7"] } };
  const maglev = { annotations: { "service.cilium.io/lb-algorithm": "maglev" }, ...outside };
  const { set } = serve();
  assert.equal(set(decide(maglev, [ip(1)])).sets.put[0]?.maglev, undefined);
  const table = set(decide(maglev, [ip(1), ip(2)])).sets.put[0]?.maglev;
  assert.equal(table?.length, 251);
  assert.deepEqual([...new Set(table)].toSorted(), [1, 2]);
  assert.equal(countText(set(decide(maglev, [ip(1), ip(2)]))), "");
  assert.equal(set(decide(outside, [ip(1), ip(2)])).sets.put[0]?.maglev, undefined);
});

test("a Maglev table follows weights, and is written again by an agent that does not know which it was", () => {
  const outside = service({ spec: { externalIPs: ["203.0.113.7"] } });
  const maglev = contextWith({ settings: { algorithm: "maglev" }, facts: { addresses: [] } });
  const decideAt = (weight: string) =>
    decideService(
      outside,
      [
        slice([ip(1)], { name: "web-a" }),
        slice([ip(2)], { name: "web-b", annotations: { "service.cilium.io/weight": weight } }),
      ],
      maglev,
    );
  const { set, kernel } = serve();
  set(decideAt("100"));
  const table = set(decideAt("300")).sets.put[0]?.maglev ?? [];
  assert.equal(table.filter((id) => id === 2).length, 188);
  assert.equal(countText(set(decideAt("300"))), "");
  const book = new ServiceBook({ maglevTableSize: 509, maglevSeed: 7, maxSets: 1000 });
  book.adopt(kernel.survey());
  const decided = decideAt("300");
  assert.ok(decided);
  book.set(decided);
  const changes = book.changes();
  assert.equal(countText(changes), "sets +1 -0");
  assert.equal(changes.sets.put[0]?.maglev?.length, 509);
});

// Conflicts: "who: why not", and who has the frontend.
const conflicts = (book: ServiceBook) =>
  book.conflicts().map(({ service: who, holder, reason }) => `${who} (${holder}): ${reason}`);
const holderOf = (book: ServiceBook, key: string) => book.frontend(key)?.holder?.service.key;

test("of two services that want a frontend the older gets it, the other takes over", () => {
  const { book, set, remove, kernel } = serve();
  const shared = { spec: { externalIPs: ["203.0.113.7"] } };
  const younger = {
    ...shared,
    name: "late",
    age: 2000,
    spec: { ...shared.spec, clusterIP: "10.96.0.11" },
  };
  set(decide(younger, [ip(2)]), decide({ ...shared, age: 1000 }, [ip(1)]));
  assert.equal(holderOf(book, "203.0.113.7:80/TCP"), "shop/web");
  assert.deepEqual(conflicts(book), [
    "shop/late (shop/web): 203.0.113.7:80/TCP is a frontend of shop/web",
  ]);
  assert.deepEqual(book.warnings("shop/late"), [
    {
      path: "spec.externalIPs[0]",
      message: "203.0.113.7:80/TCP is a frontend of shop/web: not served",
    },
  ]);
  const id = kernel.frontends.get("203.0.113.7:80/TCP")?.id;
  remove("shop/web");
  assert.equal(holderOf(book, "203.0.113.7:80/TCP"), "shop/late");
  assert.equal(kernel.frontends.get("203.0.113.7:80/TCP")?.id, id, "flows remember it by this");
  assert.deepEqual(conflicts(book), []);
});

test("an external IP that is another's cluster IP is refused on all ports, however old the service", () => {
  const { book, set, remove, kernel } = serve();
  const thief = decide({
    name: "thief",
    namespace: "evil",
    age: 1,
    spec: {
      clusterIP: "10.96.0.66",
      externalIPs: ["10.96.0.10"],
      ports: [{ port: 80 }, { port: 81 }],
    },
  });
  set(thief, decide({}, [ip(1)]));
  const reason = "10.96.0.10 is the cluster IP of shop/web";
  assert.deepEqual(conflicts(book), [
    `evil/thief (shop/web): ${reason}`,
    `evil/thief (shop/web): ${reason}`,
  ]);
  assert.equal(kernel.frontends.has("10.96.0.10:81/TCP"), false);
  remove("shop/web");
  assert.equal(holderOf(book, "10.96.0.10:81/TCP"), "evil/thief");
  set(decide({}, [ip(1)]));
  assert.equal(kernel.frontends.has("10.96.0.10:81/TCP"), false);
});

test("a load balancer's address that is given by a controller goes before an older service's external IP", () => {
  const { book, set } = serve();
  set(
    decide({
      name: "thief",
      namespace: "evil",
      age: 1,
      spec: { clusterIP: "10.96.0.66", externalIPs: ["203.0.113.7"] },
    }),
    decide({ spec: { type: "LoadBalancer" }, ingress: [{ ip: "203.0.113.7" }] }),
  );
  assert.equal(holderOf(book, "203.0.113.7:80/TCP"), "shop/web");
});

test("services share a load balancer's address by ports, and that is no conflict", () => {
  const { book, set } = serve();
  const ingress = [{ ip: "203.0.113.7" }];
  set(
    decide({ spec: { type: "LoadBalancer" }, ingress }),
    decide({
      name: "db",
      spec: { type: "LoadBalancer", clusterIP: "10.96.0.11", ports: [{ port: 5432 }] },
      ingress,
    }),
  );
  assert.deepEqual(conflicts(book), []);
});

test("a hostPort that is a service's NodePort loses, and gets it when the service goes", () => {
  const { book, set, remove } = serve();
  const hostPort = pod({ age: 1, ports: [{ containerPort: 80, hostPort: 30_080 }] });
  set(
    decideHostPorts(hostPort, context),
    decideService(
      service({ spec: { type: "NodePort", ports: [{ port: 80, nodePort: 30_080 }] } }),
      [],
      context,
    ),
  );
  assert.equal(holderOf(book, "172.18.0.2:30080/TCP"), "shop/web");
  assert.deepEqual(book.warnings("shop/front:host-port"), [
    {
      path: "spec.containers[0].ports[0].hostPort",
      message: "0.0.0.0:30080/TCP is a frontend of shop/web: not served",
    },
    {
      path: "spec.containers[0].ports[0].hostPort",
      message: "172.18.0.2:30080/TCP is a frontend of shop/web: not served",
    },
  ]);
  remove("shop/web");
  assert.equal(holderOf(book, "172.18.0.2:30080/TCP"), "shop/front:host-port");
});

test("of a pod that goes and its successor with the same hostPort the successor has it", () => {
  const { book, set } = serve();
  const ports = [{ containerPort: 80, hostPort: 8080 }];
  set(
    decideHostPorts(pod({ name: "old", age: 1, deleted: true, ports }), context),
    decideHostPorts(pod({ name: "new", age: 2, ports, ips: ["10.244.1.2"] }), context),
  );
  assert.equal(holderOf(book, "172.18.0.2:8080/TCP"), "shop/new:host-port");
});

// CVE-2026-53935: an addressMatcher that is a service's address.
const localPods = [
  {
    pod: pod({
      labels: { app: "trap" },
      namespace: "evil",
      ports: [{ containerPort: 80 }, { containerPort: 53, protocol: "UDP" }],
    }),
    netnsCookie: 5n,
  },
];
const trap = (ipAddress: string, port = "80", protocol = "TCP") =>
  decideRedirect(
    {
      metadata: { name: "trap", namespace: "evil", creationTimestamp: "1970-01-01T00:00:01Z" },
      spec: {
        redirectFrontend: { addressMatcher: { ip: ipAddress, toPorts: [{ port, protocol }] } },
        redirectBackend: {
          localEndpointSelector: { matchLabels: { app: "trap" } },
          toPorts: [{ port: protocol === "UDP" ? "53" : "80", protocol }],
        },
      },
    },
    { ...plain, localPods },
  );

for (const [what, address] of [
  ["cluster IP", "10.96.0.10"],
  ["external IP", "203.0.113.7"],
  ["load balancer's address", "203.0.113.8"],
] as const)
  test(`a redirect of a service's ${what} is refused, on its ports and others, and leaves the service as it was`, () => {
    const { book, set, remove, kernel } = serve();
    const victim = decide(
      {
        spec: { type: "LoadBalancer", externalIPs: ["203.0.113.7"] },
        ingress: [{ ip: "203.0.113.8" }],
      },
      [ip(1)],
    );
    set(victim);
    const before = JSON.stringify(kernel.survey());
    for (const decided of [trap(address), trap(address, "8080"), trap(address, "80", "UDP")]) {
      assert.equal(decided?.frontends.length, 1);
      set(decided);
      assert.match(
        book.warnings("evil/trap:local-redirect")[0]?.message ?? "",
        /is (the cluster IP of|an address of service) shop\/web: not served/,
      );
      assert.equal(kernel.frontends.get(`${address}:80/TCP`)?.localRedirect, false);
      remove("evil/trap:local-redirect");
      assert.equal(JSON.stringify(kernel.survey()), before);
    }
    // In the other order too: the service takes its address back.
    remove("shop/web");
    set(trap(address));
    assert.equal(kernel.frontends.get(`${address}:80/TCP`)?.localRedirect, true);
    set(victim);
    assert.equal(kernel.frontends.get(`${address}:80/TCP`)?.localRedirect, false);
    remove("evil/trap:local-redirect", "shop/web");
    assert.deepEqual(kernel.survey(), new KernelTables().survey());
  });

test("a redirect over a service, and its end, leave the service's numbers alone", () => {
  const { set, kernel } = serve();
  const decideWith = (redirects: object[]) =>
    decideService(service(), [slice([ip(1)])], {
      ...plain,
      redirects: redirects as [],
      localPods: [
        {
          pod: pod({ labels: { app: "cache" }, ips: [ip(9)], ports: [{ containerPort: 80 }] }),
          netnsCookie: 5n,
        },
      ],
    });
  set(decideWith([]));
  const before = JSON.stringify([...kernel.frontends.values()].map(({ id }) => id));
  const text = kernel.text();
  set(
    decideWith([
      {
        metadata: { name: "local", namespace: "shop" },
        spec: {
          redirectFrontend: { serviceMatcher: { serviceName: "web", namespace: "shop" } },
          redirectBackend: {
            localEndpointSelector: {},
            toPorts: [{ port: "80", protocol: "TCP" }],
          },
          skipRedirectFromBackend: true,
        },
      },
    ]),
  );
  assert.match(
    kernel.text(),
    /10.96.0.10:80\/TCP cluster-ip \[10.244.1.9:80\/TCP\].* redirect but 5/,
  );
  assert.ok(
    [...kernel.backends.values()].some(({ address }) => `${address}` === ip(1)),
    "flows keep it",
  );
  set(decideWith([]));
  assert.equal(kernel.text(), text);
  assert.equal(JSON.stringify([...kernel.frontends.values()].map(({ id }) => id)), before);
});

test("what an earlier agent left is taken over by what it is, and the rest removed", () => {
  const first = serve();
  first.set(
    decide({}, [1, 2, 3].map(ip)),
    decide({ name: "gone", spec: { clusterIP: "10.96.0.11" } }, [ip(4)]),
  );
  first.set(decide({}, [2, 3].map(ip)));
  const { book, kernel } = {
    book: new ServiceBook({ maglevTableSize: 251, maglevSeed: 7, maxSets: 1000 }),
    kernel: first.kernel,
  };
  book.adopt(kernel.survey());
  book.set(decide({}, [2, 3, 5].map(ip))!);
  const changes = book.changes();
  assert.equal(countText(changes), "backends +1 -1, sets +1 -1, frontends +0 -2");
  assert.equal(slotsText(changes), "1: 3,2,5");
  kernel.apply(changes);
  book.applied();
  assert.throws(() => book.adopt(kernel.survey()), /before it has services/);
});

test("what cannot be in a kernel is put right", () => {
  const wanted = decide({}, [ip(1)]);
  const backend = wanted?.pools[0]?.backends[0];
  const frontend = wanted?.frontends[0];
  assert.ok(wanted && backend && frontend);
  const { address, port, protocol } = backend;
  const twin = { id: 7, address, port, protocol, state: "active" as const };
  const rest = { localRedirect: false, dsr: false, hasSourceRanges: false, hasExceptions: false };
  const sets = { kind: "cluster-ip" as const, externalSet: 3, internalSet: 3 };
  const book = new ServiceBook({ maglevTableSize: 251, maglevSeed: 7, maxSets: 1000 });
  book.adopt({
    backends: [twin, { ...twin, id: 8 }],
    sets: [{ id: 3, backends: [7, 99], affinityTimeoutS: 0, silent: false, maglev: undefined }],
    frontends: [
      { address: frontend.address, port: 80, protocol: 6, id: 1, ...sets, ...rest },
      { address: undefined, port: 80, protocol: 6, id: 1, ...sets, ...rest },
    ],
    sourceRanges: [],
    exceptions: [],
  });
  book.set(wanted);
  const changes = book.changes();
  assert.equal(slotsText(changes), "3: 7", "slot 1 named nobody");
  assert.deepEqual(
    changes.backends.remove.map(({ id }) => id),
    [8],
  );
  assert.equal(changes.frontends.remove.length, 1);
});
