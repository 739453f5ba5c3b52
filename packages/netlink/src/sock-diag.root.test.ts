// Real sockets in a namespace of this test alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Address } from "@tsilium/net";
import {
  accept,
  AF_INET,
  AF_INET6,
  bind,
  close,
  connect,
  getsockname,
  getsockopt,
  listen,
  MSG_DONTWAIT,
  parseSockaddr,
  recvfrom,
  sendto,
  SO_COOKIE,
  sockaddrIn,
  sockaddrIn6,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
} from "@tsilium/syscall";
import { Netns, Topology } from "@tsilium/testkit";
import { SockDiag } from "./sock-diag.ts";
import type { InetSocket } from "./sock-diag-codec.ts";

let topology: Topology;
let netns: Netns;
let diag: SockDiag;
const open: number[] = [];

before(() => {
  topology = new Topology();
  netns = topology.netns("diag");
  diag = SockDiag.open({ netns: netns.path });
});
after(() => {
  for (const fd of open) close(fd);
  diag[Symbol.dispose]();
  topology[Symbol.dispose]();
});

const port = 5300;
const loopback4 = Address.parse("127.0.0.1").bytes;
const targets = {
  "127.0.0.1": () => sockaddrIn(loopback4, port),
  "::1": () => sockaddrIn6(Address.parse("::1").bytes, port),
  "::ffff:127.0.0.1": () => sockaddrIn6(Address.parse("::ffff:127.0.0.1").bytes, port),
};

function connected(type: number, target: keyof typeof targets): number {
  const address = targets[target]();
  const fd = netns.run(() => socket(target.includes(":") ? AF_INET6 : AF_INET, type));
  open.push(fd);
  connect(fd, address);
  return fd;
}

function cookieOf(fd: number): bigint {
  const bytes = getsockopt(fd, SOL_SOCKET, SO_COOKIE, 8);
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
}

function listening(type: number): number {
  const fd = netns.run(() => socket(AF_INET6, type));
  open.push(fd);
  bind(fd, sockaddrIn6(new Uint8Array(16), port));
  if (type === SOCK_STREAM) listen(fd);
  return fd;
}

function find(fd: number, protocol: number): InetSocket | undefined {
  const cookie = cookieOf(fd);
  return ([4, 6] as const)
    .flatMap((family) => diag.list({ family, protocol, states: ["established"] }))
    .find((found) => found.cookie === cookie);
}

for (const target of Object.keys(targets) as (keyof typeof targets)[]) {
  test(`a UDP socket connected to ${target} is listed and ended, and its neighbour is not`, () => {
    const server = listening(SOCK_DGRAM);
    const [ended, kept] = [connected(SOCK_DGRAM, target), connected(SOCK_DGRAM, target)];
    const found = find(ended, 17);
    assert.ok(found);
    const own = parseSockaddr(getsockname(ended));
    assert.ok("port" in own);
    assert.deepEqual(
      [`${found.destination}`, found.destinationPort, found.sourcePort, found.family],
      [target, port, own.port, target.includes(":") ? 6 : 4],
    );
    assert.equal(diag.destroy(found), true);
    assert.throws(() => recvfrom(ended, new Uint8Array(9), MSG_DONTWAIT), { code: "ECONNABORTED" });
    assert.equal(find(ended, 17), undefined);
    assert.equal(diag.destroy(found), false);
    assert.equal(sendto(kept, Uint8Array.of(7)), 1);
    assert.equal(recvfrom(server, new Uint8Array(9), MSG_DONTWAIT)?.length, 1);
    close(server);
    open.splice(open.indexOf(server), 1);
  });
}

test("a TCP connection is ended at one end, and the other hears of it", () => {
  const server = listening(SOCK_STREAM);
  const client = connected(SOCK_STREAM, "127.0.0.1");
  const served = accept(server) as number;
  open.push(served);
  const found = find(client, 6);
  assert.ok(found);
  assert.equal(diag.destroy(found), true);
  assert.throws(() => recvfrom(client, new Uint8Array(9), MSG_DONTWAIT), { code: "ECONNABORTED" });
  assert.throws(() => recvfrom(served, new Uint8Array(9), MSG_DONTWAIT), { code: "ECONNRESET" });
});

test("another socket that came to the addresses is not met", () => {
  const fd = connected(SOCK_DGRAM, "127.0.0.1");
  const found = find(fd, 17);
  assert.ok(found);
  assert.equal(diag.destroy({ ...found, cookie: found.cookie + 1n }), false);
  assert.ok(find(fd, 17));
});

test("sockets of other namespaces are neither listed nor ended", () => {
  using elsewhere = SockDiag.open({ netns: topology.netns("other").path });
  const fd = connected(SOCK_DGRAM, "127.0.0.1");
  const found = find(fd, 17);
  assert.ok(found);
  assert.deepEqual(elsewhere.list({ family: 4, protocol: 17, states: ["established"] }), []);
  assert.equal(elsewhere.destroy(found), false);
  assert.ok(find(fd, 17));
});
