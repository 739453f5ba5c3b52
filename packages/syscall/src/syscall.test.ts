import assert from "node:assert/strict";
import { openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  accept,
  addressOf,
  AF_INET,
  bind,
  bpf,
  clockBoottimeNs,
  clockMonotonicNs,
  close,
  connect,
  dup,
  F_GETFD,
  fcntl,
  FD_CLOEXEC,
  getsockname,
  getsockopt,
  ifIndexToName,
  ifNameToIndex,
  IPPROTO_IP,
  isSyscallError,
  listen,
  MAP_SHARED,
  mmap,
  munmap,
  O_RDONLY,
  open,
  pageSize,
  parseCpuCount,
  parseSockaddr,
  possibleCpus,
  PROT_READ,
  read,
  recvfrom,
  recvmsg,
  sendto,
  setsockopt,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddrIn,
  socket,
  SOL_SOCKET,
  SyscallError,
  write,
} from "./index.ts";

const localhost = (port: number) => sockaddrIn(new Uint8Array([127, 0, 0, 1]), port);

function portOf(fd: number): number {
  const address = parseSockaddr(getsockname(fd));
  return address.family === "inet" ? address.port : assert.fail();
}

describe("errors", () => {
  test("name the call and the reason", () => {
    assert.throws(() => open("/no/such/file", O_RDONLY), {
      name: "SyscallError",
      code: "ENOENT",
      errno: 2,
      syscall: "open",
      message: "open: ENOENT",
    });
  });

  test("numbers that only the kernel knows have their names too", () => {
    assert.equal(new SyscallError("bpf", 524).code, "ENOTSUPP");
    assert.equal(new SyscallError("bpf", 11).code, "EAGAIN");
    assert.equal(new SyscallError("bpf", 95).code, "EOPNOTSUPP");
    assert.equal(new SyscallError("bpf", 4000).code, "E4000");
  });

  test("can be asked for by code", () => {
    const error = new SyscallError("x", 17);
    assert.equal(isSyscallError(error, "ENOENT", "EEXIST"), true);
    assert.equal(isSyscallError(error, "ENOENT"), false);
    assert.equal(isSyscallError(new Error("other")), false);
  });

  test("a bpf command that does not exist is EINVAL, or EPERM without rights", () => {
    assert.throws(
      () => bpf(9999, new Uint8Array(16)),
      (error) => isSyscallError(error, "EINVAL", "EPERM"),
    );
  });
});

describe("descriptors", () => {
  test("are closed on exec, duplicates too", () => {
    const fd = open("/dev/null", O_RDONLY);
    const second = dup(fd);
    assert.equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert.equal(fcntl(second, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(second);
    close(fd);
    assert.throws(() => close(fd), { code: "EBADF" });
  });

  test("reading where nothing is answers undefined", () => {
    const empty = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
    assert.equal(read(empty, new Uint8Array(8)), undefined);
    close(empty);
  });
});

describe("sockets", () => {
  test("a datagram arrives with its sender's address", () => {
    const server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
    bind(server, localhost(0));
    const client = socket(AF_INET, SOCK_DGRAM);
    bind(client, localhost(0));
    sendto(client, new TextEncoder().encode("hello"), 0, localhost(portOf(server)));
    const buffer = new Uint8Array(16);
    const received = recvfrom(server, buffer) ?? assert.fail();
    assert.equal(new TextDecoder().decode(buffer.subarray(0, received.length)), "hello");
    assert.deepEqual(parseSockaddr(received.address), parseSockaddr(getsockname(client)));
    assert.equal(recvfrom(server, buffer), undefined);
    close(client);
    close(server);
  });

  test("control messages come apart: IP_PKTINFO says where a datagram was sent", () => {
    const IP_PKTINFO = 8;
    const server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
    bind(server, localhost(0));
    setsockopt(server, IPPROTO_IP, IP_PKTINFO, 1);
    const client = socket(AF_INET, SOCK_DGRAM);
    sendto(client, new Uint8Array(3), 0, localhost(portOf(server)));
    const message = recvmsg(server, new Uint8Array(16)) ?? assert.fail();
    assert.equal(message.length, 3);
    const [control] = message.control;
    assert.deepEqual([control?.level, control?.type], [IPPROTO_IP, IP_PKTINFO]);
    assert.deepEqual([...(control?.data.subarray(8, 12) ?? [])], [127, 0, 0, 1]);
    close(client);
    close(server);
  });

  test("a stream is accepted, and options read back as they were set", () => {
    const server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, 1);
    assert.equal(getsockopt(server, SOL_SOCKET, SO_REUSEADDR)[0], 1);
    bind(server, localhost(0));
    listen(server);
    assert.equal(accept(server), undefined);
    const client = socket(AF_INET, SOCK_STREAM);
    connect(client, localhost(portOf(server)));
    const peer = accept(server) ?? assert.fail();
    write(client, new Uint8Array([42]));
    const buffer = new Uint8Array(1);
    assert.equal(read(peer, buffer), 1);
    assert.equal(buffer[0], 42);
    for (const fd of [peer, client, server]) close(fd);
  });
});

describe("memory", () => {
  test("a mapped file reads as its bytes", () => {
    const path = join(tmpdir(), `tsilium-mmap-${process.pid}`);
    writeFileSync(path, "mapped");
    const fd = openSync(path, "r");
    const mapping = mmap({ fd, length: pageSize, protection: PROT_READ, flags: MAP_SHARED });
    assert.equal(new TextDecoder().decode(new Uint8Array(mapping.buffer, 0, 6)), "mapped");
    munmap(mapping);
    close(fd);
    rmSync(path);
  });

  test("a descriptor that cannot be mapped is an error, not an address", () => {
    assert.throws(
      () => mmap({ fd: -1, length: pageSize, protection: PROT_READ, flags: MAP_SHARED }),
      {
        code: "EBADF",
      },
    );
  });

  test("an address is that of the view, not of its buffer", () => {
    const whole = new Uint8Array(32);
    assert.equal(addressOf(whole.subarray(5)) - addressOf(whole), 5n);
  });
});

describe("the machine", () => {
  test("clocks go forward, and boot time counts at least what monotonic time does", () => {
    const first = clockMonotonicNs();
    assert.ok(clockMonotonicNs() >= first);
    assert.ok(clockBoottimeNs() >= first);
  });

  test("CPU lists are counted by their highest number", () => {
    assert.deepEqual(["0", "0-3", "0-3,8-11\n", "0,2"].map(parseCpuCount), [1, 4, 12, 3]);
    assert.throws(() => parseCpuCount("\n"), RangeError);
    assert.ok(possibleCpus() >= 1);
  });

  test("interfaces go by name and number", () => {
    assert.equal(ifNameToIndex("lo"), 1);
    assert.equal(ifIndexToName(1), "lo");
    assert.throws(() => ifNameToIndex("nosuch0"), { code: "ENODEV" });
    assert.throws(() => ifIndexToName(999_999), { code: "ENXIO" });
  });
});
