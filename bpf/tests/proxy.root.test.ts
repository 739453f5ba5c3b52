// Redirection to proxies, packet by packet. A test run cannot assign sockets: that a listener was found shows as 179.
// What becomes of connections is shown in packages/datapath/src/proxy.root.test.ts.
import assert from "node:assert/strict";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { decode, encode } from "@tsilium/ebpf";
import { Address, cutIntoFragments } from "@tsilium/net";
import {
  AF_INET,
  AF_INET6,
  bind,
  clockMonotonicNs,
  close,
  connect,
  IPPROTO_IP,
  IPPROTO_IPV6,
  listen,
  setsockopt,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddrIn,
  sockaddrIn6,
  socket,
  SO_MARK,
  SOL_SOCKET,
} from "@tsilium/syscall";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { heldPolicy, rule, slots } from "./held-policy.ts";
import { type Attempt, TestNode } from "./node.ts";
import { runNetns } from "./run-netns.ts";
import { toBytes, type PacketLike } from "./table.ts";
import {
  a,
  b,
  frame,
  fromA,
  identities,
  macs,
  otherNode,
  remotePod,
  subjects,
  world,
  type Family,
  type Party,
} from "./world.ts";

const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const IPV6_V6ONLY = 26;

/** Of the egress and the ingress engine. */
const ports = { egress: 10_000, ingress: 11_008 };
const marks = { egress: 0x0b00, ingress: 0x0a00 };

/** Of a listener, and of what it accepted. */
const listenerMark = (port: number): number => 0x80000 | ((port - 10_000) << 20);
const protocols = { tcp: 6, udp: 17, sctp: 132 };
const loopback: Party = { 4: "127.0.0.1", 6: "::1" };
const anywhere: Party = { 4: "0.0.0.0", 6: "::" };

const node = new TestNode({ l7Proxy: true });
after(() => node[Symbol.dispose]());
const { slot, hold, release } = heldPolicy(node);

const sockets: number[] = [];
afterEach(() => sockets.splice(0).forEach(close));
beforeEach(() => {
  release();
  lookForProxies(true);
});

/** Whether proxies run. */
function lookForProxies(on: boolean): void {
  const runtime = { epoch: 0, trace: 0, verdicts: 0, proxies: Number(on) };
  node.map("tsi_runtime").update(new Uint8Array(4), encode(abi.runtime, runtime));
}

function sockaddr(address: string, port: number): Uint8Array {
  const { family, bytes } = Address.parse(address);
  return family === 4 ? sockaddrIn(bytes, port) : sockaddrIn6(bytes, port);
}

type SocketOptions = { readonly type?: number; readonly mark?: number };

/** A socket of the node's, bound and marked as proxies' are. */
function nodeSocket(
  address: string,
  port: number,
  { type = SOCK_STREAM, mark = listenerMark(port) }: SocketOptions = {},
): number {
  return runNetns().run(() => {
    const isIpv4 = Address.parse(address).family === 4;
    const fd = socket(isIpv4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK);
    sockets.push(fd);
    setsockopt(fd, SOL_SOCKET, SO_MARK, mark);
    if (isIpv4) setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
    else {
      setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
      setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
    }
    bind(fd, sockaddr(address, port));
    return fd;
  });
}

/** The socket has its ends from now on; nobody answers. */
function connectWithoutWaiting(fd: number, to: Uint8Array): void {
  try {
    connect(fd, to);
  } catch (error) {
    if ((error as { code?: string }).code !== "EINPROGRESS") throw error;
  }
}

function listener(family: Family, at: Party, port: number, mark = listenerMark(port)): void {
  listen(nodeSocket(at[family], port, { mark }));
}

/** What a proxy asked a server for a client. */
function upstream(
  family: Family,
  ends: { client: Party; port: number; server: Party; serverPort: number; mark?: number },
) {
  const { client, port, server, serverPort, mark = marks.egress } = ends;
  const fd = nodeSocket(client[family], port, { type: SOCK_DGRAM, mark });
  runNetns().run(() => connect(fd, sockaddr(server[family], serverPort)));
}

const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };

function verdict(hook: Attempt["hook"], packet: PacketLike, more: Partial<Attempt> = {}): string {
  return node.try({
    hook,
    packet: toBytes(packet),
    ...(hook === "from_overlay" ? { tunnel } : {}),
    ...more,
  }).verdict;
}

/** Redirects what A sends, of one protocol. */
function redirectEgress(protocol: keyof typeof protocols): void {
  slot(slots.aEgress, {
    rules: [rule({ protocol: protocols[protocol], verdict: "redirect", proxyPort: ports.egress })],
  });
  hold(subjects.a, { egress: slots.aEgress });
}

function redirectIngress(): void {
  slot(slots.bIngress, {
    rules: [rule({ protocol: protocols.tcp, verdict: "redirect", proxyPort: ports.ingress })],
  });
  hold(subjects.b, { ingress: slots.bIngress });
}

type PacketFlags = readonly ("SYN" | "ACK" | "FIN")[];

/** Of every connection: its flags, but for those of traces, and how long it has. */
function remembered(family: Family): { flags: string[]; seconds: number }[] {
  const of: readonly string[] = ["seenReply", "originClosed", "replyClosed", "proxied"];
  const now = clockMonotonicNs();
  return [`tsi_ct${family}_new`, `tsi_ct${family}`].flatMap((name) =>
    Array.from(node.map(name).entries(), ([, value]) => {
      const { flags, expiresNs } = decode(abi.conntrackEntry, value);
      return {
        flags: Object.entries(abi.conntrackFlags).flatMap(([flag, bit]) =>
          of.includes(flag) && flags & bit ? [flag] : [],
        ),
        seconds: Math.round(Number(expiresNs - now) / 1e9),
      };
    }),
  );
}

const syn = { sport: 40_000, dport: 80, flags: "SYN" } as const;
const data = { sport: 40_000, dport: 80, flags: "ACK" } as const;
const query = { sport: 40_000, dport: 53 };
const fromRemote = (family: Family, to: Party) =>
  frame(family, [remotePod, to], { src: macs.stranger, dst: macs.stranger });
const fromNode = (family: Family, from: Party, to: Party) => frame(family, [from, to], {});

for (const family of [4, 6] as const)
  describe(`IPv${family}`, () => {
    test("what is to go to a proxy that does not listen is dropped (178)", () => {
      redirectEgress("tcp");
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn)), "drop 178");
      redirectEgress("udp");
      assert.equal(verdict("from_container", fromA(family, remotePod).udp(query)), "drop 178");
      redirectIngress();
      assert.equal(verdict("from_overlay", fromRemote(family, b).tcp(syn)), "drop 178");
    });

    test("a listener on the loopback address gets it, first packets and later ones", () => {
      listener(family, loopback, ports.egress);
      redirectEgress("tcp");
      for (const flags of [syn, data])
        assert.equal(verdict("from_container", fromA(family, remotePod).tcp(flags)), "drop 179");
      nodeSocket(loopback[family], ports.egress, { type: SOCK_DGRAM });
      redirectEgress("udp");
      assert.equal(verdict("from_container", fromA(family, remotePod).udp(query)), "drop 179");
      listener(family, loopback, ports.ingress);
      redirectIngress();
      assert.equal(verdict("from_overlay", fromRemote(family, b).tcp(syn)), "drop 179");
    });

    test("a listener on every address is somebody else's", () => {
      listener(family, anywhere, ports.egress);
      redirectEgress("tcp");
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn)), "drop 178");
      nodeSocket(anywhere[family], ports.egress, { type: SOCK_DGRAM });
      redirectEgress("udp");
      assert.equal(verdict("from_container", fromA(family, remotePod).udp(query)), "drop 178");
    });

    test("a listener without the mark of proxies' cgroups is somebody's who came first", () => {
      listener(family, loopback, ports.egress, 0);
      redirectEgress("tcp");
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn)), "drop 178");
      nodeSocket(loopback[family], ports.egress, { type: SOCK_DGRAM, mark: 0 });
      redirectEgress("udp");
      assert.equal(verdict("from_container", fromA(family, remotePod).udp(query)), "drop 178");
    });

    test("a connection goes to the listener that accepted it, whoever the proxy believes holds it", () => {
      const accepted = nodeSocket(remotePod[family], 80, { mark: listenerMark(ports.egress) });
      runNetns().run(() => connectWithoutWaiting(accepted, sockaddr(a[family], data.sport)));
      redirectEgress("tcp");
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(data)), "pass");
      node.reset();
      // As after the loss of its entry, when other rules hold: the listener that it is told to be of resets it.
      listener(family, loopback, ports.egress + 1);
      slot(slots.aEgress, {
        rules: [
          rule({ protocol: protocols.tcp, verdict: "redirect", proxyPort: ports.egress + 1 }),
        ],
      });
      hold(subjects.a, { egress: slots.aEgress });
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(data)), "drop 179");
    });

    test("a connection that a process of the node accepted is no proxy's", () => {
      const accepted = nodeSocket(remotePod[family], 80, { mark: 0 });
      runNetns().run(() => connectWithoutWaiting(accepted, sockaddr(a[family], data.sport)));
      redirectEgress("tcp");
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(data)), "drop 178");
    });

    test("a fragment is not assigned: put together again it would be any listener's (157)", () => {
      nodeSocket(loopback[family], ports.egress, { type: SOCK_DGRAM });
      redirectEgress("udp");
      const whole = fromA(family, remotePod).udp({ ...query, payload: new Uint8Array(3000) });
      const pieces = cutIntoFragments(whole.bytes(), { size: 1200, id: 77 });
      for (const piece of pieces) assert.equal(verdict("from_container", piece), "drop 157");
    });

    test("the server's own listener on the node does not get a redirected connection", () => {
      listener(family, anywhere, syn.dport);
      redirectEgress("tcp");
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn)), "drop 178");
    });

    test("a redirect to no port lets nothing through", () => {
      slot(slots.aEgress, { rules: [rule({ verdict: "redirect", proxyPort: 0 })] });
      hold(subjects.a, { egress: slots.aEgress });
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn)), "drop 178");
    });

    test("a protocol that no proxy speaks is dropped (180)", () => {
      redirectEgress("sctp");
      const packet = fromA(family, remotePod).sctp({ sport: 40_000, dport: 80 });
      assert.equal(verdict("from_container", packet), "drop 180");
    });

    test("a connection that no proxy saw begin is reset, from both ends", () => {
      const answer = fromRemote(family, a).tcp({ sport: 80, dport: 40_000, flags: "ACK" });
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn)), "redirect");
      assert.equal(verdict("from_overlay", answer), "redirect");
      redirectEgress("tcp");
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(data)), "refuse 133");
      assert.equal(verdict("from_overlay", answer), "refuse 133");
    });

    test("a connection that a proxy has stays with it when policy lets it through directly", () => {
      redirectEgress("tcp");
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn)), "drop 178");
      hold(subjects.a, {});
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(data)), "drop 178");
    });

    test("... and is dropped when policy denies it", () => {
      redirectEgress("tcp");
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn)), "drop 178");
      slot(slots.aIngress);
      hold(subjects.a, { egress: slots.aIngress });
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(data)), "drop 133");
    });

    test("a datagram goes where policy says now", () => {
      redirectEgress("udp");
      assert.equal(verdict("from_container", fromA(family, remotePod).udp(query)), "drop 178");
      hold(subjects.a, {});
      assert.equal(verdict("from_container", fromA(family, remotePod).udp(query)), "redirect");
    });

    test("an answer to what a proxy asked is the proxy's", () => {
      upstream(family, { client: a, port: 20_000, server: remotePod, serverPort: 53 });
      const answer = (sport: number, dport: number) => fromRemote(family, a).udp({ sport, dport });
      assert.equal(verdict("from_overlay", answer(53, 20_000)), "pass");
      assert.equal(verdict("from_overlay", answer(54, 20_000)), "redirect", "another server's");
      assert.equal(verdict("from_overlay", answer(53, 20_001)), "redirect", "another socket's");
      node.reset();
      lookForProxies(false);
      assert.equal(verdict("from_overlay", answer(53, 20_000)), "redirect", "no proxy runs");
    });

    test("... whatever the client's own policy says, and only of ports that proxies have", () => {
      slot(slots.aIngress);
      hold(subjects.a, { ingress: slots.aIngress });
      for (const port of [20_000, 40_000])
        upstream(family, { client: a, port, server: remotePod, serverPort: 53 });
      const answer = (dport: number) => fromRemote(family, a).udp({ sport: 53, dport });
      assert.equal(verdict("from_overlay", answer(20_000)), "pass");
      assert.equal(verdict("from_overlay", answer(40_000)), "drop 133");
    });

    test("a socket of the node that is not a proxy's gets nothing past policy, connected or not", () => {
      const server = { client: a, port: 20_000, server: remotePod, serverPort: 53 };
      upstream(family, { ...server, mark: 0 });
      nodeSocket(a[family], 20_002, { type: SOCK_DGRAM, mark: 0 });
      slot(slots.aIngress);
      hold(subjects.a, { ingress: slots.aIngress });
      for (const dport of [20_000, 20_002])
        assert.equal(
          verdict("from_overlay", fromRemote(family, a).udp({ sport: 53, dport })),
          "drop 133",
        );
    });

    test("a pod of this node answers the proxy, too", () => {
      upstream(family, { client: a, port: 20_000, server: b, serverPort: 53 });
      const answer = frame(family, [b, a], { src: macs.b, dst: macs.gatewayOfB });
      const packet = answer.udp({ sport: 53, dport: 20_000 });
      assert.equal(verdict("from_container", packet, { pod: "b" }), "pass");
    });

    test("what the egress proxy sends is judged by the server's side alone", () => {
      slot(slots.aEgress);
      hold(subjects.a, { egress: slots.aEgress });
      const packet = fromNode(family, a, b).tcp({ ...syn, sport: 20_000 });
      assert.equal(verdict("from_host", packet, { mark: marks.egress }), "redirect");
      slot(slots.bIngress);
      hold(subjects.b, { ingress: slots.bIngress });
      assert.equal(verdict("from_host", packet, { mark: marks.egress }), "drop 133");
    });

    test("what the ingress proxy sends was judged before", () => {
      slot(slots.bIngress);
      hold(subjects.b, { ingress: slots.bIngress });
      const packet = fromNode(family, a, b).tcp({ ...syn, sport: 20_000 });
      assert.equal(verdict("from_host", packet), "drop 133");
      assert.equal(verdict("from_host", packet, { mark: marks.ingress }), "redirect");
    });

    test("what a proxy opened is answered, and ends", () => {
      const port = 20_000;
      const of = nodeSocket(a[family], port, { mark: marks.egress });
      runNetns().run(() => connectWithoutWaiting(of, sockaddr(b[family], 80)));
      const sent = (flags: PacketFlags) =>
        verdict("from_host", fromNode(family, a, b).tcp({ sport: port, dport: 80, flags }), {
          mark: marks.egress,
        });
      const answered = (flags: PacketFlags) => {
        const answer = frame(family, [b, a], { src: macs.b, dst: macs.gatewayOfB });
        const packet = answer.tcp({ sport: 80, dport: port, flags });
        assert.equal(verdict("from_container", packet, { pod: "b" }), "pass");
      };
      assert.equal(sent(["SYN"]), "redirect");
      answered(["SYN", "ACK"]);
      assert.equal(sent(["ACK"]), "redirect");
      assert.deepEqual(remembered(family), [{ flags: ["seenReply"], seconds: 8000 }]);
      answered(["FIN", "ACK"]);
      assert.equal(sent(["FIN", "ACK"]), "redirect");
      assert.deepEqual(remembered(family), [
        { flags: ["seenReply", "originClosed", "replyClosed"], seconds: 10 },
      ]);
    });

    for (const [hook, client, passes] of [
      ["from_host", remotePod, "redirect"],
      ["to_netdev", world, "pass"],
    ] as const)
      test(`a client elsewhere is answered by the proxy (${hook}): its connection is answered, and ends`, () => {
        redirectIngress();
        const sent = (flags: "SYN" | "FIN") =>
          hook === "from_host"
            ? verdict("from_overlay", fromRemote(family, b).tcp({ ...syn, flags }))
            : verdict(
                "from_netdev",
                frame(family, [client, b], { src: macs.here, dst: macs.here }).tcp({
                  ...syn,
                  flags,
                }),
              );
        const answer = (flags: PacketFlags) =>
          verdict(hook, fromNode(family, b, client).tcp({ sport: 80, dport: 40_000, flags }));
        assert.equal(sent("SYN"), "drop 178");
        assert.equal(answer(["SYN", "ACK"]), passes);
        assert.deepEqual(remembered(family), [{ flags: ["seenReply", "proxied"], seconds: 60 }]);
        sent("FIN");
        assert.equal(answer(["FIN", "ACK"]), passes);
        assert.deepEqual(remembered(family), [
          { flags: ["seenReply", "originClosed", "replyClosed", "proxied"], seconds: 10 },
        ]);
      });

    test("a pod cannot take over what a proxy opened in its name", () => {
      const opening = { ...syn, sport: 20_000 };
      const packet = fromNode(family, a, b).tcp(opening);
      for (const mark of [marks.egress, marks.ingress])
        assert.equal(verdict("from_host", packet, { mark }), "redirect");
      slot(slots.aEgress);
      hold(subjects.a, { egress: slots.aEgress });
      for (const flags of ["SYN", "ACK"] as const)
        assert.equal(
          verdict("from_container", fromA(family, b).tcp({ ...opening, flags })),
          "drop 133",
        );
    });
  });
