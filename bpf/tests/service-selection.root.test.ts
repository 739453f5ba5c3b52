// Which backend a flow gets, and how long it has it. Backends are told apart by their ports, all of pod b.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { TypedMap } from "@tsilium/ebpf";
import { parsePacket, type TcpFlag } from "@tsilium/net";
import { clockMonotonicNs } from "@tsilium/syscall";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { TestNode } from "./node.ts";
import type { Place, ProtocolName, ServiceSpec } from "./service-spec.ts";
import { clusterIp, external, portUnreachable, segment, wire } from "./service-world.ts";
import { a, b, type Family, frame, fromA, world } from "./world.ts";

const maglevTableSize = 16_381;
const services = { ...plainServices, nodePort: true, maglevTableSize };
const node = new TestNode({ services });
/** Another node, whose agent counts backends otherwise. */
const other = new TestNode({ services }, {}, { firstBackend: 5000 });
after(() => node[Symbol.dispose]());
after(() => other[Symbol.dispose]());

const backend = (port: number): Place => ({ at: b, port });
const backends = (...ports: readonly number[]): Place[] => ports.map(backend);
const ends = [
  { at: clusterIp(80), port: 80, kind: "cluster-ip" },
  { at: external(80), port: 80, kind: "external" },
] as const;

function serve(spec: Omit<ServiceSpec, "frontends">, on = node): void {
  on.services.set([{ frontends: ends, protocols: ["tcp", "udp"], ...spec }]);
}

type Sent = {
  readonly family?: Family;
  readonly protocol?: ProtocolName;
  readonly flags?: TcpFlag | readonly TcpFlag[];
  /** Default: 40000. */
  readonly sport?: number;
  readonly on?: TestNode;
};

/** Sends one packet of a client's, and tells the port of the backend that it is sent to; undefined: to none. */
type Client = (sent?: Sent) => number | undefined;

const clients: Readonly<Record<string, Client>> = {
  "a pod": (sent = {}) => {
    const { family = 4 } = sent;
    return chosen("from_container", fromA(family, clusterIp(80)), sent);
  },
  "a client from outside": (sent = {}) => {
    const { family = 4 } = sent;
    return chosen("from_netdev", wire(family, [world, external(80)]), sent);
  },
};

function chosen(
  hook: "from_container" | "from_netdev",
  packet: ReturnType<typeof fromA>,
  { protocol = "tcp", flags = "SYN", sport = 40000, on = node }: Sent,
): number | undefined {
  const built = segment(packet, protocol, { sport, dport: 80, flags });
  const { retval, data } = on.run({ hook, packet: built.bytes() });
  const { tcp, udp, ip } = parsePacket(data);
  const to = (tcp ?? udp)?.destinationPort;
  return retval === 7 && ip?.destination.toString() === b[ip?.version ?? 4] ? to : undefined;
}

const sports = (count: number) => Array.from({ length: count }, (_, at) => 20_000 + at);

beforeEach(() => {
  for (const each of [node, other]) {
    each.services.set([]);
    each.reset();
  }
});

for (const [who, client] of Object.entries(clients))
  describe(`a flow of ${who}`, () => {
    for (const protocol of ["tcp", "udp"] as const)
      for (const family of [4, 6] as const)
        test(`${protocol}, IPv${family}: keeps its backend, whoever comes or goes`, () => {
          const flow = (sport: number, flags: TcpFlag) =>
            client({ family, protocol, sport, flags });
          serve({ backends: backends(8001, 8002, 8003) });
          const first = sports(60).map((sport) => flow(sport, "SYN"));
          const steps: Omit<ServiceSpec, "frontends">[] = [
            { backends: backends(8001, 8002, 8003, 8004, 8005) },
            { backends: backends(8005, 8004, 8003, 8002, 8001) },
            { backends: backends(8003, 8002), terminating: backends(8001) },
          ];
          for (const step of steps) {
            serve(step);
            assert.deepEqual(
              sports(60).map((sport) => flow(sport, "ACK")),
              first,
            );
          }
        });

    test("that is new is as likely to get one as another", () => {
      serve({ backends: backends(8001, 8002, 8003, 8004) });
      const count = new Map<number | undefined, number>();
      for (const sport of sports(1200)) {
        const to = client({ sport });
        count.set(to, (count.get(to) ?? 0) + 1);
      }
      assert.deepEqual([...count.keys()].sort(), [8001, 8002, 8003, 8004]);
      // 300 expected, with a standard deviation of 15: six of them.
      for (const [port, times] of count)
        assert.ok(times > 210 && times < 390, `${port} got ${times} of 1200`);
    });

    test("that was forgotten gets its backend again, as long as all are there", () => {
      serve({ backends: backends(8001, 8002, 8003, 8004, 8005) });
      const before = sports(60).map((sport) => client({ sport }));
      node.reset();
      const now = sports(60).map((sport) => client({ sport, flags: "ACK" }));
      assert.deepEqual(now, before);
    });

    test("is served by a backend that is terminating; new ones are not", () => {
      serve({ backends: backends(8001) });
      assert.equal(client({ sport: 1 }), 8001);
      serve({ backends: backends(8002), terminating: backends(8001) });
      assert.equal(client({ sport: 1, flags: "ACK" }), 8001);
      assert.equal(client({ sport: 1, flags: "SYN" }), 8001, "a SYN that was sent again");
      for (const sport of sports(20)) assert.equal(client({ sport }), 8002);
    });

    test("gets another backend when its own is gone, and keeps that", () => {
      serve({ backends: backends(8001) });
      assert.equal(client({ protocol: "udp" }), 8001);
      serve({ backends: backends(8002, 8003, 8004) });
      const next = client({ protocol: "udp" });
      assert.ok(next !== undefined && next !== 8001);
      for (let again = 0; again < 20; again++) assert.equal(client({ protocol: "udp" }), next);
    });

    test("has none when all are gone, and one again when they are back", () => {
      serve({ backends: backends(8001) });
      assert.equal(client({ flags: "SYN" }), 8001);
      serve({ backends: [] });
      assert.equal(client({ flags: "ACK" }), undefined);
      serve({ backends: backends(8001) });
      assert.equal(client({ flags: "ACK" }), 8001);
    });

    for (const closing of ["FIN", "RST"] as const)
      test(`that ended with ${closing} keeps its backend for what is still under way`, () => {
        serve({ backends: backends(8001) });
        client({ flags: "SYN" });
        client({ flags: closing === "FIN" ? ["FIN", "ACK"] : "RST" });
        serve({ backends: backends(8002), terminating: backends(8001) });
        assert.equal(client({ flags: "ACK" }), 8001);
        const [flow] = node.services.maps.flows.list();
        const left = Number((flow?.expiresNs ?? 0n) - clockMonotonicNs()) / 1e9;
        assert.ok(left > 5 && left <= 10.1, `${left} s left`);
      });

    for (const closing of ["FIN", "RST"] as const)
      test(`whose ports are used again after ${closing} is a new one`, () => {
        serve({ backends: backends(8001) });
        client({ flags: "SYN" });
        client({ flags: closing === "FIN" ? ["FIN", "ACK"] : "RST" });
        serve({ backends: backends(8002), terminating: backends(8001) });
        assert.equal(client({ flags: "SYN" }), 8002);
        assert.equal(client({ flags: "ACK" }), 8002, "and stays so");
      });

    test("that nobody spoke on for its lifetime is a new one", () => {
      serve({ backends: backends(8001) });
      client({ protocol: "udp" });
      serve({ backends: backends(8002), terminating: backends(8001) });
      assert.equal(client({ protocol: "udp" }), 8001);
      expireFlows();
      assert.equal(client({ protocol: "udp" }), 8002);
    });

    test("lives as connections do", () => {
      const secondsLeft = () => {
        const [flow] = node.services.maps.flows.list();
        return Math.round(Number((flow?.expiresNs ?? 0n) - clockMonotonicNs()) / 1e9);
      };
      serve({ backends: backends(8001) });
      client({ flags: "SYN" });
      assert.equal(secondsLeft(), 60);
      client({ flags: "ACK" });
      assert.equal(secondsLeft(), 8000);
      client({ flags: "SYN" });
      assert.equal(secondsLeft(), 8000, "a SYN that was sent again takes nothing off");
      node.reset();
      client({ protocol: "udp" });
      assert.equal(secondsLeft(), 60);
    });

    test("is not opened by an error about it", () => {
      serve({ backends: backends(8001) });
      const isPod = who === "a pod";
      const [from, to] = isPod ? [a, clusterIp(80)] : [world, external(80)];
      const answer = segment(frame(4, [to, from]), "udp", { sport: 80, dport: 40000 });
      const error = portUnreachable(isPod ? fromA(4, to) : wire(4, [from, to]), 4, answer);
      const hook = isPod ? "from_container" : "from_netdev";
      assert.equal(node.try({ hook, packet: error.bytes() }).verdict, "drop 158");
      assert.deepEqual(node.services.maps.flows.list(), []);
    });
  });

function expireFlows(): void {
  const flows = new TypedMap(node.map("tsi_lb_flow"), abi.mapCodecs.tsi_lb_flow);
  for (const [key, flow] of Array.from(flows.entries()))
    flows.update(key, { ...flow, expiresNs: 1n });
}

describe("Maglev", () => {
  const hundred = Array.from({ length: 100 }, (_, at) => 8000 + at);
  const some = sports(1000);

  for (const [who, client] of Object.entries(clients))
    for (const family of [4, 6] as const)
      test(`IPv${family}: nodes choose alike for ${who}, whatever their numbers for backends are`, () => {
        serve({ backends: backends(...hundred), maglev: true });
        serve({ backends: backends(...hundred.toReversed()), maglev: true }, other);
        const here = some.map((sport) => client({ family, sport }));
        const there = some.map((sport) => client({ family, sport, on: other }));
        assert.deepEqual(there, here);
        assert.ok(new Set(here).size > 90, "not one for all");
      });

  test("a flow that was forgotten gets the same backend again", () => {
    const client = clients["a client from outside"] as Client;
    serve({ backends: backends(...hundred), maglev: true });
    const before = some.map((sport) => client({ sport }));
    node.reset();
    assert.deepEqual(
      some.map((sport) => client({ sport, flags: "ACK" })),
      before,
    );
  });

  test("when one of a hundred backends goes, no more than one in a hundred of the other flows moves", () => {
    const client = clients["a client from outside"] as Client;
    const flows = sports(3000);
    serve({ backends: backends(...hundred), maglev: true });
    const before = flows.map((sport) => client({ sport }));
    serve({ backends: backends(...hundred.filter((port) => port !== 8042)), maglev: true });
    node.reset();
    const now = flows.map((sport) => client({ sport }));
    const moved = before.filter((port, at) => port !== 8042 && port !== now[at]);
    assert.ok(!now.includes(8042));
    assert.ok(moved.length <= 30, `${moved.length} of 3000 moved`);
  });
});

describe("affinity", () => {
  const timeoutS = 100;
  const all = backends(8001, 8002, 8003, 8004, 8005, 8006, 8007, 8008);

  for (const [who, client] of Object.entries(clients))
    for (const family of [4, 6] as const)
      for (const maglev of [false, true]) {
        const name = `IPv${family}: ${who}, balanced ${maglev ? "by Maglev" : "at random"},`;
        const each = (sport: number, protocol: ProtocolName = "tcp") =>
          client({ family, sport, protocol });

        test(`${name} stays with its backend over its flows`, () => {
          serve({ backends: all, affinityTimeoutS: timeoutS, maglev });
          const first = each(1);
          for (const sport of sports(30)) assert.equal(each(sport), first);
        });

        test(`${name} may get another when it was not there for the timeout`, () => {
          serve({ backends: all, affinityTimeoutS: timeoutS, maglev });
          const got = new Set<number | undefined>();
          for (const sport of sports(60)) {
            got.add(each(sport));
            ageAffinities(timeoutS + 1);
          }
          assert.ok(got.size > 1);
        });

        test(`${name} has its time anew with every flow`, () => {
          serve({ backends: all, affinityTimeoutS: timeoutS, maglev });
          const first = each(1);
          for (const sport of sports(20)) {
            ageAffinities(timeoutS - 10);
            assert.equal(each(sport), first);
          }
        });

        test(`${name} gets another when its backend leaves, and stays with that`, () => {
          serve({ backends: all, affinityTimeoutS: timeoutS, maglev });
          const first = each(1) as number;
          const rest = all.filter(({ port }) => port !== first);
          serve({
            backends: rest,
            terminating: backends(first),
            affinityTimeoutS: timeoutS,
            maglev,
          });
          const next = each(2);
          assert.ok(next !== undefined && next !== first);
          for (const sport of sports(20)) assert.equal(each(sport), next);
          assert.equal(
            client({ family, sport: 1, flags: "ACK" }),
            first,
            "the flow that it has goes on",
          );
        });
      }

  test("is each client's own", () => {
    serve({ backends: all, affinityTimeoutS: timeoutS });
    const got = new Set(
      Array.from({ length: 40 }, (_, at) => {
        const from = { 4: `203.0.113.${at + 20}`, 6: "::" };
        return chosen("from_netdev", wire(4, [from, external(80)]), {});
      }),
    );
    assert.ok(got.size > 3);
  });

  test("without a timeout there is none", () => {
    serve({ backends: all });
    const client = clients["a pod"] as Client;
    assert.ok(new Set(sports(40).map((sport) => client({ sport }))).size > 3);
    assert.deepEqual(node.services.maps.affinities.list(), []);
  });
});

/** As if so many seconds had passed since each was used. */
function ageAffinities(seconds: number): void {
  const map = new TypedMap(node.map("tsi_lb_affinity"), abi.mapCodecs.tsi_lb_affinity);
  for (const [key, affinity] of Array.from(map.entries()))
    map.update(key, { ...affinity, usedNs: clockMonotonicNs() - BigInt(seconds) * 1_000_000_000n });
}
