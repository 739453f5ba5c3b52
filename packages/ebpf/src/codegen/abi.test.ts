import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseObject } from "../object/collection-spec.ts";
import { compileSource } from "../testing/compile.ts";
import { generateCodecs } from "./abi.ts";
import { camelCase, enumKeys, isPadding, pascalCase } from "./names.ts";

function generate(source: string): string {
  return generateCodecs({ test: parseObject(compileSource(source)) });
}

/** A hash map from u32 to `struct value`. */
const mapOf = (value: string) =>
  `${value} struct { __uint(type, 1); __type(key, __u32); __type(value, struct value); } m SEC(".maps");`;

describe("generateCodecs", () => {
  test("writes a type and a codec per struct, nested ones first, padding left out", () => {
    const text = generate(
      mapOf(`
        union v6addr { __u8 bytes[16]; __u32 words[4]; };
        struct inner { __be16 port; __u8 flags[2]; };
        struct value { union v6addr peer; struct inner inner; _Bool seen; __u8 reserved[3];
                       __u64 last_seen_ns; __s32 delta; __u32 pad; };`),
    );
    assert.ok(
      text.includes(`/** struct inner, 4 bytes. */
export type Inner = {
  readonly port: number;
  readonly flags: Uint8Array;
};

export const inner: Codec<Inner> = codecs.struct(4, {
  port: { at: 0, codec: codecs.be16 },
  flags: { at: 2, codec: codecs.bytes(2) },
});

/** struct value, 40 bytes. */
export type Value = {
  readonly peer: Uint8Array;
  readonly inner: Inner;
  readonly seen: boolean;
  readonly lastSeenNs: bigint;
  readonly delta: number;
};

export const value: Codec<Value> = codecs.struct(40, {
  peer: { at: 0, codec: codecs.bytes(16) },
  inner: { at: 16, codec: inner },
  seen: { at: 20, codec: codecs.bool },
  lastSeenNs: { at: 24, codec: codecs.u64 },
  delta: { at: 32, codec: codecs.i32 },
});`),
      text,
    );
    assert.ok(text.includes("  m: { key: codecs.u32, value: value },"), text);
  });

  test("follows a struct named abi to types that no map mentions", () => {
    const text = generate(`
      enum verdict { VERDICT_PASS, VERDICT_DROP_ALL = 5 };
      struct abi { enum verdict verdict; };
      const volatile struct abi *const volatile abi = 0;`);
    assert.ok(
      text.includes(`/** enum verdict. */
export const verdict = {
  pass: 0,
  dropAll: 5,
} as const;
export type Verdict = (typeof verdict)[keyof typeof verdict];`),
      text,
    );
  });

  test("an anonymous union is bytes named after its members, an anonymous struct's members are its own", () => {
    const text = generate(
      mapOf(
        "struct value { union { __u32 ipv4; __u8 raw[4]; }; struct { __u32 low; __u32 high; }; };",
      ),
    );
    assert.ok(text.includes("ipv4OrRaw: { at: 0, codec: codecs.bytes(4) }"), text);
    assert.ok(text.includes("high: { at: 8, codec: codecs.u32 }"), text);
  });

  test("refuses padding that nobody wrote down, inside and at the end", () => {
    assert.throws(() => generate(mapOf("struct value { __u8 a; __u32 b; };")), {
      message: /3 bytes of hidden padding before b/,
    });
    assert.throws(() => generate(mapOf("struct value { __u32 a; __u8 b; };")), {
      message: /3 bytes of hidden padding at the end/,
    });
  });

  test("refuses bit-fields", () => {
    assert.throws(() => generate(mapOf("struct value { __u32 a : 3; __u32 b : 29; };")), {
      message: /a is a bit-field/,
    });
  });

  test("refuses two objects that disagree about a struct", () => {
    const one = parseObject(compileSource(mapOf("struct value { __u32 a; };")));
    const two = parseObject(compileSource(mapOf("struct value { __u32 b; };")));
    assert.throws(() => generateCodecs({ one, two }), { message: /two: Value differs/ });
  });
});

describe("names", () => {
  test("C words become TypeScript's", () => {
    assert.equal(camelCase("low_address"), "lowAddress");
    assert.equal(pascalCase("conntrack_key4"), "ConntrackKey4");
    assert.equal(camelCase("__private"), "private");
  });
  test("an enum's keys lose the words they share", () => {
    assert.deepEqual(enumKeys(["DROP_POLICY", "DROP_POLICY_DENY"]), ["policy", "policyDeny"]);
    assert.deepEqual(enumKeys(["NODE_LOCAL"]), ["local"]);
    assert.deepEqual(enumKeys(["PASS", "DROP"]), ["pass", "drop"]);
  });
  test("gaps are told from fields", () => {
    assert.deepEqual(["pad", "_pad2", "reserved", "padded_size"].map(isPadding), [
      true,
      true,
      true,
      false,
    ]);
  });
});
