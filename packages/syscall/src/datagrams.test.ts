import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AF_INET,
  bind,
  close,
  connect,
  DatagramReceiver,
  DatagramSender,
  Epoll,
  EPOLLIN,
  getsockname,
  IP_PKTINFO,
  IPPROTO_IP,
  parseSockaddr,
  sendto,
  setsockopt,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  sockaddrIn,
  socket,
} from "./index.ts";

function loopback(): { fd: number; address: Uint8Array } {
  const fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
  bind(fd, sockaddrIn(new Uint8Array([127, 0, 0, 1]), 0));
  return { fd, address: getsockname(fd) };
}

describe("datagrams in batches", () => {
  test("arrive in order, each with its sender and control messages", () => {
    const receiver = new DatagramReceiver({ count: 4, size: 8, controlSize: 64 });
    const server = loopback();
    const client = loopback();
    setsockopt(server.fd, IPPROTO_IP, IP_PKTINFO, 1);
    const take = () => {
      const count = receiver.receive(server.fd);
      return Array.from({ length: count }, (_, index) => ({
        text: receiver.bufferOf(index).toString("latin1", 0, Math.min(receiver.lengthOf(index), 8)),
        cut: receiver.isCut(index),
        from: parseSockaddr(Uint8Array.from(receiver.nameOf(index).subarray(0, 16))),
        control:
          receiver.controlLengthOf(index) >= 28 && receiver.controlOf(index).readUInt32LE(12),
      }));
    };
    assert.deepEqual(take(), []);
    for (const text of ["a", "", "12345678", "123456789", "last"])
      sendto(client.fd, Buffer.from(text), 0, server.address);
    const from = parseSockaddr(client.address);
    assert.deepEqual(take(), [
      { text: "a", cut: false, from, control: IP_PKTINFO },
      { text: "", cut: false, from, control: IP_PKTINFO },
      { text: "12345678", cut: false, from, control: IP_PKTINFO },
      { text: "12345678", cut: true, from, control: IP_PKTINFO },
    ]);
    assert.deepEqual(take(), [{ text: "last", cut: false, from, control: IP_PKTINFO }]);
    assert.deepEqual(take(), []);
    close(server.fd);
    close(client.fd);
  });

  test("go out together; one that cannot be sent is lost alone", () => {
    const sender = new DatagramSender({ count: 3, dataSize: 64, controlSize: 0 });
    const receiver = new DatagramReceiver({ count: 4, size: 64, controlSize: 0 });
    const server = loopback();
    const client = loopback();
    const add = (text: string, to: Uint8Array) => {
      const { name, data } = sender.add(text.length, to.length);
      sender.bytes.set(to, name);
      sender.bytes.write(text, data, "latin1");
    };
    assert.equal(sender.hasRoom(65), false);
    add("one", server.address);
    // Not a unicast address that a socket without SO_BROADCAST may send to.
    add("two", sockaddrIn(new Uint8Array([255, 255, 255, 255]), 9));
    add("three", server.address);
    assert.equal(sender.hasRoom(1), false);
    assert.equal(sender.flush(client.fd), 1);
    assert.equal(sender.pending, 0);
    const count = receiver.receive(server.fd);
    assert.deepEqual(
      Array.from({ length: count }, (_, index) =>
        receiver.bufferOf(index).toString("latin1", 0, receiver.lengthOf(index)),
      ),
      ["one", "three"],
    );
    close(server.fd);
    close(client.fd);
  });

  test("a port that nobody listens on is an error of the connected socket", () => {
    const receiver = new DatagramReceiver({ count: 1, size: 64, controlSize: 0 });
    const server = loopback();
    const client = loopback();
    connect(client.fd, server.address);
    close(server.fd);
    sendto(client.fd, new Uint8Array(1));
    assert.throws(() => receiver.receive(client.fd), { code: "ECONNREFUSED" });
    assert.equal(receiver.receive(client.fd), 0);
    close(client.fd);
  });
});

test("epoll names the descriptors that are ready", () => {
  using epoll = new Epoll();
  const server = loopback();
  const other = loopback();
  epoll.add(server.fd);
  epoll.add(other.fd);
  assert.equal(epoll.wait(), 0);
  sendto(other.fd, new Uint8Array(1), 0, server.address);
  assert.equal(epoll.wait(), 1);
  assert.deepEqual([epoll.fdAt(0), epoll.eventsAt(0)], [server.fd, EPOLLIN]);
  epoll.remove(server.fd);
  assert.equal(epoll.wait(), 0);
  close(server.fd);
  close(other.fd);
});
