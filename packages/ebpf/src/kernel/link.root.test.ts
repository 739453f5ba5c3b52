import assert from "node:assert/strict";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { AF_INET, close, sendto, SOCK_DGRAM, sockaddrIn, socket } from "@tsilium/syscall";
import { parseObject } from "../object/collection-spec.ts";
import { compileSource, testObject } from "../testing/compile.ts";
import { freshBpffs, freshNetns, loopback, u32 } from "../testing/kernel.ts";
import { attachTc, ClsactFilter } from "./clsact.ts";
import { loadCollection, type Collection } from "./collection.ts";
import { hasTcx, Link } from "./link.ts";
import type { Program } from "./program.ts";

// Two programs that pass every packet and count it under their own number.
const counters = `
  struct { __uint(type, 2); __uint(max_entries, 2); __type(key, __u32); __type(value, __u64); } counts SEC(".maps");
  static int count(__u32 which) { __u64 *n = bpf_map_lookup_elem(&counts, &which);
    if (n) __sync_fetch_and_add(n, 1); return -1; }
  SEC("tc") int first(struct __sk_buff *ctx) { return ctx ? count(0) : 0; }
  SEC("tc") int second(struct __sk_buff *ctx) { return ctx ? count(1) : 0; }`;

const load = () => loadCollection(parseObject(compileSource(counters)));

/** How many packets each program has seen. */
function counts(collection: Collection): bigint[] {
  return [0, 1].map((which) => {
    const value = collection.map("counts").lookup(u32(which)) ?? assert.fail();
    return new DataView(value.buffer).getBigUint64(0, true);
  });
}

function sendOnePacket(): void {
  const fd = socket(AF_INET, SOCK_DGRAM);
  sendto(fd, new Uint8Array(4), 0, sockaddrIn(new Uint8Array([127, 0, 0, 1]), 9));
  close(fd);
}

type Attach = (program: Program) => { update(program: Program): void; detach(): void };

const ways: { name: string; attach: Attach; available: boolean }[] = [
  {
    name: "tcx",
    attach: (program) => Link.attachTcx(program, loopback, "egress"),
    available: hasTcx(),
  },
  {
    name: "clsact",
    attach: (program) => ClsactFilter.attach(program, loopback, "egress"),
    available: true,
  },
  {
    name: "whichever the kernel has",
    attach: (program) => attachTc(program, loopback, "egress"),
    available: true,
  },
];

for (const { name, attach, available } of ways) {
  test(
    `${name}: packets meet the attached program, then its replacement, then none`,
    { skip: !available },
    () => {
      using _netns = freshNetns();
      using programs = load();
      const link = attach(programs.program("first"));
      sendOnePacket();
      const [one = 0n] = counts(programs);
      assert.ok(one > 0n);
      link.update(programs.program("second"));
      sendOnePacket();
      assert.deepEqual(counts(programs), [one, one]);
      link.detach();
      link.detach();
      sendOnePacket();
      assert.deepEqual(counts(programs), [one, one]);
    },
  );
}

describe("Link", () => {
  test("tells what it attaches, where, and follows replacements", { skip: !hasTcx() }, () => {
    using _netns = freshNetns();
    using programs = load();
    using link = Link.attachTcx(programs.program("first"), loopback, "ingress");
    const before = link.info();
    assert.deepEqual(
      { kind: before.kind, ifindex: before.ifindex, programId: before.programId },
      { kind: "tcx", ifindex: loopback, programId: programs.program("first").info().id },
    );
    link.update(programs.program("second"), programs.program("first"));
    assert.equal(link.info().id, before.id);
    assert.equal(link.info().programId, programs.program("second").info().id);
    assert.throws(() => link.update(programs.program("second"), programs.program("first")), {
      code: "EPERM",
    });
  });

  test(
    "a pinned link goes on when its maker is gone, and can be adopted",
    { skip: !hasTcx() },
    () => {
      using _netns = freshNetns();
      using bpffs = freshBpffs();
      using programs = load();
      const path = join(bpffs.path, "link");
      {
        using link = Link.attachTcx(programs.program("first"), loopback, "egress");
        link.pin(path);
      }
      sendOnePacket();
      assert.ok((counts(programs)[0] ?? 0n) > 0n);
      using adopted = Link.fromPinned(path);
      adopted.update(programs.program("second"));
      assert.equal(adopted.info().programId, programs.program("second").info().id);
      assert.equal(Link.unpin(path), true);
      assert.equal(Link.unpin(path), false);
    },
  );

  test("a pin of something else is refused as a link", () => {
    using bpffs = freshBpffs();
    using programs = load();
    const path = join(bpffs.path, "program");
    programs.program("first").pin(path);
    assert.throws(() => Link.fromPinned(path), { code: "EINVAL", message: /not a link/ });
  });

  test("XDP in generic mode works on any device, one program at a time", () => {
    using _netns = freshNetns();
    using loaded = loadCollection(parseObject(testObject("basics")), { programs: ["pass_all"] });
    using link = Link.attachXdp(loaded.program("pass_all"), loopback, "generic");
    assert.equal(link.info().kind, "xdp");
    assert.throws(() => Link.attachXdp(loaded.program("pass_all"), loopback, "generic"), {
      code: "EBUSY",
    });
  });

  test("a cgroup program attaches to a cgroup", () => {
    const cgroup = `/sys/fs/cgroup/unified/tsit-${process.pid}-link`;
    mkdirSync(cgroup);
    try {
      using loaded = loadCollection(parseObject(testObject("basics")), {
        programs: ["allow_connect"],
      });
      using link = Link.attachCgroup(loaded.program("allow_connect"), cgroup);
      assert.deepEqual([link.info().kind, link.info().attachType], ["cgroup", 10]);
      link.detach();
    } finally {
      rmdirSync(cgroup);
    }
  });

  test("an interface that is gone is named in the error", { skip: !hasTcx() }, () => {
    using programs = load();
    assert.throws(() => Link.attachTcx(programs.program("first"), 999_999, "ingress"), {
      code: "ENODEV",
      message: "attach of first to tcx ingress of interface 999999: ENODEV",
    });
    assert.throws(() => ClsactFilter.attach(programs.program("first"), 999_999, "ingress"), {
      code: "ENODEV",
    });
  });
});
