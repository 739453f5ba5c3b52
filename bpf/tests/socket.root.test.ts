// Services at sockets, in the kernel itself: the shipped programs in a cgroup of the test's, which the test's process is in, and
// its sockets in two namespaces, the node's and a pod's. Backends listen on addresses of either's loopback device.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { type Collection, decode, encode, Link, loadCollection, RingBuffer } from "@tsilium/ebpf";
import { Address } from "@tsilium/net";
import { ownNetnsCookie } from "@tsilium/syscall";
import { type Netns, Topology } from "@tsilium/testkit";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { fromMappedBytes } from "../../packages/datapath/src/tables/address-key.ts";
import { cgroupMount, TestCgroup } from "../../packages/datapath/src/testing/cgroup.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { configuredObject, TestNode } from "./node.ts";
import { anyNode, type Place, type ServiceSpec } from "./service-spec.ts";
import { clusterIp, external } from "./service-world.ts";
import { endText, errorOf, type SocketKind, TestSocket } from "./test-socket.ts";
import {
  b,
  type Family,
  nobody,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  standard,
} from "./world.ts";

const topology = new Topology();
const host = topology.netns("host");
const pod = topology.netns("pod");
/** Made by a process in the pod, or on the node, within its cgroup. */
const nested = topology.netns("nested");
const cookies = { host: host.run(ownNetnsCookie), pod: pod.run(ownNetnsCookie) };
const node = new TestNode();
const cgroup = new TestCgroup("socket");
const home = join(
  cgroupMount(),
  /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "",
);

/** Backends as they listen, in either namespace. */
const listening = { first: nobody, second: b, third: remotePod };
const firsts: Place[] = [{ at: listening.first, port: 8080 }];
const seconds: Place[] = [{ at: listening.second, port: 8080 }];
const thirds: Place[] = [{ at: listening.third, port: 8080 }];
const both = [...firsts, ...seconds];

before(() => {
  for (const netns of [host, pod, nested]) {
    for (const party of [...Object.values(listening), nodeAddress])
      for (const address of Object.values(party))
        netns.addAddress("lo", `${address}/${address.includes(":") ? 128 : 32}`);
  }
  writeFileSync(join(cgroup.path, "cgroup.procs"), String(process.pid));
});

after(() => {
  writeFileSync(join(home, "cgroup.procs"), String(process.pid));
  cgroup[Symbol.dispose]();
  node[Symbol.dispose]();
  topology[Symbol.dispose]();
});

/** The programs at work until disposed of. */
function attached(socketLb: "all" | "host"): Disposable {
  const services = { ...plainServices, socketLb } as const;
  const config = { ...standard, services };
  const spec = configuredObject("socket", config, { host_netns_cookie: Number(cookies.host) });
  const stack = new DisposableStack();
  const loaded: Collection = stack.use(loadCollection(spec, { maps: node.maps }));
  for (const program of Object.values(loaded.programs))
    stack.use(Link.attachCgroup(program, cgroup.path));
  return stack;
}

function serve(...specs: (Omit<ServiceSpec, "protocols"> & Partial<ServiceSpec>)[]): void {
  node.services.set(specs.map((spec) => ({ protocols: ["tcp", "udp"], ...spec })));
}

const service: Place = { at: clusterIp(10), port: 80 };
const loopback: Party = { 4: "127.0.0.1", 6: "::1" };
const clusterService = { ...service, kind: "cluster-ip" } as const;

/** An end as a socket of some kind names it: IPv4's to an IPv6 socket are mapped. */
type Naming = { readonly name: string; readonly family: Family; readonly socket: 4 | 6 };
const namings: readonly Naming[] = [
  { name: "IPv4", family: 4, socket: 4 },
  { name: "IPv6", family: 6, socket: 6 },
  { name: "IPv4 through an IPv6 socket", family: 4, socket: 6 },
];

function endOf({ family, socket }: Naming, { at, port }: Place): string {
  const address = Address.parse(at[family]);
  if (family === 6 || socket === 4) return endText(address, port);
  return endText(Address.parse(`::ffff:${address}`), port);
}

/** A server on one of the backends. */
function server(netns: Netns, naming: Naming, type: SocketKind["type"], place: Place): TestSocket {
  const kind = { family: naming.family, type } as const;
  return TestSocket.serve(netns, kind, endText(Address.parse(place.at[naming.family]), place.port));
}

const open = (netns: Netns, { socket }: Naming, type: SocketKind["type"]) =>
  TestSocket.open(netns, { family: socket, type });

/** How a connection to this end fails, "" if it does not. */
function refusal(netns: Netns, naming: Naming, type: SocketKind["type"], place: Place): string {
  using client = open(netns, naming, type);
  return errorOf(() => client.connect(endOf(naming, place)));
}

/** Who answers a connection to this end: the port of the backend; "" for nobody. */
function answersTo(netns: Netns, naming: Naming, place: Place): string {
  using stack = new DisposableStack();
  const servers = [...new Set([...both, ...thirds])].map((each) => ({
    name: Object.entries(listening).find(([, at]) => at === each.at)?.[0] ?? "",
    socket: stack.use(server(netns, naming, "udp", each)),
  }));
  const client = stack.use(open(netns, naming, "udp"));
  const failure = errorOf(() => {
    client.connect(endOf(naming, place));
    client.send("hello");
  });
  if (failure !== "") return failure;
  return servers.find(({ socket }) => socket.hasMessage)?.name ?? "nobody";
}

describe("sockets of pods and of the node", () => {
  let programs: Disposable;
  before(() => {
    programs = attached("all");
  });
  after(() => programs[Symbol.dispose]());
  afterEach(() => {
    node.services.set([]);
    node.reset();
  });

  for (const [whose, netns] of [
    ["the node", host],
    ["a pod", pod],
  ] as const)
    for (const naming of namings)
      describe(`${naming.name}, of ${whose}`, () => {
        const asked = endOf(naming, service);

        test("TCP: connect() reaches a backend; the peer is the service", () => {
          serve({ frontends: [clusterService], backends: firsts });
          using listener = server(netns, naming, "tcp", firsts[0] as Place);
          using client = open(netns, naming, "tcp");
          client.connect(asked);
          assert.equal(client.peer, asked);
          using accepted = listener.accept();
          client.send("to you");
          assert.equal(accepted.receive().text, "to you");
          accepted.send("and back");
          assert.equal(client.receive().text, "and back");
        });

        test("connected UDP: the same, and answers come from the service", () => {
          serve({ frontends: [clusterService], backends: firsts });
          using backend = server(netns, naming, "udp", firsts[0] as Place);
          using client = open(netns, naming, "udp");
          client.connect(asked);
          assert.equal(client.peer, asked);
          client.send("to you");
          const question = backend.receive();
          assert.equal(question.text, "to you");
          backend.send("and back", question.from);
          assert.deepEqual(client.receive(), { text: "and back", from: asked });
        });

        test("unconnected UDP: every datagram reaches a backend, answers come from the service", () => {
          serve({ frontends: [clusterService], backends: firsts });
          using backend = server(netns, naming, "udp", firsts[0] as Place);
          using client = open(netns, naming, "udp");
          for (const text of ["one", "two"]) {
            client.send(text, asked);
            const question = backend.receive();
            assert.equal(question.text, text);
            backend.send(`answer to ${text}`, question.from);
            assert.deepEqual(client.receive(), { text: `answer to ${text}`, from: asked });
          }
        });

        test("unconnected UDP stays with its backend while that is there", () => {
          serve({ frontends: [clusterService], backends: firsts });
          using first = server(netns, naming, "udp", firsts[0] as Place);
          using second = server(netns, naming, "udp", seconds[0] as Place);
          using client = open(netns, naming, "udp");
          client.send("1", asked);
          assert.equal(first.receive().text, "1");
          serve({ frontends: [clusterService], backends: both });
          for (let time = 0; time < 20; time++) client.send("2", asked);
          for (let time = 0; time < 20; time++) assert.equal(first.receive().text, "2");
          serve({ frontends: [clusterService], backends: seconds, terminating: firsts });
          client.send("3", asked);
          assert.equal(first.receive().text, "3");
          serve({ frontends: [clusterService], backends: seconds });
          client.send("4", asked);
          assert.equal(second.receive().text, "4");
        });

        test("nobody behind it: connect() and sendto() are refused", () => {
          serve({ frontends: [clusterService], backends: [] });
          assert.equal(refusal(netns, naming, "tcp", service), "ECONNREFUSED");
          assert.equal(refusal(netns, naming, "udp", service), "ECONNREFUSED");
          using client = open(netns, naming, "udp");
          assert.equal(
            errorOf(() => client.send("x", asked)),
            "ECONNREFUSED",
          );
        });

        test("nobody behind it, and nothing to be said", () => {
          serve({ frontends: [clusterService], backends: [], silent: true });
          // A pod's packet goes on, to be dropped at its device: here there is none. The node's would leave the node.
          const expected = whose === "a pod" ? "ENETUNREACH" : "EHOSTUNREACH";
          for (const type of ["tcp", "udp"] as const)
            assert.equal(refusal(netns, naming, type, service), expected);
        });

        test("TCP and UDP of one port are two services", () => {
          node.services.set([
            { frontends: [clusterService], protocols: ["udp"], backends: firsts },
            { frontends: [clusterService], protocols: ["tcp"], backends: [] },
          ]);
          assert.equal(answersTo(netns, naming, service), "first");
          assert.equal(refusal(netns, naming, "tcp", service), "ECONNREFUSED");
        });

        test("what is no service's is let be", () => {
          serve({ frontends: [clusterService], backends: firsts });
          assert.equal(answersTo(netns, naming, seconds[0] as Place), "second");
          assert.equal(refusal(netns, naming, "tcp", { ...service, port: 81 }), "ENETUNREACH");
        });

        test("internal traffic policy is theirs, not the external one", () => {
          serve({ frontends: [clusterService], backends: firsts, external: seconds });
          for (let time = 0; time < 10; time++)
            assert.equal(answersTo(netns, naming, service), "first");
        });

        test("a node port is served at every node's address", () => {
          serve({
            frontends: [{ at: anyNode, port: 30080, kind: "node-port" }],
            backends: firsts,
          });
          for (const at of [nodeAddress, otherNode])
            assert.equal(answersTo(netns, naming, { at, port: 30080 }), "first");
          assert.equal(
            refusal(netns, naming, "tcp", { at: external(1), port: 30080 }),
            "ENETUNREACH",
          );
        });

        test("a host port at its own node's alone", () => {
          serve({
            frontends: [{ at: anyNode, port: 8088, kind: "host-port" }],
            backends: firsts,
          });
          assert.equal(answersTo(netns, naming, { at: nodeAddress, port: 8088 }), "first");
          assert.equal(refusal(netns, naming, "tcp", { at: otherNode, port: 8088 }), "ENETUNREACH");
        });

        test("127.0.0.1 and ::1 are the node's to its own processes", () => {
          serve(
            { frontends: [{ at: anyNode, port: 30080, kind: "node-port" }], backends: firsts },
            { frontends: [{ at: anyNode, port: 8088, kind: "host-port" }], backends: firsts },
            { frontends: [{ at: loopback, port: 8089, kind: "host-port" }], backends: firsts },
          );
          for (const port of [30080, 8088, 8089])
            assert.equal(
              answersTo(netns, naming, { at: loopback, port }),
              whose === "the node" ? "first" : "nobody",
              `${port}`,
            );
        });

        test("a pod's address is never a service's, whatever a Service says", () => {
          serve({
            frontends: [
              { at: b, port: 8080, kind: "external" },
              { at: remotePod, port: 8080, kind: "external" },
            ],
            backends: firsts,
          });
          assert.equal(answersTo(netns, naming, seconds[0] as Place), "second");
          assert.equal(answersTo(netns, naming, thirds[0] as Place), "third");
        });

        test("connections are spread over all", () => {
          serve({ frontends: [clusterService], backends: [...both, ...thirds] });
          const got = Array.from({ length: 60 }, () => answersTo(netns, naming, service));
          for (const name of Object.keys(listening)) {
            const times = got.filter((each) => each === name).length;
            assert.ok(times >= 5, `${name} got ${times} of 60`);
          }
        });
      });

  for (const naming of namings) {
    test(`${naming.name}: with affinity every namespace is one client`, () => {
      const backends = [...both, ...thirds];
      serve({ frontends: [clusterService], backends, affinityTimeoutS: 100 });
      for (const netns of [host, pod]) {
        const first = answersTo(netns, naming, service);
        for (let time = 0; time < 15; time++)
          assert.equal(answersTo(netns, naming, service), first);
      }
      const clients = node.services.maps.affinities.list().map(({ netnsCookie }) => netnsCookie);
      assert.deepEqual(new Set(clients), new Set([cookies.host, cookies.pod]));
    });

    test(`${naming.name}: whom affinity's backend left gets another`, () => {
      const options = { frontends: [clusterService], affinityTimeoutS: 100 };
      serve({ ...options, backends: firsts });
      assert.equal(answersTo(pod, naming, service), "first");
      serve({ ...options, backends: seconds, terminating: firsts });
      assert.equal(answersTo(pod, naming, service), "second");
    });

    test(`${naming.name}: a pod that is excepted meets the address itself`, () => {
      serve({
        frontends: [{ ...clusterService, exceptions: [cookies.pod] }],
        backends: firsts,
      });
      assert.equal(answersTo(host, naming, service), "first");
      assert.equal(refusal(pod, naming, "tcp", service), "ENETUNREACH");
    });
  }

  for (const naming of namings)
    test(`${naming.name}: Service paths: a nested network namespace is a client like a pod, and neither the pod nor the node`, () => {
      serve(
        {
          frontends: [{ ...clusterService, exceptions: [cookies.pod] }],
          backends: [...both, ...thirds],
          affinityTimeoutS: 100,
        },
        { frontends: [{ at: anyNode, port: 30080, kind: "node-port" }], backends: firsts },
      );
      assert.notEqual(answersTo(nested, naming, service), "nobody");
      assert.equal(refusal(pod, naming, "tcp", service), "ENETUNREACH");
      const clients = node.services.maps.affinities.list().map(({ netnsCookie }) => netnsCookie);
      assert.deepEqual(clients, [nested.run(ownNetnsCookie)]);
      assert.equal(answersTo(nested, naming, { at: nodeAddress, port: 30080 }), "first");
      assert.equal(answersTo(nested, naming, { at: loopback, port: 30080 }), "nobody");
    });

  test("a node port of both families has backends for each", () => {
    const mixed = { 4: listening.first[4], 6: listening.second[6] };
    serve({
      frontends: [{ at: anyNode, port: 30080, kind: "node-port" }],
      backends: [{ at: mixed, port: 8080 }],
    });
    const got = namings.map((naming) => answersTo(pod, naming, { at: otherNode, port: 30080 }));
    assert.deepEqual(got, ["first", "second", "first"]);
  });
});

describe("the node's sockets alone", () => {
  let programs: Disposable;
  before(() => {
    programs = attached("host");
    serve({ frontends: [clusterService], backends: firsts });
  });
  after(() => programs[Symbol.dispose]());

  for (const naming of namings) {
    test(`${naming.name}: the node's are balanced`, () => {
      assert.equal(answersTo(host, naming, service), "first");
    });

    test(`${naming.name}: pods' packets are left to their device`, () => {
      for (const type of ["tcp", "udp"] as const)
        assert.equal(refusal(pod, naming, type, service), "ENETUNREACH");
      using client = open(pod, naming, "udp");
      assert.equal(
        errorOf(() => client.send("x", endOf(naming, service))),
        "ENETUNREACH",
      );
    });
  }
});

describe("bind()", () => {
  let programs: Disposable;
  before(() => {
    programs = attached("all");
    serve(
      {
        frontends: [{ at: anyNode, port: 30080, kind: "node-port" }],
        protocols: ["tcp"],
        backends: firsts,
      },
      { frontends: [{ at: anyNode, port: 30090, kind: "host-port" }], backends: firsts },
      { frontends: [{ at: anyNode, port: 8088, kind: "host-port" }], backends: firsts },
    );
  });
  after(() => programs[Symbol.dispose]());

  function binding(netns: Netns, kind: SocketKind, end: string): string {
    using made = TestSocket.open(netns, kind);
    return errorOf(() => made.bind(end));
  }

  const ends: readonly (readonly [4 | 6, string])[] = [
    [4, "0.0.0.0"],
    [4, "127.0.0.1"],
    [4, nodeAddress[4]],
    [6, "[::]"],
    [6, `[${nodeAddress[6]}]`],
    [6, "[::ffff:127.0.0.1]"],
  ];
  for (const [family, address] of ends) {
    test(`${address}: the node's processes cannot have a service's node port`, () => {
      assert.equal(binding(host, { family, type: "tcp" }, `${address}:30080`), "EPERM");
    });

    test(`${address}: all others they can`, () => {
      for (const port of [30081, 30090, 8088, 0])
        assert.equal(binding(host, { family, type: "tcp" }, `${address}:${port}`), "");
      assert.equal(binding(host, { family, type: "udp" }, `${address}:30080`), "");
    });

    test(`${address}: pods' ports are theirs`, () => {
      assert.equal(binding(pod, { family, type: "tcp" }, `${address}:30080`), "");
    });
  }
});

describe("what sockets are given is told", () => {
  const [naming] = namings as [Naming];
  const told = (map: "tsi_traces" | "tsi_events") => {
    const events: abi.SocketEvent[] = [];
    using ring = RingBuffer.open(node.map(map));
    ring.drain((memory, at, length) => {
      const record = memory.bytes.slice(at, at + length);
      events.push(decode(abi.socketEvent, record));
    });
    return events.map((event) => {
      const backend = fromMappedBytes(event.backendAddress);
      return {
        kind: event.header.kind,
        code: event.header.code,
        frontend: `${fromMappedBytes(event.frontendAddress)}:${event.frontendPort}`,
        backend: `${backend}:${event.backendPort}`,
        known: event.header.frontend !== 0 && event.socketCookie !== 0n && event.cgroupId !== 0n,
        netns: event.netnsCookie,
      };
    });
  };
  const setTrace = (trace: number) =>
    node
      .map("tsi_runtime")
      .update(new Uint8Array(4), encode(abi.runtime, { epoch: 0, trace, verdicts: 0, proxies: 0 }));

  before(() => {
    setTrace(abi.traceLevel.connections);
    told("tsi_traces");
    told("tsi_events");
  });
  after(() => setTrace(abi.traceLevel.off));

  test("a connection's backend, and a UDP socket's once for all its messages", () => {
    using _programs = attached("all");
    serve({ frontends: [clusterService], backends: firsts });
    const translation = {
      kind: abi.eventKind.translation,
      code: abi.translationPoint.forward,
      frontend: "10.96.0.10:80",
      backend: `${listening.first[4]}:8080`,
      known: true,
    };
    {
      using _server = server(pod, naming, "tcp", firsts[0] as Place);
      using client = open(pod, naming, "tcp");
      client.connect(endOf(naming, service));
    }
    assert.deepEqual(told("tsi_traces"), [{ ...translation, netns: cookies.pod }]);
    using client = open(host, naming, "udp");
    for (let message = 0; message < 3; message++) client.send("x", endOf(naming, service));
    assert.deepEqual(told("tsi_traces"), [{ ...translation, netns: cookies.host }]);
  });

  test("a refusal, beside the drops", () => {
    using _programs = attached("all");
    serve({ frontends: [clusterService], backends: [] });
    assert.notEqual(refusal(pod, naming, "tcp", service), "");
    assert.deepEqual(told("tsi_traces"), []);
    assert.deepEqual(told("tsi_events"), [
      {
        kind: abi.eventKind.translation,
        code: abi.translationPoint.refused,
        frontend: "10.96.0.10:80",
        backend: "undefined:0",
        known: true,
        netns: cookies.pod,
      },
    ]);
  });
});
