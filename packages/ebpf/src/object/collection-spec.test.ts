import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ObjectError } from "../errors.ts";
import { compileSource, testObject } from "../testing/compile.ts";
import { parseObject } from "./collection-spec.ts";

const basics = () => parseObject(testObject("basics"));

/** A spec's maps as a table, one line each. */
function mapTable(spec: ReturnType<typeof parseObject>): string[] {
  return Object.values(spec.maps).map(
    (map) =>
      `${map.name} ${map.type} key ${map.keySize} value ${map.valueSize} max ${map.maxEntries}` +
      map.contents.map((content) => ` [${content.index}]=${content.name}`).join(""),
  );
}

describe("parseObject", () => {
  test("reads every declared map with sizes, and data sections as maps", () => {
    assert.deepEqual(mapTable(basics()), [
      "inner_one hash key 4 value 4 max 8",
      "outer array_of_maps key 4 value 4 max 4 [2]=inner_one",
      "tails prog_array key 4 value 4 max 2 [1]=answer_from_tail",
      "samples ringbuf key 0 value 0 max 65536",
      "flows hash key 8 value 16 max 128",
      "recent lru_hash key 4 value 8 max 64",
      "per_cpu percpu_hash key 4 value 4 max 16",
      "prefixes lpm_trie key 20 value 4 max 64",
      ".rodata array key 4 value 11 max 1",
      ".data array key 4 value 4 max 1",
      ".bss array key 4 value 8 max 1",
    ]);
  });

  test("knows the shape of the maps that a map of maps holds", () => {
    const { inner } = basics().maps["outer"] ?? {};
    assert.deepEqual(
      [inner?.type, inner?.keySize, inner?.valueSize, inner?.maxEntries],
      ["hash", 4, 4, 8],
    );
  });

  test("tells programs by their section's name", () => {
    const kinds = Object.values(basics().programs).map(
      ({ name, section, kind, license }) =>
        `${name} (${section}) type ${kind.type} attach ${kind.attachType} ${license}`,
    );
    assert.deepEqual(kinds, [
      "answer_from_tail (tc) type 3 attach undefined Dual BSD/GPL",
      "classify (tc) type 3 attach undefined Dual BSD/GPL",
      "emit_sample (tc) type 3 attach undefined Dual BSD/GPL",
      "jump (tc) type 3 attach undefined Dual BSD/GPL",
      "pass_all (xdp) type 6 attach 37 Dual BSD/GPL",
      "allow_connect (cgroup/connect4) type 18 attach 10 Dual BSD/GPL",
    ]);
  });

  test("links called functions behind the program, each once, and describes each to the kernel", () => {
    const { instructions, functionInfo } = basics().programs["classify"] ?? assert.fail();
    const view = new DataView(functionInfo.buffer, functionInfo.byteOffset);
    const starts = Array.from({ length: functionInfo.length / 8 }, (_, index) =>
      view.getUint32(index * 8, true),
    );
    // classify, count_step (a callback), triple (global), add_one (called by triple).
    assert.equal(starts.length, 4);
    assert.equal(starts[0], 0);
    assert.ok(starts.every((start) => start < instructions.length / 8));
  });

  test("names maps and variables that instructions refer to", () => {
    const references = basics().programs["emit_sample"]?.references.map(
      ({ map, valueOffset }) => `${map} ${valueOffset}`,
    );
    assert.deepEqual(references, ["samples undefined", ".bss 0"]);
  });

  test("does not change the bytes it is given, also when they are a Buffer", () => {
    const bytes = testObject("basics");
    const before = Buffer.from(bytes);
    parseObject(bytes).setConstant("pass_length", 7);
    assert.deepEqual(Buffer.compare(before, bytes), 0);
  });

  test("answers ObjectError, and nothing else, to an object cut short anywhere", () => {
    const whole = testObject("basics");
    for (let length = 0; length < whole.length; length += 97) {
      try {
        parseObject(whole.subarray(0, length));
      } catch (error) {
        assert.ok(error instanceof ObjectError, `${length} bytes: ${String(error)}`);
      }
    }
  });

  test("answers ObjectError, and nothing else, to flipped bytes", () => {
    const whole = new Uint8Array(testObject("basics"));
    for (let at = 0; at < whole.length; at += 61) {
      const broken = whole.slice();
      broken[at] = (broken[at] ?? 0) ^ 0xff;
      try {
        parseObject(broken);
      } catch (error) {
        assert.ok(error instanceof ObjectError, `byte ${at}: ${String(error)}`);
      }
    }
  });

  const refusals: { sentence: string; source: string; code: string; message: RegExp }[] = [
    {
      sentence: "a section that names no kind of program",
      source: 'SEC("nonsense") int f(void *ctx) { return ctx ? 1 : 0; }',
      code: "section_unknown",
      message: /program f is in section "nonsense"/,
    },
    {
      sentence: "a map member it does not know",
      source: 'struct { __uint(type, 1); __uint(colour, 3); } m SEC(".maps");',
      code: "map_invalid",
      message: /map m has a member this loader does not know: colour/,
    },
    {
      sentence: "a map of unknown kind",
      source: 'struct { __uint(type, 99); } m SEC(".maps");',
      code: "map_invalid",
      message: /map m is of a kind this loader does not know: 99/,
    },
    {
      sentence: "a function that is declared and nowhere defined",
      source: 'int elsewhere(int); SEC("tc") int f(void *ctx) { return elsewhere(ctx ? 1 : 0); }',
      code: "symbol_missing",
      message: /elsewhere is used but not defined/,
    },
    {
      sentence: "CO-RE relocations",
      source:
        "struct task_struct { int pid; } __attribute__((preserve_access_index));\n" +
        'SEC("tc") int f(struct task_struct *t) { return t->pid; }',
      code: "relocation_unsupported",
      message: /CO-RE/,
    },
  ];
  for (const { sentence, source, code, message } of refusals) {
    test(`refuses ${sentence}`, () => {
      assert.throws(() => parseObject(compileSource(source)), {
        name: "ObjectError",
        code,
        message,
      });
    });
  }

  test("refuses an object without types, saying how to get them", () => {
    const empty = new Uint8Array(64);
    assert.throws(() => parseObject(empty), { code: "elf_invalid" });
  });
});

describe("setConstant", () => {
  /** What .rodata holds at a constant after setting it. */
  function written(name: string, value: number | bigint | boolean | Uint8Array): number[] {
    const spec = basics();
    spec.setConstant(name, value);
    const { offset, size } = spec.variables[name] ?? assert.fail();
    return [...(spec.maps[".rodata"]?.data?.subarray(offset, offset + size) ?? [])];
  }

  test("writes integers little-endian", () =>
    assert.deepEqual(written("pass_length", 258), [2, 1, 0, 0]));
  test("writes types in network byte order big-endian, so that 80 means port 80", () =>
    assert.deepEqual(written("watched_port", 80), [0, 80]));
  test("writes booleans as one byte", () => assert.deepEqual(written("count_flows", false), [0]));
  test("copies bytes as they are", () =>
    assert.deepEqual(written("router", new Uint8Array([10, 0, 0, 1])), [10, 0, 0, 1]));

  test("reaches variables of .data and .bss as well", () => {
    const spec = basics();
    spec.setConstant("runs", 9n);
    assert.equal(spec.maps[".bss"]?.data?.[0], 9);
  });

  test("refuses names the object does not have", () => {
    assert.throws(() => basics().setConstant("no_such", 1), {
      code: "constant_unknown",
      message: /no variable named no_such/,
    });
  });

  const misfits: [string, number | Uint8Array, RegExp][] = [
    ["pass_length", 2 ** 32, /holds 0 to 4294967295, not 4294967296/],
    ["pass_length", -1, /holds 0 to 4294967295/],
    ["router", 1, /is a array of 4 bytes: give it bytes/],
    ["router", new Uint8Array(5), /takes 4 bytes, not 5/],
  ];
  for (const [name, value, message] of misfits) {
    test(`refuses ${String(value)} for ${name}`, () => {
      assert.throws(() => basics().setConstant(name, value), { code: "constant_size", message });
    });
  }

  test("edits of a clone leave the original alone", () => {
    const original = basics();
    original.clone().setConstant("pass_length", 1);
    assert.equal(original.maps[".rodata"]?.data?.[0], 100);
  });
});
