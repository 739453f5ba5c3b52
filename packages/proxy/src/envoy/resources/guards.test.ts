import assert from "node:assert/strict";
import { test } from "node:test";
import { RE2JS } from "re2js";
import { guardPatterns } from "./guards.ts";

const compiled = {
  target: RE2JS.compile(guardPatterns.target),
  ambiguous: RE2JS.compile(guardPatterns.ambiguousPath),
  authority: RE2JS.compile(guardPatterns.authority),
};
const passes = (path: string) => compiled.target.matches(path) && !compiled.ambiguous.matches(path);

// docs/policy-l7.md, "How a request is read", after Envoy has normalised the path.
const good = [
  "/",
  "*",
  "/a/b;c=d",
  "/a%20b",
  "/a?b=%2f%5c&c=//",
  "/%E2%82%AC",
  "/a.;b",
  "/...;",
  "/a?b=/..;",
  "/~u/-_.",
];
const bad = [
  "",
  "a",
  "http://h/x",
  "/a b",
  "/a#b",
  "/a\x7f",
  "/\u00e9",
  "/%",
  "/%4",
  "/%zz",
  "/a?%",
  "/a\\b",
  "/a%5cb",
  "/a%2Fb",
  "/a%2fb",
  "/%00",
  "/%1f",
  "/%7F",
  "/%2561",
  "/%C0%AF",
  "/%c1",
  "/%f5",
  "/%FF",
  "/%E0%80%AF",
  "/%F0%80",
  "/;x",
  "/a/;x",
  "/a/.;x/b",
  "/a/..;/b",
  "/a/..%3B/b",
  "/a/%3b",
];
for (const path of good) test(`the path ${path} is judged by rules`, () => assert(passes(path)));
for (const path of bad)
  test(`the path ${JSON.stringify(path)} is refused`, () => assert(!passes(path)));

const hosts: readonly (readonly [host: string, good: boolean])[] = [
  ["shop.example", true],
  ["shop.example:8080", true],
  ["127.0.0.1", true],
  ["[fd00::1]:80", true],
  ["a_b", true],
  ["", false],
  ["user@shop.example", false],
  ["a b", false],
  ["a,b", false],
  ["a/b", false],
  ["a:123456", false],
  ["fd00::1", false],
];
for (const [host, expected] of hosts) {
  test(`the host ${JSON.stringify(host)} is ${expected ? "judged by rules" : "refused"}`, () =>
    assert.equal(compiled.authority.matches(host), expected));
}
