import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { VerifierError } from "../errors.ts";
import { parseObject } from "../object/collection-spec.ts";
import { compileSource, testObject } from "../testing/compile.ts";
import { freshBpffs, readU32, u32 } from "../testing/kernel.ts";
import { loadCollection } from "./collection.ts";
import { BpfMap } from "./map.ts";

const TC_ACT_OK = 0;
const TC_ACT_SHOT = 2;

const packet = (length: number) => ({ data: new Uint8Array(length) });

describe("loadCollection", () => {
  test("programs with callbacks, global and static functions run", () => {
    using loaded = loadCollection(parseObject(testObject("basics")));
    const classify = loaded.program("classify");
    assert.equal(classify.testRun(packet(150)).retval, TC_ACT_OK);
    assert.equal(classify.testRun(packet(60)).retval, TC_ACT_SHOT);
  });

  test("a constant set before loading decides, and makes dead code vanish", () => {
    const spec = parseObject(testObject("basics"));
    using standard = loadCollection(spec, { programs: ["classify"] });
    spec.setConstant("pass_length", 10);
    spec.setConstant("count_flows", false);
    using changed = loadCollection(spec, { programs: ["classify"] });
    assert.equal(changed.program("classify").testRun(packet(60)).retval, TC_ACT_OK);
    assert.deepEqual([...changed.map("flows").entries()], []);
    assert.ok(
      changed.program("classify").info().translatedLength <
        standard.program("classify").info().translatedLength,
    );
  });

  test("maps of maps and program arrays start with what the object says", () => {
    using loaded = loadCollection(parseObject(testObject("basics")));
    const jump = loaded.program("jump");
    assert.equal(jump.testRun(packet(60)).retval, 42);
    loaded.map("inner_one").update(u32(1), u32(77));
    assert.equal(jump.testRun(packet(60)).retval, 77);
  });

  test("a slot of a map of maps can be given another map", () => {
    using loaded = loadCollection(parseObject(testObject("basics")));
    using other = BpfMap.create({ type: "hash", keySize: 4, valueSize: 4, maxEntries: 8 });
    other.update(u32(1), u32(5));
    loaded.map("outer").updateObject(u32(2), other);
    assert.equal(loaded.program("jump").testRun(packet(60)).retval, 5);
  });

  test("a map handed in takes the place of the declared one and outlives the collection", () => {
    using flows = BpfMap.create({ type: "hash", keySize: 8, valueSize: 16, maxEntries: 3 });
    {
      using loaded = loadCollection(parseObject(testObject("basics")), { maps: { flows } });
      loaded.program("classify").testRun(packet(60));
      assert.equal(loaded.map("flows"), flows);
    }
    assert.equal([...flows.entries()].length, 1);
  });

  test("a map handed in with another shape is refused before anything is loaded", () => {
    using flows = BpfMap.create({ type: "hash", keySize: 8, valueSize: 8, maxEntries: 3 });
    assert.throws(() => loadCollection(parseObject(testObject("basics")), { maps: { flows } }), {
      code: "map_invalid",
      message: /map flows is hash, key 8, value 8, the programs want hash, key 8, value 16/,
    });
  });

  test("choosing programs creates only the maps they use", () => {
    using loaded = loadCollection(parseObject(testObject("basics")), { programs: ["emit_sample"] });
    assert.deepEqual(Object.keys(loaded.maps).toSorted(), [".bss", "samples"]);
  });

  test("sizes edited in the specification are what is created", () => {
    const spec = parseObject(testObject("basics"));
    const flows = spec.maps["flows"] ?? assert.fail();
    flows.maxEntries = 9;
    using loaded = loadCollection(spec, { programs: ["classify"] });
    assert.equal(loaded.map("flows").info().maxEntries, 9);
  });

  test("maps declared to be pinned are shared by whoever loads next", () => {
    using bpffs = freshBpffs();
    const spec = parseObject(
      compileSource(`
        struct { __uint(type, 1); __uint(max_entries, 4); __uint(pinning, LIBBPF_PIN_BY_NAME);
                 __type(key, __u32); __type(value, __u32); } kept SEC(".maps");
        SEC("tc") int f(struct __sk_buff *ctx) { __u32 k = 1, *v = bpf_map_lookup_elem(&kept, &k);
                 return ctx && v ? (int)*v : -1; }`),
    );
    using first = loadCollection(spec, { pinPath: bpffs.path });
    first.map("kept").update(u32(1), u32(6));
    using second = loadCollection(spec, { pinPath: bpffs.path });
    assert.equal(second.program("f").testRun(packet(60)).retval, 6);
    assert.equal(BpfMap.unpin(join(bpffs.path, "kept")), true);
    assert.equal(BpfMap.unpin(join(bpffs.path, "kept")), false);
  });

  test("a program the verifier rejects says why in its message and keeps the log", () => {
    const spec = parseObject(
      compileSource(`
        struct { __uint(type, 1); __uint(max_entries, 4); __type(key, __u32); __type(value, __u32); } m SEC(".maps");
        SEC("tc") int careless(struct __sk_buff *ctx) { __u32 k = ctx->len;
                 return *(int *)bpf_map_lookup_elem(&m, &k); }`),
    );
    assert.throws(
      () => loadCollection(spec),
      (error) => {
        assert.ok(error instanceof VerifierError);
        assert.match(error.message, /^load of program careless: EACCES/);
        assert.match(error.message, /invalid mem access 'map_value_or_null'/);
        assert.match(error.message, /return \*\(int \*\)bpf_map_lookup_elem/, "the source line");
        assert.ok(error.log.length > error.message.length);
        return true;
      },
    );
  });

  test("a failed load leaves no descriptor open", () => {
    const spec = parseObject(
      compileSource(`
        struct { __uint(type, 1); __uint(max_entries, 4); __type(key, __u32); __type(value, __u32); } m SEC(".maps");
        SEC("tc") int ok(struct __sk_buff *ctx) { __u32 k = ctx->len; return bpf_map_delete_elem(&m, &k) ? 1 : 0; }
        SEC("tc") int spin(struct __sk_buff *ctx) { return *(volatile int *)(long)ctx->len; }`),
    );
    const before = openDescriptors();
    assert.throws(() => loadCollection(spec), VerifierError);
    assert.equal(openDescriptors(), before);
  });

  test("logs of accepted programs are kept when asked for", () => {
    using loaded = loadCollection(parseObject(testObject("basics")), {
      programs: ["classify"],
      logLevel: 4,
    });
    assert.match(loaded.logs["classify"] ?? "", /processed \d+ insns/);
    assert.equal(
      Number(/processed (\d+) insns/.exec(loaded.logs["classify"] ?? "")?.[1]),
      loaded.program("classify").info().verifiedInstructions,
    );
  });

  test("constants are frozen: nobody changes what the verifier relied on", () => {
    using loaded = loadCollection(parseObject(testObject("basics")));
    const constants = loaded.map(".rodata");
    assert.throws(() => constants.update(u32(0), new Uint8Array(constants.valueSize)), {
      code: "EPERM",
    });
    assert.equal(readU32(constants.lookup(u32(0))), 100);
  });
});

describe("testRun", () => {
  test("shows the packet and the context as the program left them", () => {
    const spec = parseObject(
      compileSource(`
        SEC("tc") int mark(struct __sk_buff *ctx) { __u8 byte = 0xaa; ctx->mark += 1; ctx->cb[0] = 7;
                 bpf_skb_store_bytes(ctx, 20, &byte, 1, 0); return bpf_skb_change_tail(ctx, 80, 0) ? 1 : -1; }`),
    );
    using loaded = loadCollection(spec);
    const ctx = new Uint8Array(192);
    new DataView(ctx.buffer).setUint32(8, 5, true);
    const result = loaded.program("mark").testRun({ ...packet(64), ctx });
    assert.equal(result.retval, -1);
    assert.equal(result.data.length, 80);
    assert.equal(result.data[20], 0xaa);
    assert.equal(new DataView(result.ctx.buffer, result.ctx.byteOffset).getUint32(8, true), 6);
  });

  test("measures: a thousand runs take a plausible time each", () => {
    using loaded = loadCollection(parseObject(testObject("basics")), { programs: ["classify"] });
    const { durationNs } = loaded.program("classify").testRun({ ...packet(64), repeat: 1000 });
    assert.ok(durationNs > 0 && durationNs < 100_000, `${durationNs} ns`);
  });

  test("refuses a packet shorter than an Ethernet header", () => {
    using loaded = loadCollection(parseObject(testObject("basics")), { programs: ["classify"] });
    assert.throws(() => loaded.program("classify").testRun(packet(13)), { code: "EINVAL" });
  });
});

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
