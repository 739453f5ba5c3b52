import assert from "node:assert/strict";
import { test } from "node:test";
import { Prefix } from "@tsilium/net";
import { CidrView, contentKey } from "./cidr-view.ts";

const prefixes = (...texts: string[]) => texts.map((text) => Prefix.parse(text));

/** Policies named 10.0.0.0/8 (class 1) and 10.1.0.0/16 inside it (class 2). */
const view = new CidrView(
  new Set(["10.0.0.0/8", "10.1.0.0/16"]),
  new Map([
    [contentKey(prefixes("10.0.0.0/8")), 1],
    [contentKey(prefixes("10.0.0.0/8", "10.1.0.0/16")), 2],
  ]),
);

const rows: readonly (readonly [string, readonly string[], number])[] = [
  ["a set that was there then is of its class", ["10.0.0.0/8"], 1],
  ["a prefix that came up since makes no difference", ["10.0.0.0/8", "10.2.0.0/16"], 1],
  ["not between those of then either", ["10.0.0.0/8", "10.0.0.0/12", "10.1.0.0/16"], 2],
  ["not around them", ["0.0.0.0/0", "10.0.0.0/8"], 1],
  ["a set of nothing but new prefixes is of class 0", ["192.0.2.0/24"], 0],
  ["so is a set that nobody told apart", ["10.1.0.0/16"], 0],
];
for (const [name, texts, expected] of rows) {
  test(name, () => assert.equal(view.classOf(prefixes(...texts)), expected));
}
