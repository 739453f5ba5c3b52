import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { repeat, type Random } from "@tsilium/testkit";
import packet, { type Answer as OracleRecord } from "dns-packet";
import { NameReader } from "./read-name.ts";
import { type Answer, readAnswer } from "./read-answer.ts";
import { type Query, readQuery } from "./read-query.ts";
import { writeBareRefusal, writeRefusal } from "./write-refusal.ts";

const names = new NameReader();
const read = (bytes: Buffer) => readQuery(bytes, bytes.length, names);

function query(name: string, more: Partial<packet.Packet> = {}, type: string = "A"): Buffer {
  return packet.encode({
    type: "query",
    id: 4711,
    flags: packet.RECURSION_DESIRED,
    questions: [{ type: type as "A", name }],
    ...more,
  });
}

const opt = (flags = 0): OracleRecord =>
  ({
    type: "OPT",
    name: ".",
    udpPayloadSize: 4096,
    flags,
    extendedRcode: 0,
    ednsVersion: 0,
    options: [],
  }) as never;

function answerTo(
  name: string,
  answers: OracleRecord[],
  more: Partial<packet.Packet> = {},
): Buffer {
  return packet.encode({
    type: "response",
    id: 4711,
    flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE,
    questions: [{ type: "A", name }],
    answers,
    ...more,
  });
}

const a = (name: string, data: string, ttl = 60): OracleRecord => ({ type: "A", name, data, ttl });
const cname = (name: string, data: string, ttl = 60): OracleRecord => ({
  type: "CNAME",
  name,
  data,
  ttl,
});

function learn(bytes: Buffer, name = "web.example.com", type = 1): Answer | undefined {
  return readAnswer(bytes, bytes.length, { name, type }, names);
}

describe("queries", () => {
  test("are read as the oracle wrote them", () => {
    const bytes = query("WEB.Example.com", { additionals: [opt(packet.DNSSEC_OK)] }, "AAAA");
    assert.deepEqual(read(bytes), {
      id: 4711,
      flags: packet.RECURSION_DESIRED,
      name: "web.example.com",
      type: 28,
      questionEnd: 12 + 17 + 4,
      edns: true,
      ednsFlags: 0x8000,
    });
  });

  test("of names that no host has are told apart from those they look like", () => {
    const cases: [wire: string, name: string][] = [
      ["\x07evil.co\x03com\0", "evil\\046co.com"],
      ["\x03a\0b\x03com\0", "a\\000b.com"],
      ["\x01*\x03com\0", "\\042.com"],
      ["\x02\xc3\xa4\x03com\0", "\\195\\164.com"],
      ["\x01\\\0", "\\092"],
      ["\0", ""],
    ];
    for (const [wire, name] of cases) {
      const header = query("x").subarray(0, 12);
      const bytes = Buffer.concat([header, Buffer.from(wire, "latin1"), Buffer.from([0, 1, 0, 1])]);
      assert.equal((read(bytes) as Query).name, name);
    }
  });

  test("that are none are told apart by what is to be answered", () => {
    const edit = (change: (bytes: Buffer) => void, base = query("web.example.com")) => {
      const bytes = Buffer.from(base);
      change(bytes);
      return bytes;
    };
    const end = 12 + 17 + 4;
    const long = Array.from({ length: 4 }, () => "x".repeat(63)).join(".");
    const withOpt = query("web.example.com", { additionals: [opt()] });
    const twoOpts = query("web.example.com", { additionals: [opt(), opt()] });
    const withRecord = query("web.example.com", { additionals: [a("x.y", "192.0.2.1")] });
    const cases: [what: string, bytes: Buffer, problem: string][] = [
      ["a stump", query("x").subarray(0, 11), "ignored"],
      ["nothing", Buffer.alloc(0), "ignored"],
      ["a response", edit((bytes) => (bytes[2] = 0x80)), "ignored"],
      ["an update", edit((bytes) => (bytes[2] = 0x28)), "refused"],
      ["a notify", edit((bytes) => (bytes[2] = 0x20)), "refused"],
      ["a status request", edit((bytes) => (bytes[2] = 0x10)), "refused"],
      ["class CHAOS", edit((bytes) => (bytes[end - 1] = 3)), "refused"],
      ["class ANY", edit((bytes) => (bytes[end - 1] = 255)), "refused"],
      ["a zone transfer", query("web.example.com", {}, "AXFR"), "refused"],
      [
        "an incremental one",
        edit((bytes) => (bytes[9] = 1), query("web.example.com", {}, "IXFR")),
        "refused",
      ],
      ["no question", edit((bytes) => (bytes[5] = 0)), "malformed"],
      ["two questions", edit((bytes) => (bytes[5] = 2)), "malformed"],
      ["an answer", edit((bytes) => (bytes[7] = 1)), "malformed"],
      ["authority", edit((bytes) => (bytes[9] = 1)), "malformed"],
      ["TC", edit((bytes) => (bytes[2] = 2)), "malformed"],
      ["a pointer in the name", edit((bytes) => bytes.writeUInt16BE(0xc00c, 12)), "malformed"],
      ["a label of a reserved kind", edit((bytes) => (bytes[12] = 0x43)), "malformed"],
      ["a name of 257 bytes", query(long), "malformed"],
      ["a cut name", query("web.example.com").subarray(0, 20), "malformed"],
      ["a cut type", query("web.example.com").subarray(0, end - 1), "malformed"],
      ["bytes behind it", Buffer.concat([query("web.example.com"), Buffer.from([0])]), "malformed"],
      ["a cut OPT", withOpt.subarray(0, -1), "malformed"],
      ["two OPTs", twoOpts, "malformed"],
      ["a record as additional", withRecord, "malformed"],
    ];
    for (const [what, bytes, problem] of cases) assert.equal(read(bytes), problem, what);
  });

  test("with random changes are refused or the oracle reads the same question", () => {
    repeat({ runs: 20_000 }, (random) => {
      const additionals = random.chance(0.5) ? [opt()] : [];
      const bytes = flip(query("a.web-1.example.com", { additionals }), random);
      const got = read(bytes);
      if (typeof got === "string") return;
      const { questions = [], id } = packet.decode(bytes);
      assert.equal(questions.length, 1);
      assert.equal(id, got.id);
      if (!got.name.includes("\\"))
        assert.equal(
          questions[0]?.name.replace(/[A-Z]/g, (c) => c.toLowerCase()),
          got.name || ".",
        );
    });
  });
});

describe("refusals", () => {
  test("repeat the question as it was written, and EDNS", () => {
    const bytes = query("WeB.eXample.com", {
      flags: packet.RECURSION_DESIRED | packet.CHECKING_DISABLED,
      additionals: [opt(packet.DNSSEC_OK)],
    });
    const refusal = packet.decode(writeRefusal(read(bytes) as Query, bytes, 5));
    assert.equal(refusal.id, 4711);
    assert.equal(refusal.type, "response");
    assert.equal((refusal as unknown as { rcode: string }).rcode, "REFUSED");
    assert.deepEqual(refusal.questions, [{ name: "WeB.eXample.com", type: "A", class: "IN" }]);
    const flags = packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | packet.CHECKING_DISABLED;
    assert.equal(refusal.flags, flags | 5);
    const [edns] = refusal.additionals ?? [];
    assert.ok(edns?.type === "OPT");
    assert.deepEqual([edns.udpPayloadSize, edns.flags, edns.ednsVersion], [1232, 0x8000, 0]);
  });

  test("have no EDNS where the query had none, and no question where none could be read", () => {
    const bytes = query("web.example.com");
    assert.equal(
      packet.decode(writeRefusal(read(bytes) as Query, bytes, 3)).additionals?.length,
      0,
    );
    const bare = packet.decode(writeBareRefusal(bytes, 1));
    assert.deepEqual(
      [bare.id, bare.questions?.length, bare.flags],
      [4711, 0, packet.RECURSION_DESIRED | 1],
    );
  });
});

describe("answers", () => {
  test("give the addresses of the name asked, along its aliases, with the least TTL", () => {
    const bytes = answerTo("web.example.com", [
      cname("web.example.com", "b.example.net", 300),
      cname("b.example.net", "C.example.org", 20),
      a("c.example.ORG", "192.0.2.1", 60),
      a("c.example.org", "192.0.2.2", 10),
    ]);
    assert.deepEqual(learn(bytes), {
      rcode: 0,
      truncated: false,
      malformed: false,
      aliases: ["b.example.net", "c.example.org"],
      addresses: [
        { address: "192.0.2.1", ttlS: 20 },
        { address: "192.0.2.2", ttlS: 10 },
      ],
      types: ["CNAME", "A"],
    });
  });

  test("say nothing of other names' addresses", () => {
    const foreign = [a("evil.example.org", "10.0.0.1"), a("web.example.com.evil.org", "10.0.0.2")];
    const cases: [what: string, answers: OracleRecord[], addresses: string[]][] = [
      ["records of other owners", [...foreign, a("web.example.com", "192.0.2.1")], ["192.0.2.1"]],
      [
        "an alias and addresses beside it",
        [cname("web.example.com", "b.c"), a("web.example.com", "10.0.0.1"), a("b.c", "192.0.2.1")],
        ["192.0.2.1"],
      ],
      [
        "a second alias",
        [
          cname("web.example.com", "b.c"),
          cname("web.example.com", "d.e"),
          a("d.e", "10.0.0.1"),
          a("b.c", "192.0.2.1"),
        ],
        ["192.0.2.1"],
      ],
      [
        "an alias to itself",
        [cname("web.example.com", "web.example.com"), a("web.example.com", "10.0.0.1")],
        [],
      ],
      [
        "a loop of aliases",
        [cname("web.example.com", "b.c"), cname("b.c", "web.example.com"), a("b.c", "10.0.0.1")],
        [],
      ],
      [
        "another type",
        [{ type: "AAAA", name: "web.example.com", data: "2001:db8::1", ttl: 9 }],
        [],
      ],
      ["another class", [{ ...a("web.example.com", "10.0.0.1"), class: "CH" } as never], []],
    ];
    for (const [what, answers, addresses] of cases)
      assert.deepEqual(
        learn(answerTo("web.example.com", answers))?.addresses.map(({ address }) => address),
        addresses,
        what,
      );
    const aside = answerTo("web.example.com", [a("web.example.com", "192.0.2.1")], {
      authorities: [a("web.example.com", "10.0.0.1")],
      additionals: [a("web.example.com", "10.0.0.2")],
    });
    assert.deepEqual(
      learn(aside)?.addresses.map(({ address }) => address),
      ["192.0.2.1"],
    );
  });

  test("of IPv6 are told as text, but for what is IPv4 in disguise", () => {
    const aaaa = (data: string): OracleRecord => ({
      type: "AAAA",
      name: "web.example.com",
      data,
      ttl: 9,
    });
    const bytes = packet.encode({
      type: "response",
      questions: [{ type: "AAAA", name: "web.example.com" }],
      answers: [aaaa("2001:db8:0:0::1"), aaaa("::ffff:10.0.0.1")],
    });
    assert.deepEqual(learn(bytes, "web.example.com", 28)?.addresses, [
      { address: "2001:db8::1", ttlS: 9 },
    ]);
  });

  test("that fail teach nothing, those that are cut what is left of them", () => {
    const answers = [a("web.example.com", "192.0.2.1")];
    const truncated = answerTo("web.example.com", answers, { flags: packet.TRUNCATED_RESPONSE });
    const failed = Buffer.from(answerTo("web.example.com", answers));
    failed[3] = 0x83;
    const known = [{ address: "192.0.2.1", ttlS: 60 }];
    assert.deepEqual([learn(truncated)?.truncated, learn(truncated)?.addresses], [true, known]);
    // Cut in the middle of a record.
    const stump = truncated.subarray(0, -1);
    assert.deepEqual([learn(stump)?.malformed, learn(stump)?.addresses], [true, []]);
    assert.deepEqual([learn(failed)?.rcode, learn(failed)?.addresses], [3, []]);
  });

  test("to other questions are none", () => {
    const right = answerTo("web.example.com", [a("web.example.com", "192.0.2.1")]);
    const edit = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(right);
      change(bytes);
      return bytes;
    };
    assert.ok(learn(answerTo("WEB.example.COM", [])));
    const others: [what: string, bytes: Buffer][] = [
      ["another name", answerTo("wex.example.com", [])],
      ["another type", edit((bytes) => (bytes[30] = 28))],
      ["another class", edit((bytes) => (bytes[32] = 3))],
      ["a query", edit((bytes) => (bytes[2] = 1))],
      ["another opcode", edit((bytes) => (bytes[2] = 0xa8))],
      ["no question", edit((bytes) => (bytes[5] = 0))],
      ["two questions", edit((bytes) => (bytes[5] = 2))],
      ["a stump", right.subarray(0, 11)],
      ["a cut question", right.subarray(0, 30)],
    ];
    for (const [what, bytes] of others) assert.equal(learn(bytes), undefined, what);
    const bareFailure = right.subarray(0, 12);
    bareFailure.set([0x80, 0x81, 0, 0, 0, 0, 0, 0, 0, 0], 2);
    assert.equal(learn(bareFailure)?.rcode, 1);
  });

  test("whose records do not parse are malformed and teach nothing", () => {
    const right = answerTo("web.example.com", [
      cname("web.example.com", "b.c"),
      a("b.c", "192.0.2.1"),
    ]);
    const start = 12 + 17 + 4;
    const edit = (at: number, ...bytes: number[]) => {
      const copy = Buffer.from(right);
      copy.set(bytes, start + at);
      return copy;
    };
    const threeBytes = answerTo("web.example.com", [a("web.example.com", "192.0.2.1")]);
    threeBytes.writeUInt16BE(3, threeBytes.length - 6);
    const cases: [what: string, bytes: Buffer][] = [
      ["cut", right.subarray(0, -1)],
      ["more records promised", Buffer.from(right).fill(9, 7, 8)],
      ["a length beyond the end", edit(right.length - start - 6, 0xff, 0xff)],
      ["an address of three bytes", threeBytes],
    ];
    for (const [what, bytes] of cases) {
      const answer = learn(bytes);
      assert.deepEqual([answer?.malformed, answer?.addresses], [true, []], what);
    }
  });

  test("with pointers in loops, forward, or without end are malformed", () => {
    const head = answerTo("web.example.com", []);
    head[7] = 1;
    const at = head.length;
    const record = (owner: number[], data: number[]) =>
      Buffer.concat([
        head,
        Buffer.from([...owner, 0, 5, 0, 1, 0, 0, 0, 9, 0, data.length, ...data]),
      ]);
    const pointer = (to: number) => [0xc0 | (to >> 8), to & 0xff];
    const target = pointer(12);
    for (const [what, bytes] of [
      ["an owner that is itself", record(pointer(at), target)],
      ["an owner further on", record(pointer(at + 12), target)],
      ["an owner that leads back to itself", record([1, 97, ...pointer(at)], target)],
      ["data that is itself", record(pointer(12), pointer(at + 12))],
    ] as const)
      assert.equal(learn(bytes)?.malformed, true, what);
    // 30,000 bytes of pointers, each to the one before: every record's owner would be 15,000 steps.
    const chain = Buffer.alloc(30_000);
    for (let index = 0; index < chain.length; index += 2)
      chain.writeUInt16BE(0xc000 | Math.min(at + 12 + Math.max(index - 2, 0), 0x3fff), index);
    const before = performance.now();
    const records = Array.from({ length: 2_000 }, () =>
      Buffer.from([...pointer(0x3ffe), 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4]),
    );
    const txt = Buffer.from([
      ...pointer(12),
      0,
      16,
      0,
      1,
      0,
      0,
      0,
      9,
      chain.length >> 8,
      chain.length & 0xff,
    ]);
    const bytes = Buffer.concat([head, txt, chain, ...records]);
    bytes.writeUInt16BE(2_001, 6);
    assert.equal(learn(bytes)?.malformed, true);
    assert.ok(performance.now() - before < 500);
  });

  test("with random changes never teach what is not in them for the name asked", () => {
    let taught = 0;
    let compared = 0;
    repeat({ runs: 50_000 }, (random) => {
      const bytes = flip(goodAnswer, random);
      const answer = learn(bytes);
      if (!answer || answer.addresses.length === 0) return;
      taught++;
      assert.deepEqual([answer.rcode, answer.malformed], [0, false]);
      const expected = oracleAddresses(bytes);
      if (!expected) return;
      compared++;
      assert.deepEqual(
        answer.addresses.map(({ address }) => address),
        expected,
      );
    });
    // The oracle also reads what is of no matter here, and then gives up on all of it.
    assert.ok(compared > taught * 0.9, `${compared} of ${taught}`);
  });

  test("of random bytes do no harm", () => {
    repeat({ runs: 20_000 }, (random) => {
      const head = answerTo("web.example.com", []).subarray(0, random.below(40));
      const bytes = Buffer.concat([head, random.bytes(random.below(80))]);
      learn(bytes);
      read(bytes);
    });
  });
});

/** Some bytes changed, or the end cut off. */
function flip(good: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(good);
  for (let count = 1 + random.below(3); count > 0; count--)
    bytes[random.below(bytes.length)] = random.chance(0.3)
      ? random.pick([0, 0xc0, 0xff, 12])
      : random.below(256);
  return random.chance(0.1) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

const goodAnswer = answerTo("web.example.com", [
  cname("web.example.com", "b.example.net", 300),
  a("b.example.net", "192.0.2.1", 60),
  a("other.example.net", "203.0.113.1", 60),
]);

/** What the oracle finds, followed naively; undefined when it cannot read the answers. */
function oracleAddresses(bytes: Buffer): string[] | undefined {
  const answersOnly = Buffer.from(bytes);
  answersOnly.writeUInt32BE(0, 8);
  let answers: readonly OracleRecord[];
  try {
    answers = packet.decode(answersOnly).answers ?? [];
  } catch {
    return undefined;
  }
  const lower = (name: string) => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const own = (record: OracleRecord) => (record as { class?: string }).class === "IN";
  let name = "web.example.com";
  for (let step = 0; step <= 16; step++) {
    const alias = answers.find(
      (record) => own(record) && record.type === "CNAME" && lower(record.name) === name,
    );
    if (alias?.type !== "CNAME") break;
    name = lower(alias.data);
  }
  return answers.flatMap((record) =>
    own(record) && record.type === "A" && lower(record.name) === name ? [record.data] : [],
  );
}
