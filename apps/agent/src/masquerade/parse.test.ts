import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { defaultExemptions, parseExemptions } from "./parse.ts";

const linkLocal = ["169.254.0.0/16", "fe80::/10"];
const read = (text: string | undefined) => parseExemptions(text).prefixes.map(String);

test("without a file, or with an empty one, what is no address of the internet's is exempt", () => {
  assert.equal(defaultExemptions.length, 11);
  for (const text of [undefined, "", " \n"]) {
    assert.deepEqual(read(text), [...defaultExemptions.map(String), ...linkLocal]);
    assert.ok(parseExemptions(text).isDefault);
  }
});

const files: readonly [string, string, readonly string[]][] = [
  [
    "a list",
    "nonMasqueradeCIDRs:\n- 10.1.0.0/16\n- 2001:db8::/32",
    ["10.1.0.0/16", "2001:db8::/32", ...linkLocal],
  ],
  [
    "JSON",
    '{"nonMasqueradeCIDRs": ["10.1.0.0/16"], "masqLinkLocal": true}',
    ["10.1.0.0/16", "fe80::/10"],
  ],
  ["an empty list, which is no default", "nonMasqueradeCIDRs: []", linkLocal],
  ["no list", "nonMasqueradeCIDRs:", linkLocal],
  ["link-local addresses masqueraded", "masqLinkLocal: true\nmasqLinkLocalIPv6: true", []],
  [
    "the same twice, and with host bits",
    "nonMasqueradeCIDRs: [10.1.2.3/16, 10.1.0.0/16]",
    ["10.1.0.0/16", ...linkLocal],
  ],
  [
    "everything",
    "nonMasqueradeCIDRs: [0.0.0.0/0, '::/0']\nresyncInterval: 60s",
    ["0.0.0.0/0", "::/0", ...linkLocal],
  ],
];
for (const [name, text, wanted] of files)
  test(`a file with ${name}`, () => assert.deepEqual(read(text), wanted));

const refused: readonly [string, RegExp][] = [
  ["nonMasqueradeCIDRs: 10.0.0.0/8", /wanted a list/],
  ["nonMasqueradeCIDRs: [10.0.0.0/8, banana]", /nonMasqueradeCIDRs\[1\]: .*banana/],
  ["nonMasqueradeCIDRs: [10.0.0.0/33]", /length 33/],
  ["nonMasqueradeCIDRs: [10]", /wanted a text/],
  ["nonMasqueradeCIDRs: [[10.0.0.0/8]]", /wanted a text/],
  ['masqLinkLocal: "yes"', /masqLinkLocal: wanted true or false/],
  ["- 10.0.0.0/8", /wanted fields/],
  ["10.0.0.0/8", /wanted fields/],
  ["nonMasqueradeCIDRs: [10.0.0.0/8", /./],
  ["a: !!js/function 'x'", /./],
];
for (const [text, why] of refused)
  test(`refused: ${text}`, () => assert.throws(() => parseExemptions(text), why));

test("fields that nobody knows are named", () => {
  assert.deepEqual(parseExemptions("nonMasqueradeCidrs: [10.0.0.0/8]").unknown, [
    "nonMasqueradeCidrs",
  ]);
  assert.deepEqual(parseExemptions("resyncInterval: 60s").unknown, []);
});

test("more than the kernel has room for is refused whole", () => {
  const list = Array.from({ length: 16_384 }, (_, at) => `10.${at >> 8}.${at & 255}.0/24`);
  const text = JSON.stringify({ nonMasqueradeCIDRs: list });
  assert.throws(() => parseExemptions(text), /16386 CIDRs/);
});

test("noise is either refused or read, and never anything else", () => {
  const words = [
    "nonMasqueradeCIDRs",
    ":",
    " ",
    "\n",
    "- ",
    "10.0.0.0/8",
    "[",
    "]",
    "{",
    "}",
    "&a",
    "*a",
    "true",
    "|",
    "<<",
    "\u0000",
    '"',
  ];
  repeat({ runs: 800 }, (random) => {
    const text = Array.from({ length: random.below(14) }, () => random.pick(words)).join("");
    try {
      for (const prefix of parseExemptions(text).prefixes) assert.ok(prefix.length >= 0);
    } catch (error) {
      assert.ok(error instanceof Error && !(error instanceof TypeError), String(error));
    }
  });
});
