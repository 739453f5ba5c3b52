import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpRule, HttpRuleSet } from "@tsilium/policy/model.ts";
import type { SecretStore } from "../model.ts";
import { hasHeader, hasHeaderOnce } from "./header-lines.ts";
import { httpEntries, sniEntries } from "./rules.ts";

const secrets: SecretStore = {
  get: (_, name) =>
    name === "there" ? { key: Buffer.from("value").toString("base64") } : undefined,
  onChange: () => () => undefined,
};
const none: HttpRule = { path: undefined, method: undefined, host: undefined, headers: [] };
const setOf = (
  rules: readonly Partial<HttpRule>[],
  more: Partial<HttpRuleSet> = {},
): HttpRuleSet => ({
  kind: "http",
  direction: "egress",
  audit: false,
  denyRule: 9,
  tls: { terminating: undefined, originating: undefined },
  serverNames: undefined,
  rules: rules.map((match, index) => ({ rule: index + 1, match: { ...none, ...match } })),
  ...more,
});
const entriesOf = (set: HttpRuleSet, servers?: string) => {
  const { entries, spec, notes } = httpEntries(set, { tag: "v1", secrets, servers });
  return [...entries.map(({ key, value }) => `${key} ${value}`), ...(spec ? [spec] : []), ...notes];
};

test("rules as entries of a map", () => {
  assert.deepEqual(entriesOf(setOf([{ method: "GET", path: "/a" }, {}])), [
    "^(?:GET)\\x20[!-~]*+\\x20(?:\\x2fa)(?:\\x20|\\z) a1".replaceAll("\\x2f", "/"),
    "^[!-~]*+\\x20[!-~]*+\\x20[!-~]*+(?:\\x20|\\z) a2",
    "^ d9",
  ]);
  assert.deepEqual(entriesOf(setOf([], { audit: true })), ["^ u9"]);
  assert.deepEqual(entriesOf(setOf([{}]), "0123"), [
    "^[!-~]*+\\x20[!-~]*+\\x20[!-~]*+(?:\\x20|\\z) A1:0123:",
    "^ d9",
  ]);
});

test("header conditions as questions, answers and changes; a secret that is not there matches nothing", () => {
  const ask = (name: string, mismatch: "deny" | "add", secretName: string) => ({
    name,
    value: undefined,
    secret: { namespace: "n", name: secretName, key: "key" },
    mismatch,
  });
  const lines = entriesOf(
    setOf([
      { headers: [ask("x", "deny", "there")] },
      { headers: [ask("x", "deny", "gone")] },
      { headers: [ask("y", "add", "there"), ask("x", "deny", "there")] },
      { headers: [{ name: "z", value: undefined, secret: undefined, mismatch: "deny" }] },
    ]),
  );
  const any = "^[!-~]*+\\x20[!-~]*+\\x20[!-~]*+\\x20\\.[!-~]*+\\.?\\r\\n";
  const [first, third, fourth] = [
    hasHeaderOnce("x", "value"),
    hasHeaderOnce("x", "value"),
    hasHeader("z"),
  ];
  assert.deepEqual(lines, [
    `${any}${first} a1`,
    `${any}${third} b3,v1,0`,
    `${any}${fourth} a4`,
    "^ d9",
    // What is changed: y, unless it is y=value.
    "v1!79=76616c7565!0,add,1,79,76616c7565",
    "secret n/gone is not there",
  ]);
});

test("server names", () => {
  const lines = entriesOf(setOf([{}], { serverNames: ["a.b", "*.c"] }));
  assert.match(lines[0] ?? "", /\\x20\\\.\(\?:a\\\.b\|\[-a-z0-9_\]\+\\\.c\)\\\.\?\\r\\n a1$/);
  // An empty list lets nobody through.
  assert.match(entriesOf(setOf([{}], { serverNames: [] }))[0] ?? "", /\(\?!\)\\\.\?\\r\\n a1$/);
  const set = { kind: "sni", direction: "egress", audit: false, denyRule: 9 } as const;
  assert.deepEqual(sniEntries({ ...set, rules: [{ rule: 4, match: { serverName: "a.b" } }] }), [
    { key: "^\\.a\\.b\\.?\\z", value: "a4" },
    { key: "^", value: "d9" },
  ]);
});
