// Requests against rule sets of every kind: which rule lets them through, or which denies.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DnsRule, HeaderMatch, HttpRule, HttpRuleSet, KafkaRule, Numbered } from "../model.ts";
import { decideL7 } from "./decide.ts";
import { decideDns } from "./dns.ts";
import { decideHttp } from "./http.ts";
import { decideKafka } from "./kafka.ts";
import type { HttpRequest, KafkaRequest } from "./request.ts";
import { decideSni } from "./sni.ts";

const base = { direction: "egress", audit: false, denyRule: 99 } as const;
const none = { path: undefined, method: undefined, host: undefined, headers: [] };
const noTls = { terminating: undefined, originating: undefined };

const numbered = <Rule>(rules: readonly Rule[]): Numbered<Rule>[] =>
  rules.map((match, index) => ({ rule: index + 1, match }));

function httpSet(
  rules: readonly Partial<HttpRule>[],
  more: Partial<HttpRuleSet> = {},
): HttpRuleSet {
  const whole = rules.map((rule) => ({ ...none, ...rule }));
  return {
    ...base,
    kind: "http",
    tls: noTls,
    serverNames: undefined,
    rules: numbered(whole),
    ...more,
  };
}

function header(name: string, rest: Partial<HeaderMatch> = {}): HeaderMatch {
  return { name, value: undefined, secret: undefined, mismatch: "deny", ...rest };
}

const secrets: Readonly<Record<string, string>> = { "shop/token": "s3cret" };

/** "200 by 1", "403 by 99", "400: has a fragment"; what is done to headers. */
function http(set: HttpRuleSet, request: Partial<HttpRequest>): string {
  const whole = { method: "GET", target: "/", host: "a.example", ...request };
  const decision = decideHttp(set, whole, ({ namespace, name }) => secrets[`${namespace}/${name}`]);
  const { status, rule, reason, audit, changes } = decision;
  assert.equal(decision.allowed, status === 200);
  const done = changes.map((change) =>
    [change.action, change.name, "value" in change ? change.value : ""].join(" ").trim(),
  );
  if (reason !== undefined) return `${status}: ${reason}`;
  return [`${status} by ${rule}`, ...(audit ? ["audit"] : []), ...done].join(", ");
}

const publicOnly = httpSet([{ path: "/public/.*", method: "GET" }, { path: "/health" }]);
const secret = { namespace: "shop", name: "token", key: undefined };
const gone = { namespace: "shop", name: "gone", key: undefined };

const httpRows: [
  sentence: string,
  set: HttpRuleSet,
  request: Partial<HttpRequest>,
  expected: string,
][] = [
  ["the first rule that matches", publicOnly, { target: "/public/a" }, "200 by 1"],
  ["another rule", publicOnly, { target: "/health", method: "PUT" }, "200 by 2"],
  ["no rule", publicOnly, { target: "/secret" }, "403 by 99"],
  ["the whole path must match", publicOnly, { target: "/healthy" }, "403 by 99"],
  ["from its start", publicOnly, { target: "/x/health" }, "403 by 99"],
  ["the query is part of it", publicOnly, { target: "/health?x" }, "403 by 99"],
  ["the method's case counts", publicOnly, { target: "/public/a", method: "get" }, "403 by 99"],
  ["the path's case counts", publicOnly, { target: "/Public/a" }, "403 by 99"],
  ["dots are read first", publicOnly, { target: "/public/../secret" }, "403 by 99"],
  ["encoded or not", publicOnly, { target: "/public/%2e%2e/secret" }, "403 by 99"],
  ["and may lead inside", publicOnly, { target: "/x/../public//a" }, "200 by 1"],
  [
    "ambiguous ones are refused",
    publicOnly,
    { target: "/public/..;/secret" },
    "400: has a segment of dots with a parameter",
  ],
  ["whatever the rules say", httpSet([{}]), { target: "/a#b" }, "400: has a fragment"],
  [
    "in audit mode too",
    httpSet([], { audit: true }),
    { target: "/a%00" },
    "400: has an encoded control character in its path",
  ],
  ["an empty set lets nothing through", httpSet([]), {}, "403 by 99"],
  ["an empty rule everything", httpSet([{}]), { method: "BREW", target: "/any?thing" }, "200 by 1"],
  ["audit denies nothing", httpSet([], { audit: true }), {}, "200 by 99, audit"],
  ["and does not hide who allowed", httpSet([{}], { audit: true }), {}, "200 by 1"],
  ["the host, in any case", httpSet([{ host: "a\\.example" }]), { host: "A.Example" }, "200 by 1"],
  [
    "without the connection's port",
    httpSet([{ host: "a\\.example" }]),
    { host: "a.example:80", port: 80 },
    "200 by 1",
  ],
  [
    "with another port it is another",
    httpSet([{ host: "a\\.example" }]),
    { host: "a.example:81", port: 80 },
    "403 by 99",
  ],
  [
    "a dot in an expression is escaped or any",
    httpSet([{ host: "a\\.example" }]),
    { host: "axexample" },
    "403 by 99",
  ],
  [
    "an absolute target's host counts",
    httpSet([{ host: "a" }]),
    { target: "http://a/x", host: "a" },
    "200 by 1",
  ],
  [
    "and must be the other's",
    httpSet([{}]),
    { target: "http://b/x", host: "a" },
    "400: has a host other than its target's",
  ],
  ["a host that is none", httpSet([{}]), { host: "a b" }, "400: has a host that is none"],
  ["a method that is none", httpSet([{}]), { method: "GE T" }, "400: has a method that is none"],
  [
    "a header that is there",
    httpSet([{ headers: [header("x-a")] }]),
    { headers: [["X-A", ""]] },
    "200 by 1",
  ],
  [
    "and one that is not",
    httpSet([{ headers: [header("x-a")] }]),
    { headers: [["x-b", "1"]] },
    "403 by 99",
  ],
  [
    "a value, without blanks around it",
    httpSet([{ headers: [header("x", { value: "1" })] }]),
    { headers: [["X", " 1\t"]] },
    "200 by 1",
  ],
  [
    "its case counts",
    httpSet([{ headers: [header("x", { value: "a" })] }]),
    { headers: [["X", "A"]] },
    "403 by 99",
  ],
  [
    "no part of a list",
    httpSet([{ headers: [header("x", { value: "a" })] }]),
    { headers: [["x", "a, b"]] },
    "403 by 99",
  ],
  [
    "a header said twice has no value",
    httpSet([{ headers: [header("x", { value: "a" })] }]),
    {
      headers: [
        ["x", "a"],
        ["X", "a"],
      ],
    },
    "403 by 99",
  ],
  [
    "all conditions must hold",
    httpSet([{ path: "/", headers: [header("a"), header("b")] }]),
    { headers: [["a", "1"]] },
    "403 by 99",
  ],
  [
    "a secret's value",
    httpSet([{ headers: [header("x", { secret })] }]),
    { headers: [["x", "s3cret"]] },
    "200 by 1",
  ],
  [
    "not another",
    httpSet([{ headers: [header("x", { secret })] }]),
    { headers: [["x", "guess"]] },
    "403 by 99",
  ],
  [
    "a secret that is gone matches nothing",
    httpSet([{ headers: [header("x", { secret: gone })] }]),
    { headers: [["x", ""]] },
    "403 by 99",
  ],
  [
    "unless a value stands in",
    httpSet([{ headers: [header("x", { secret: gone, value: "v" })] }]),
    { headers: [["x", "v"]] },
    "200 by 1",
  ],
  [
    "LOG lets through and tells",
    httpSet([{ headers: [header("x", { value: "1", mismatch: "log" })] }]),
    {},
    "200 by 1, log x",
  ],
  [
    "ADD adds",
    httpSet([{ headers: [header("x", { value: "1", mismatch: "add" })] }]),
    { headers: [["x", "2"]] },
    "200 by 1, add x 1",
  ],
  [
    "REPLACE replaces",
    httpSet([{ headers: [header("x", { secret, mismatch: "replace" })] }]),
    { headers: [["x", "2"]] },
    "200 by 1, replace x s3cret",
  ],
  [
    "DELETE deletes",
    httpSet([{ headers: [header("x", { value: "1", mismatch: "delete" })] }]),
    { headers: [["x", "2"]] },
    "200 by 1, delete x",
  ],
  [
    "what is there",
    httpSet([{ headers: [header("x", { value: "1", mismatch: "delete" })] }]),
    {},
    "200 by 1",
  ],
  [
    "nothing is done when all is well",
    httpSet([{ headers: [header("x", { value: "1", mismatch: "replace" })] }]),
    { headers: [["x", "1"]] },
    "200 by 1",
  ],
  [
    "nor without a value",
    httpSet([{ headers: [header("x", { secret: gone, mismatch: "replace" })] }]),
    {},
    "200 by 1",
  ],
  [
    "nor for a rule that does not match",
    httpSet([{ path: "/x", headers: [header("x", { value: "1", mismatch: "add" })] }, {}]),
    {},
    "200 by 2",
  ],
  [
    "a control character in a header",
    httpSet([{}]),
    { headers: [["x", "a\rb"]] },
    "400: has a control character in a header",
  ],
  [
    "a server name of the list",
    httpSet([{}], { serverNames: ["*.example"] }),
    { serverName: "a.example" },
    "200 by 1",
  ],
  [
    "not of the list",
    httpSet([{}], { serverNames: ["*.example"] }),
    { serverName: "a.b.example" },
    "403 by 99",
  ],
  ["none", httpSet([{}], { serverNames: ["a"] }), {}, "403 by 99"],
];

for (const [sentence, set, request, expected] of httpRows)
  test(`HTTP: ${sentence}`, () => assert.equal(http(set, request), expected));

const dnsRows: [rules: readonly DnsRule[], name: string, expected: string][] = [
  [[{ matchName: "a.example" }], "A.Example.", "1"],
  [[{ matchName: "a.example" }], "b.a.example", "99"],
  [[{ matchPattern: "*.example" }], "a.example", "1"],
  [[{ matchPattern: "*.example" }], "example", "99"],
  [[{ matchPattern: "*.example" }], "a.b.example", "99"],
  [[{ matchPattern: "**.example" }], "a.b.example", "1"],
  [[{ matchPattern: "**.example" }], "example", "99"],
  [[{ matchName: "x" }, { matchPattern: "*" }], "anything.at.all", "2"],
  [[], "a", "99"],
];

test("DNS questions", () => {
  for (const [rules, name, expected] of dnsRows) {
    const decision = decideDns({ ...base, kind: "dns", rules: numbered(rules) }, { name });
    assert.equal(String(decision.rule), expected, name);
    assert.equal(decision.allowed, expected !== "99");
  }
});

test("server names", () => {
  const set = (...names: readonly string[]) =>
    ({
      ...base,
      kind: "sni",
      rules: numbered(names.map((serverName) => ({ serverName }))),
    }) as const;
  const decide = (names: readonly string[], serverName: string | undefined) =>
    decideSni(set(...names), { serverName }).rule;
  assert.equal(decide(["b.c", "*.example"], "A.example"), 2);
  assert.equal(decide(["a.example"], "x.a.example"), 99);
  assert.equal(decide(["a.example"], undefined), 99);
  assert.equal(decide(["*"], undefined), 1);
  assert.equal(decide([], "a"), 99);
});

const kafkaRule = {
  apiKeys: undefined,
  apiVersion: undefined,
  clientId: undefined,
  topic: undefined,
};
const produceOrders = { ...kafkaRule, apiKeys: [0, 3, 18], topic: "orders" };
const fetchBills = { ...kafkaRule, apiKeys: [1], topic: "bills" };
const kafkaRows: [
  sentence: string,
  rules: readonly KafkaRule[],
  request: Partial<KafkaRequest>,
  rule: number,
][] = [
  ["its topic", [produceOrders], { topics: ["orders"] }, 1],
  ["another topic", [produceOrders], { topics: ["bills"] }, 99],
  ["every topic must be allowed", [produceOrders], { topics: ["orders", "bills"] }, 99],
  [
    "by one rule or another",
    [produceOrders, { ...produceOrders, topic: "bills" }],
    { topics: ["orders", "bills"] },
    1,
  ],
  ["of the API", [produceOrders, fetchBills], { topics: ["orders", "bills"] }, 99],
  ["an API without topics", [produceOrders], { apiKey: 18, topics: undefined }, 1],
  ["another API", [produceOrders], { apiKey: 1, topics: ["orders"] }, 99],
  ["no topic in particular", [produceOrders], { apiKey: 3, topics: [] }, 1],
  ["all topics at once", [produceOrders], { apiKey: 3, topics: "all" }, 99],
  ["all of them are all of them", [kafkaRule], { apiKey: 3, topics: "all" }, 1],
  ["a version", [{ ...kafkaRule, apiVersion: 7 }], { apiVersion: 7 }, 1],
  ["another version", [{ ...kafkaRule, apiVersion: 0 }], { apiVersion: 7 }, 99],
  ["a client", [{ ...kafkaRule, clientId: "me" }], { clientId: "me" }, 1],
  ["another client", [{ ...kafkaRule, clientId: "me" }], { clientId: "Me" }, 99],
  ["a client without a name", [{ ...kafkaRule, clientId: "me" }], { clientId: undefined }, 99],
  ["no rules", [], {}, 99],
];

for (const [sentence, rules, request, expected] of kafkaRows)
  test(`Kafka: ${sentence}`, () => {
    const whole = { apiKey: 0, apiVersion: 9, clientId: "me", topics: ["orders"], ...request };
    const decision = decideKafka({ ...base, kind: "kafka", rules: numbered(rules) }, whole);
    assert.equal(decision.rule, expected);
    assert.equal(decision.allowed, expected !== 99);
  });

test("in audit mode everything goes on, and what denies is told", () => {
  const audit = { ...base, audit: true };
  const expected = { allowed: true, audit: true, rule: 99 };
  const request = { apiKey: 0, apiVersion: 1, clientId: undefined, topics: undefined };
  assert.deepEqual(decideDns({ ...audit, kind: "dns", rules: [] }, { name: "a" }), expected);
  assert.deepEqual(decideSni({ ...audit, kind: "sni", rules: [] }, { serverName: "a" }), expected);
  assert.deepEqual(decideKafka({ ...audit, kind: "kafka", rules: [] }, request), expected);
});

test("a request of another kind is nothing that a proxy understands", () => {
  const set = httpSet([{}], { audit: true });
  assert.deepEqual(decideL7(set, { kind: "dns", request: { name: "a" } }), {
    allowed: false,
    audit: false,
    rule: 0,
  });
  assert.equal(
    decideL7(set, { kind: "http", request: { method: "GET", target: "/" } }).allowed,
    true,
  );
});
