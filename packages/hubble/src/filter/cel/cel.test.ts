// CEL filters: what expressions say of a flow, that every field of the message can be read, and that none is too dear.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescField, type DescMessage, isFieldSet } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { repeat } from "@tsilium/testkit";
import { messageFromFlow } from "../../codec/message.ts";
import { FlowFilterSchema, FlowSchema } from "../../gen/flow/flow_pb.ts";
import type { Flow } from "../../model.ts";
import { compileFilters } from "../compile.ts";
import { cpuMs } from "../testing/cpu.ts";
import { dns, endpointWith, flowWith, http, ipWith, randomFlow, tcp } from "../testing/flows.ts";
import { onCel } from "./condition.ts";
import { flowSchema } from "./schema.ts";
import { CelTime } from "./value.ts";

const evaluate = (expression: string, flow: Partial<Flow> = {}) =>
  onCel("cel", [expression]).matches(flowWith(flow));

const web = endpointWith({
  id: 7,
  identity: 1234,
  namespace: "prod",
  podName: "web-1",
  labels: ["k8s:app=web", "k8s:tier=front"],
  workloads: [{ name: "web", kind: "Deployment" }],
});
const flow: Partial<Flow> = {
  timeNs: 1_700_000_000_123_456_789n,
  verdict: 2,
  dropReason: 133,
  uuid: "u",
  source: web,
  ip: ipWith({ source: "10.0.0.1", destination: "8.8.8.8" }),
  l4: tcp(40_000, 443, "syn"),
  isReply: false,
  socketCookie: 2n ** 63n,
  sourceNames: ["a.io", "b.io"],
};

const truths = [
  "_flow.verdict == Verdict.DROPPED",
  "_flow.verdict == flow.Verdict.DROPPED || _flow.verdict == Verdict.AUDIT",
  "_flow.verdict == 2 && _flow.verdict != 1",
  "_flow.drop_reason_desc == DropReason.POLICY_DENIED && _flow.drop_reason == 133u",
  "_flow.IP.source == '10.0.0.1' || _flow.IP.destination == '1.1.1.1'",
  "has(_flow.l4.TCP) && !has(_flow.l4.UDP)",
  "has(_flow.l4) && has(_flow.l4.TCP.flags) && !has(_flow.l7)",
  "has(_flow.l4.TCP) && _flow.l4.TCP.destination_port == uint(443)",
  "_flow.l4.TCP.destination_port in [80u, 443u]",
  "_flow.l4.TCP.flags.SYN && !_flow.l4.TCP.flags.ACK",
  // What is not set has empty fields.
  "_flow.l4.UDP.destination_port == 0u && _flow.l7.http.url == ''",
  "!has(_flow.l7.http) && !has(_flow.uuid) == false",
  "!has(_flow.destination) && _flow.destination.pod_name == ''",
  "_flow.source.namespace == 'prod' && _flow.source.pod_name == 'web-1'",
  "_flow.source.labels.exists(l, l == 'k8s:app=web')",
  "_flow.source.labels.all(l, l.startsWith('k8s:'))",
  "_flow.source.labels.exists_one(l, l.endsWith('front'))",
  "_flow.source.labels.filter(l, l.contains('app')).size() == 1",
  "_flow.source.labels.map(l, l.size())[0] == 11",
  "_flow.source.labels.map(l, l.contains('app'), l) == ['k8s:app=web']",
  "'k8s:app=web' in _flow.source.labels && size(_flow.source.labels) == 2",
  "_flow.source.labels[1] == 'k8s:tier=front'",
  "_flow.source.workloads.exists(w, w.kind == 'Deployment' && w.name == 'web')",
  "_flow.source.labels.exists(l, _flow.source_names.exists(n, n == 'b.io' && l != n))",
  "_flow.source.pod_name.matches('^web-[0-9]+$') && !_flow.source.pod_name.matches('^x')",
  "_flow.is_reply == false && !_flow.is_reply",
  "_flow.reply == false",
  "_flow.time > timestamp('2023-11-14T22:13:20Z') && _flow.time < timestamp('2023-11-14T22:13:20.2Z')",
  "_flow.time == timestamp('2023-11-14T22:13:20.123456789Z')",
  "_flow.time - duration('1h') < timestamp('2023-11-14T21:13:21+00:00')",
  "_flow.time - timestamp('2023-11-14T22:13:20Z') < duration('1s') && duration('1h30m') == duration('90m')",
  "int(_flow.time) == 1700000000 && int(_flow.source.ID) == 7",
  "_flow.time.getFullYear() == 2023 && _flow.time.getMonth() == 10 && _flow.time.getDate() == 14",
  "_flow.time.getDayOfMonth() == 13 && _flow.time.getDayOfWeek() == 2 && _flow.time.getDayOfYear() == 317",
  "_flow.time.getHours() == 22 && _flow.time.getMinutes() == 13 && _flow.time.getSeconds() == 20",
  "duration('1.5s').getMilliseconds() == 1500 && duration('-2h').getHours() == -2",
  "_flow.socket_cookie == 9223372036854775808u && _flow.socket_cookie > 1u",
  "_flow.source.ID == 7u && int(_flow.source.identity) / 10 == 123 && 7 % 4 == 3",
  "1 + 2 * 3 - 1 == 6 && 1.5 + 1.0 == 2.5 && 'a' + 'b' == 'ab' && [1] + [2] == [1, 2]",
  "-(1) == 0 - 1 && double(3) / 2.0 == 1.5 && string(12) == '12' && int('12') == 12",
  "{'a': 1, 'b': 2}['b'] == 2 && 'a' in {'a': 1} && {'a': [1]} == {'a': [1]}",
  "{'a': 1}.exists(k, k == 'a') && size({'a': 1}) == 1",
  "(_flow.verdict == 2 ? 'x' : 'y') == 'x'",
  "'\u{1f600}'.size() == 1 && bool('true') && 1 < 2 && 2u > 1u && 'a' < 'b'",
  // One side that decides is enough, though the other has no value.
  "_flow.source.labels[9] == 'x' || true",
  "!(_flow.source.labels[9] == 'x' && false)",
  "['x', 'y'].exists(i, _flow.source.labels[9] == i || i == 'y')",
  "!['x', 'y'].all(i, i == 'x' && _flow.source.labels[9] == 'z' || i != 'y')",
  "_flow.event_type.type == 0 && _flow.trace_observation_point == TraceObservationPoint.UNKNOWN_POINT",
];

test("expressions that are true of the flow", () => {
  for (const expression of truths) assert.equal(evaluate(expression, flow), true, expression);
});

const untruths = [
  "_flow.verdict == Verdict.FORWARDED",
  "has(_flow.l4.UDP)",
  "has(_flow.uuid) && has(_flow.source_service)",
  // No value: no match.
  "_flow.source.labels[9] == 'x'",
  "_flow.source.labels[-1] == 'x'",
  "{'a': 1}['b'] == 1",
  "1 / (2 - 2) == 1",
  "9223372036854775807 + _flow.verdict > 0",
  "0u - _flow.source.ID > 0u",
  "int(_flow.uuid) == 1",
  "timestamp(_flow.uuid) > timestamp('2023-11-14T22:13:20Z')",
  "_flow.source.labels.all(l, l[0] == 'k')",
  "_flow.source.labels.exists_one(l, l.startsWith('k8s:'))",
  "_flow.source.labels.exists(l, _flow.source.labels[9] == l)",
];

test("expressions that are false, or have no value", () => {
  for (const expression of untruths) {
    const isRefused = expression.includes("l[0]");
    if (isRefused) assert.throws(() => evaluate(expression, flow), { field: "cel" });
    else assert.equal(evaluate(expression, flow), false, expression);
  }
});

test("a reply that is not known is null, and so not a match", () => {
  assert.equal(evaluate("_flow.is_reply == null", { isReply: undefined }), true);
  assert.equal(evaluate("_flow.is_reply == true || _flow.is_reply == false", {}), false);
  assert.equal(evaluate("_flow.is_reply", {}), false);
  assert.equal(evaluate("_flow.is_reply", { isReply: true }), true);
});

test("layer 7 can be read", () => {
  const headers = [{ key: "host", value: "a" }];
  const l7 = http({ code: 503, url: "/api/v1", method: "GET", headers, latencyNs: 5_000_000 });
  assert.ok(evaluate("_flow.l7.http.code >= 500u && _flow.l7.http.url.contains('/api/')", { l7 }));
  assert.ok(evaluate("_flow.l7.http.headers.exists(h, h.key == 'host')", { l7 }));
  assert.ok(
    evaluate("_flow.l7.latency_ns > 1000000u && _flow.l7.type == L7FlowType.REQUEST", { l7 }),
  );
  assert.ok(
    evaluate("_flow.l7.dns.query == 'a.io' && 'A' in _flow.l7.dns.qtypes", { l7: dns("a.io") }),
  );
});

test("expressions are asked in turn: the first that is true decides, one without a value ends it", () => {
  const match = (...expressions: string[]) => onCel("cel", expressions).matches(flowWith(flow));
  assert.equal(match("false", "true"), true);
  assert.equal(match("true", "_flow.source.labels[9] == ''"), true);
  assert.equal(match("_flow.source.labels[9] == ''", "true"), false);
});

test("every field of the message has the value and the presence that the encoded flow has", () => {
  const { messages, types } = flowSchema();
  repeat({ runs: 300 }, (random) => {
    const model = randomFlow(random);
    compareMessage(reflect(FlowSchema, messageFromFlow(model)), model);
  });

  function compareMessage(message: ReflectMessage, object: object | undefined): void {
    for (const field of message.fields) {
      const access = messages.get(message.desc.typeName)?.get(field.name);
      if (!access) {
        assert.ok(!types.get(message.desc.typeName)?.has(field.name), field.name);
        continue;
      }
      const where = `${message.desc.typeName}.${field.name}`;
      assert.equal(access.isSet(object), isFieldSet(message.message, field), `has(${where})`);
      compareField(message, field, access.get(object), where);
    }
  }

  function compareField(message: ReflectMessage, field: DescField, value: unknown, where: string) {
    const expected = message.get(field);
    if (field.fieldKind === "list") {
      const items = [...(expected as Iterable<unknown>)];
      assert.equal((value as unknown[]).length, items.length, where);
      for (const [index, item] of items.entries()) {
        const ours = (value as unknown[])[index];
        if (field.listKind === "message") compareMessage(item as ReflectMessage, ours as object);
        else assert.equal(ours, item, where);
      }
    } else if (field.message?.typeName === "google.protobuf.Timestamp") {
      const { seconds, nanos } = (expected as ReflectMessage).message as unknown as Time;
      assert.equal((value as CelTime).ns, seconds * 1_000_000_000n + BigInt(nanos));
    } else if (field.message?.typeName.startsWith("google.protobuf.")) {
      const isSet = isFieldSet(message.message, field);
      assert.equal(
        value,
        isSet ? (expected as unknown as { message: { value: boolean } }).message.value : null,
      );
    } else if (field.message) {
      if (isFieldSet(message.message, field))
        compareMessage(expected as ReflectMessage, value as object);
      else assert.equal(value, undefined, where);
    } else {
      assert.equal(value, typeof expected === "number" ? BigInt(expected) : expected, where);
    }
  }
});

type Time = { readonly seconds: bigint; readonly nanos: number };

test("the schema holds every message that a flow can hold", () => {
  const { messages } = flowSchema();
  const seen = new Set<string>();
  const visit = (desc: DescMessage) => {
    if (desc.typeName.startsWith("google.protobuf.") || seen.has(desc.typeName)) return;
    seen.add(desc.typeName);
    for (const field of desc.fields) if (field.message) visit(field.message);
  };
  visit(FlowSchema);
  assert.deepEqual([...messages.keys()].sort(), [...seen].sort());
});

test("nested macros, long texts and growing lists end at the budget, in milliseconds", () => {
  const hundred = `[${Array.from({ length: 100 }, (_, index) => index).join(",")}]`;
  const nested = (depth: number): string => {
    const variable = `v${depth}`;
    const inner = depth === 0 ? `${variable} >= 0` : nested(depth - 1);
    return `${hundred}.all(${variable}, ${inner})`;
  };
  const hostile = [
    nested(8),
    nested(8).replaceAll(".all(", ".exists(").replaceAll(">= 0", "< 0"),
    `${hundred}.all(a, ${hundred}.exists(b, ${hundred}.map(c, ${hundred}).size() == 1))`,
    `${hundred}.map(a, _flow.Summary + _flow.Summary + _flow.Summary).size() == 100 && ${hundred}.all(a, _flow.Summary.matches('(x+x+)+y') == false)`,
    `${hundred}.all(a, ${hundred}.all(b, _flow.Summary.contains(_flow.Summary + 'y') == false))`,
    `${hundred}.all(a, ${hundred} + ${hundred} + ${hundred} != [a])`,
  ];
  for (const expression of hostile) {
    assert.ok(expression.length <= 4_096);
    const condition = onCel("cel", [expression]);
    const model = flowWith({ summary: "x".repeat(5_000) });
    assert.ok(cpuMs(() => condition.matches(model)) < 250, expression.slice(0, 60));
  }
  // And within the budget they have their value.
  assert.equal(onCel("cel", [nested(1)]).matches(flowWith({})), true);
  assert.equal(onCel("cel", [nested(2)]).matches(flowWith({})), false);
});

test("a hundred dear expressions share the budget of one", () => {
  const nested = (names: readonly string[]) =>
    names.reduceRight(
      (inner, name) => `[1,2,3,4,5,6,7,8,9,10].all(${name}, ${inner})`,
      `${names.join(" + ")} > 0`,
    );
  const filterOf = (celExpression: string) =>
    create(FlowFilterSchema, { experimental: { celExpression: [celExpression] } });
  const dear = filterOf(`!${nested(["a", "b", "c", "d"])}`);
  const { matches } = compileFilters({ whitelist: Array.from({ length: 100 }, () => dear) });
  const ms = cpuMs(() => {
    for (let flow = 0; flow < 16; flow++) matches(flowWith({}));
  });
  assert.ok(ms < 1_000, `16 flows took ${ms} ms`);
  // One alone has all of it.
  const one = compileFilters({ whitelist: [filterOf(nested(["a", "b", "c"]))] });
  assert.equal(one.matches(flowWith({})), true);
});
