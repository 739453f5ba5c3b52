// Real sockets: of the node's own namespace, and of a pod's.
//
//   tsit-PID-node                     tsit-PID-pod
//     the terminator                    sockets
//     sockets
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Address } from "@tsilium/net";
import { createLog } from "@tsilium/runtime";
import {
  AF_INET,
  AF_INET6,
  bind,
  close,
  connect,
  getsockopt,
  listen,
  MSG_DONTWAIT,
  recvfrom,
  SO_COOKIE,
  sockaddrIn,
  sockaddrIn6,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
} from "@tsilium/syscall";
import { type Netns, Topology } from "@tsilium/testkit";
import { SocketTerminator, type SocketTerminatorOptions } from "./socket-terminator.ts";

const log = createLog({ level: "fatal", base: {} });
const backend = { address: Address.parse("127.0.0.1"), port: 5353, protocol: 17 };
const tcpBackend = { ...backend, protocol: 6 };

let topology: Topology;
let node: Netns;
let pod: Netns;
let open: number[] = [];
/** Cookies of sockets that were balanced. */
const balanced = new Set<bigint>();

before(() => {
  topology = new Topology();
  node = topology.netns("node");
  pod = topology.netns("pod");
});
after(() => topology[Symbol.dispose]());
afterEach(() => {
  for (const fd of open) close(fd);
  open = [];
  balanced.clear();
});

type Far = { readonly port?: number; readonly type?: number; readonly mapped?: boolean };

function connected(netns: Netns, { port = 5353, type = SOCK_DGRAM, mapped = false }: Far = {}) {
  const fd = netns.run(() => socket(mapped ? AF_INET6 : AF_INET, type));
  open.push(fd);
  const bytes = (text: string) => Address.parse(text).bytes;
  connect(
    fd,
    mapped ? sockaddrIn6(bytes("::ffff:127.0.0.1"), port) : sockaddrIn(bytes("127.0.0.1"), port),
  );
  const cookie = getsockopt(fd, SOL_SOCKET, SO_COOKIE, 8);
  balanced.add(new DataView(cookie.buffer, cookie.byteOffset).getBigUint64(0, true));
  return fd;
}

function listening(netns: Netns, type: number): void {
  const fd = netns.run(() => socket(AF_INET, type));
  open.push(fd);
  bind(fd, sockaddrIn(Address.parse("127.0.0.1").bytes, 5353));
  if (type === SOCK_STREAM) listen(fd);
}

function isOpen(fd: number): boolean {
  try {
    recvfrom(fd, new Uint8Array(1), MSG_DONTWAIT);
    return true;
  } catch (error) {
    assert.equal((error as { code: string }).code, "ECONNABORTED");
    return false;
  }
}

/** A terminator whose own namespace is the node's for as long as a search takes. */
function terminator(options: Partial<SocketTerminatorOptions> = {}): SocketTerminator {
  return new SocketTerminator({
    isBalanced: (cookie, address, port) =>
      balanced.has(cookie) && address.equals(backend.address) && port === backend.port,
    podNamespaces: () => [node.path, pod.path],
    allProtocols: false,
    log,
    ...options,
  });
}

test("sockets of all namespaces that a backend was given to end with it, whatever their family", async () => {
  listening(pod, SOCK_DGRAM);
  const sockets = [connected(node), connected(pod), connected(pod, { mapped: true })];
  using ender = terminator();
  ender.backendsGone([backend]);
  await ender.settled();
  assert.deepEqual(sockets.map(isOpen), [false, false, false]);
  assert.deepEqual(ender.counts(), { terminated: 3, failed: 0 });
});

test("sockets to other backends, and those that asked for the address itself, stay", async () => {
  const other = connected(pod, { port: 5354 });
  const direct = connected(pod);
  balanced.clear();
  using ender = terminator();
  ender.backendsGone([backend, { ...backend, port: 5355 }]);
  await ender.settled();
  assert.deepEqual([other, direct].map(isOpen), [true, true]);
});

test("TCP connections end only where that is asked for", async () => {
  listening(pod, SOCK_STREAM);
  const connection = connected(pod, { type: SOCK_STREAM });
  using lenient = terminator();
  lenient.backendsGone([tcpBackend]);
  await lenient.settled();
  assert.ok(isOpen(connection));
  using strict = terminator({ allProtocols: true });
  strict.backendsGone([backend]);
  await strict.settled();
  assert.ok(isOpen(connection));
  strict.backendsGone([tcpBackend]);
  await strict.settled();
  assert.ok(!isOpen(connection));
});

test("a namespace that is gone keeps nobody from the next", async () => {
  const fd = connected(pod);
  using ender = terminator({
    podNamespaces: () => ["/var/run/netns/nowhere", "/etc/hosts", pod.path],
  });
  ender.backendsGone([backend]);
  await ender.settled();
  assert.ok(!isOpen(fd));
  assert.deepEqual(ender.counts(), { terminated: 1, failed: 0 });
});

test("pods are left alone where their sockets are not to be ended", async () => {
  const fd = connected(pod);
  using ender = terminator({ podNamespaces: undefined });
  ender.backendsGone([backend]);
  await ender.settled();
  assert.ok(isOpen(fd));
});
