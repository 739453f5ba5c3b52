// Values from strangers: each is compiled or refused, with FilterError and nothing else; what is compiled answers, soon.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type Random, repeat } from "@tsilium/testkit";
import { FlowFilterSchema } from "../gen/flow/flow_pb.ts";
import { compileFilters } from "./compile.ts";
import { rememberTexts } from "./condition.ts";
import { FilterError } from "./error.ts";
import { requestPath } from "./request-uri.ts";
import { cpuMs } from "./testing/cpu.ts";
import { dns, flowWith, http, randomFlow } from "./testing/flows.ts";

const pieces = [
  ..."()[]{}|*+?^$.\\/:;,!=<>-_\"'`@#%&~ \t\n\0\u007f\u00e9\u{1f600}\ud800",
  "(a+)+",
  "(?i)",
  "(?P<x>",
  "\\pL",
  "\\x{10ffff}",
  "{1000}",
  "{2,}",
  "[[:alpha:]]",
  "\\Q",
  "(?:",
  ".*",
  "in (",
  "notin",
  "k8s:",
  "reserved:",
  "any:",
  "cidr:",
  "app",
  "web",
  "0",
  "1",
  "65535",
  "99999999999999999999",
  "10.0.0.1",
  "fd00::",
  "::ffff:1.2.3.4",
  "/33",
  "/8",
  "%2f",
  "%",
  "http://",
  "//",
  "?",
  "_flow",
  "_flow.l4.TCP",
  ".exists(l, ",
  ".all(",
  "has(",
  "[1,2]",
  "Verdict.DROPPED",
  " == ",
  " && ",
  " || ",
  "'a'",
  "1u",
  "true",
  "timestamp('",
  "duration('1s')",
  ".matches('",
];

const hostileText = (random: Random): string =>
  Array.from({ length: 1 + random.below(8) }, () => random.pick(pieces)).join("");

const stringFields = FlowFilterSchema.fields.filter(
  (field) => field.fieldKind === "list" && field.listKind === "scalar" && field.scalar === 9,
);

test("hostile values are compiled or refused, and compiled ones answer every flow", () => {
  let compiled = 0;
  repeat({ runs: 3_000 }, (random) => {
    const filter = create(FlowFilterSchema);
    const values = Array.from({ length: 1 + random.below(2) }, () => hostileText(random));
    if (random.chance(0.15))
      filter.experimental = { $typeName: "flow.FlowFilter.Experimental", celExpression: values };
    else Object.assign(filter, { [random.pick(stringFields).localName]: values });
    try {
      const matcher = compileFilters({ whitelist: [filter] });
      compiled++;
      for (let count = 0; count < 3; count++)
        assert.equal(typeof matcher.matches(randomFlow(random)), "boolean");
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      assert.ok(error.message.startsWith("invalid filter "), error.message);
      // oxlint-disable-next-line no-control-regex -- they must not get to a log or a terminal
      assert.ok(!/[\u0000-\u001f\u007f-\u009f]/.test(error.message), JSON.stringify(error.message));
    }
  });
  assert.ok(compiled > 100, `${compiled} were compiled`);
});

test("expressions that make other engines backtrack take milliseconds", () => {
  const text = `${"a".repeat(3_000)}!`;
  for (const pattern of [
    "(a+)+$",
    "(a|a)*$",
    "(a|aa)+$",
    "(.*a){12}$",
    "(?:a?){500}a{500}$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
  ]) {
    const filter = create(FlowFilterSchema, { dnsQuery: [pattern], httpUrl: [pattern] });
    const { matches } = compileFilters({
      whitelist: [
        create(FlowFilterSchema, { dnsQuery: filter.dnsQuery }),
        create(FlowFilterSchema, { httpUrl: filter.httpUrl }),
      ],
    });
    const ms = cpuMs(() => {
      matches(flowWith({ l7: dns(text) }));
      matches(flowWith({ l7: http({ url: text }) }));
    });
    assert.ok(ms < 1_000, `${pattern} took ${ms} ms`);
  }
});

test("a flood of different texts does not grow a filter: answers are forgotten, long texts never kept", () => {
  let asked = 0;
  const isShort = rememberTexts((text) => (asked++, text.length < 10));
  assert.deepEqual([isShort("a"), isShort("a"), asked], [true, true, 1]);
  for (let index = 0; index < 5_000; index++) isShort(`text-${index}`);
  assert.deepEqual([isShort("a"), asked], [true, 5_002]);
  const long = "x".repeat(1_000);
  assert.deepEqual([isShort(long), isShort(long), asked], [false, false, 5_004]);
});

test("any text has a path or none", () => {
  repeat({ runs: 2_000 }, (random) => {
    const path = requestPath(hostileText(random));
    assert.ok(path === undefined || typeof path === "string");
  });
});
