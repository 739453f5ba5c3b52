// L7 rules: what every field becomes, and why what cannot be enforced is refused, with the path of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePolicy } from "./parse.ts";
import { ccnp, cnp, showProblem } from "./testing/show.ts";

type Make = (spec: string) => object;

/** The entry's L7 rules as JSON, or problems; and warnings. Paths are of the entry. */
function shown(entry: string, make: Make = cnp, direction = "egress"): string[] {
  const spec = `{ endpointSelector: {}, ${direction}: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], ${entry} }] }] }`;
  const result = parsePolicy(make(spec), { clusterName: "default" });
  const told = result.ok ? result.warnings : result.problems;
  const lines = told.map((each) =>
    showProblem({ ...each, path: each.path.replace(`spec.${direction}[0].toPorts[0].`, "") }),
  );
  if (!result.ok) return lines;
  return [
    JSON.stringify(result.policy.specs[0]?.rules[0]?.l7),
    ...lines.map((line) => `! ${line}`),
  ];
}

const http = (rule: string) => `rules: { http: [${rule}] }`;
const noTls = '"tls":{}';

const understood: [sentence: string, entry: string, expected: string[], make?: Make][] = [
  [
    "every condition of a request",
    http(
      `{ path: "/a/.*", method: "GET|HEAD", host: 'x\\.org', headers: [X-A, "X-B: b c", X-C c] }`,
    ),
    [
      `{"protocol":"http","rules":[{"path":"/a/.*","method":"GET|HEAD","host":"x\\\\.org","headers":[{"name":"x-a","mismatch":"deny"},{"name":"x-b","value":"b c","mismatch":"deny"},{"name":"x-c","value":"c","mismatch":"deny"}]}],${noTls}}`,
    ],
  ],
  [
    "headers in full, with what is done about them",
    http(
      `{ headerMatches: [{ name: A }, { name: B, value: b }, { name: C, value: c, mismatch: LOG }, { name: D, value: d, mismatch: ADD }, { name: E, secret: { name: s }, mismatch: REPLACE }, { name: F, value: f, secret: { namespace: shop, name: s }, mismatch: DELETE }] }`,
    ),
    [
      `{"protocol":"http","rules":[{"headers":[{"name":"a","mismatch":"deny"},{"name":"b","value":"b","mismatch":"deny"},{"name":"c","value":"c","mismatch":"log"},{"name":"d","value":"d","mismatch":"add"},{"name":"e","secret":{"namespace":"shop","name":"s"},"mismatch":"replace"},{"name":"f","value":"f","secret":{"namespace":"shop","name":"s"},"mismatch":"delete"}]}],${noTls}}`,
    ],
  ],
  [
    "a secret of another namespace, with a warning",
    http(`{ headerMatches: [{ name: A, secret: { namespace: kube-system, name: s } }] }`),
    [
      `{"protocol":"http","rules":[{"headers":[{"name":"a","secret":{"namespace":"kube-system","name":"s"},"mismatch":"deny"}]}],${noTls}}`,
      `! rules.http[0].headerMatches[0].secret: is of another namespace than the policy: who writes this policy uses kube-system's secret; one beside the policy is named without a namespace`,
    ],
  ],
  [
    "a rule without conditions",
    http("{}"),
    [`{"protocol":"http","rules":[{"headers":[]}],${noTls}}`],
  ],
  [
    "CVE-2025-64715 an empty list, which lets nothing through",
    http(""),
    [`{"protocol":"http","rules":[],${noTls}}`],
  ],
  [
    "roles of Kafka's clients as the APIs that they need",
    `rules: { kafka: [{ role: produce, topic: orders }, { role: consume }] }`,
    [
      `{"protocol":"kafka","rules":[{"apiKeys":[18,3,17,36,0,10,22,24,25,26,28],"topic":"orders"},{"apiKeys":[18,3,17,36,1,2,8,9,10,11,12,13,14,23,68]}]}`,
    ],
  ],
  [
    "APIs of Kafka by name, and the rest of a request",
    `rules: { kafka: [{ apiKey: FetCh, apiVersion: "4", clientID: me, topic: a.b_c-D }, { apiKey: alterconfigs }, {}] }`,
    [
      `{"protocol":"kafka","rules":[{"apiKeys":[1],"apiVersion":4,"clientId":"me","topic":"a.b_c-D"},{"apiKeys":[33]},{}]}`,
    ],
  ],
  [
    "server names and patterns, in lower case",
    `serverNames: [A.example, "*.x.org", "**.y.org", "*"]`,
    [`{"protocol":"sni","serverNames":["a.example","*.x.org","**.y.org","*"]}`],
  ],
  [
    "no server names, which lets nothing through",
    "serverNames: []",
    [`{"protocol":"sni","serverNames":[]}`],
  ],
  [
    "TLS to take off and to put on",
    `terminatingTLS: { secret: { name: own }, certificate: c.crt, privateKey: c.key }, originatingTLS: { secret: { namespace: shop, name: theirs }, trustedCA: ca }, ${http("{ path: / }")}`,
    [
      `{"protocol":"http","rules":[{"path":"/","headers":[]}],"tls":{"terminating":{"secret":{"namespace":"shop","name":"own"},"certificate":"c.crt","privateKey":"c.key"},"originating":{"secret":{"namespace":"shop","name":"theirs"},"trustedCa":"ca"}}}`,
    ],
  ],
  [
    "TLS alone is HTTP of which all gets through",
    `originatingTLS: { secret: { name: s } }`,
    [
      `{"protocol":"http","rules":[{"headers":[]}],"tls":{"originating":{"secret":{"namespace":"shop","name":"s"}}}}`,
    ],
  ],
  [
    "server names of a TLS that is taken off",
    `terminatingTLS: { secret: { name: s } }, serverNames: [a.b]`,
    [
      `{"protocol":"http","rules":[{"headers":[]}],"tls":{"terminating":{"secret":{"namespace":"shop","name":"s"}}},"serverNames":["a.b"]}`,
    ],
  ],
  [
    "what is likely to match no request, with warnings",
    http(`{ path: public/.*, method: get, host: Example.org }`),
    [
      `{"protocol":"http","rules":[{"path":"public/.*","method":"get","host":"Example.org","headers":[]}],${noTls}}`,
      `! rules.http[0].path: paths begin with a slash: this is likely to match none ("public/.*")`,
      `! rules.http[0].method: the case of methods counts, and they are written in upper case: GET ("get")`,
      `! rules.http[0].host: hosts are compared in lower case: a letter in upper case matches nothing ("Example.org")`,
    ],
  ],
  [
    "a query after a ? that is none, with a warning",
    http(`{ path: "/a?x=1" }, { path: "/a\\\\?x=1" }, { path: "/a/?" }`),
    [
      `{"protocol":"http","rules":[{"path":"/a?x=1","headers":[]},{"path":"/a\\\\?x=1","headers":[]},{"path":"/a/?","headers":[]}],${noTls}}`,
      `! rules.http[0].path: ? makes what is before it optional: a query begins with \\? ("/a?x=1")`,
    ],
  ],
  [
    "** that is not at the beginning, with a warning",
    `serverNames: ["a.**.b", "**.b", "**b"]`,
    [
      `{"protocol":"sni","serverNames":["a.**.b","**.b","**b"]}`,
      `! serverNames[0]: ** is labels at the beginning alone ("**.example.com"): here it is one * ("a.**.b")`,
      `! serverNames[2]: ** is labels at the beginning alone ("**.example.com"): here it is one * ("**b")`,
    ],
  ],
];

for (const [sentence, entry, expected, make] of understood)
  test(`understood: ${sentence}`, () => assert.deepEqual(shown(entry, make), expected));

const no = "is no regular expression that can be enforced: it";
const slow =
  "would take too long on some requests, since parts of it that repeat can match the same text: write it with fewer *, + and .*, or as several rules";

const patterns: [pattern: string, reason: string][] = [
  ["/a(?=b)", "uses look-ahead, which RE2 has not"],
  ["/(?!admin).*", "uses look-ahead, which RE2 has not"],
  ["/(?<=a)b", "uses look-behind, which RE2 has not"],
  ["/(?<!a)b", "uses look-behind, which RE2 has not"],
  ["/(a)\\1", "uses a back-reference, which RE2 has not"],
  ["/(?P<x>a)(?P=x)", "uses a back-reference, which RE2 has not"],
  ["/(?<x>a)\\k<x>", "uses a back-reference, which RE2 has not"],
  ["/a++", "uses a possessive quantifier, which RE2 has not"],
  ["/a*+b", "uses a possessive quantifier, which RE2 has not"],
  ["/(?>a|b)c", "uses an atomic group, which RE2 has not"],
  ["/(?R)", "uses recursion, which RE2 has not"],
  ["/(?(1)a|b)", "uses a condition, which RE2 has not"],
  ["/(?#x)", "uses a comment, which RE2 has not"],
  ["/(?x)a", "has a group (? that RE2 does not know"],
  ["/[", "has a [ without its ]"],
  ["/(a", "has a ( without its )"],
  ["/a)", "has a ) without its ("],
  ["*", "has a * that follows nothing"],
  ["/a|+", "has a + that follows nothing"],
  ["/a**", "repeats a repetition: put the inner one in a group"],
  ["/a{2}{3}", "repeats a repetition: put the inner one in a group"],
  ["/a{1001}", "repeats more than 1000 times: {1001}"],
  ["/a{2,99999}", "repeats more than 1000 times: {2,99999}"],
  ["/a{3,2}", "has a count whose end comes before its start: {3,2}"],
  ["/(((a{99}){99}){99})", "is too large: repeat less, or write several rules"],
  ["/[z-a]", "has a range in a class that ends before it starts"],
  ["/[[:word1:]]", "has a class that RE2 does not know: [:word1:]"],
  ["/[^\\S]", "has a class that no character of a request is in"],
  ["/a b", "has a blank or control character, which no request has there"],
  ["/a\\nb", "has a blank or control character, which no request has there"],
  ["/\u00e9", "has a character that is not ASCII: requests have it percent-encoded"],
  ["/[a-\u{10ffff}]", "has a character that is not ASCII: requests have it percent-encoded"],
  ["/\\x{17f}", "has a character that is not ASCII: requests have it percent-encoded"],
  ["/\\bx", "uses \\b: word boundaries are not supported"],
  ["/\\pL", "uses \\p: requests are ASCII, name the characters"],
  ["/[\\PL]", "uses \\P: requests are ASCII, name the characters"],
  ["/\\C", "uses \\C: single bytes are not supported"],
  ["/\\y", "has an escape that RE2 does not know: \\y"],
  ["/\\", "ends with a backslash"],
  ["/a^b", "has a ^ or $ inside: the whole text is matched anyway"],
  ["/(a$|b)c", "has a ^ or $ inside: the whole text is matched anyway"],
  ["^*/", "repeats ^ or $"],
  ["/(a|b|ab)*", slow],
  ["/(([a-z]+)-?)*!", slow],
  ["/.*a[^b]*b.*[a-z]+y", slow],
  ["/[^x]*y.*z", slow],
  [`/${"a".repeat(2048)}`, "is longer than 2048 characters"],
];

for (const [pattern, reason] of patterns)
  test(`refused: the expression ${pattern.slice(0, 40)}`, () => {
    for (const field of ["path", "method", "host"])
      assert.deepEqual(shown(http(`{ ${field}: ${JSON.stringify(pattern)} }`)), [
        `rules.http[0].${field}: ${no} ${reason} (${JSON.stringify(pattern)})`,
      ]);
  });

const refused: [sentence: string, entry: string, expected: string[], make?: Make][] = [
  [
    "an empty text is not the same as none",
    http(`{ path: "", method: "", host: "" }`),
    ["path", "method", "host"].map(
      (field) => `rules.http[0].${field}: is empty: leave it out if no restriction is meant ("")`,
    ),
  ],
  [
    "null is not the same as none",
    http(`{ path: null, headers: null, headerMatches: null }`),
    ["path", "headers", "headerMatches"].map(
      (field) => `rules.http[0].${field}: is null: leave it out if no restriction is meant`,
    ),
  ],
  [
    "fields that nobody knows, which might restrict",
    http(`{ pathPrefix: /a }`),
    [
      `rules.http[0].pathPrefix: unknown field: without understanding it the policy cannot be enforced ("/a")`,
    ],
  ],
  [
    "headers in short that are none",
    http(`{ headers: ["", "k:v", "a b:", ": x", "k: ", "k: \\u0001", "Host: a", ":path /"] }`),
    [
      `rules.http[0].headers[0]: required ("")`,
      `rules.http[0].headers[1]: is no header: "name" or "name: value"; a name has no colon in it ("k:v")`,
      `rules.http[0].headers[3]: is no header: "name" or "name: value"; a name has no colon in it (": x")`,
      `rules.http[0].headers[4]: has no value: leave out colon and blank to ask only for the header ("k: ")`,
      `rules.http[0].headers[5]: is no value of a header: printable ASCII without blanks at its ends ("k: \\u0001")`,
      `rules.http[0].headers[6]: the host has a condition of its own: host ("Host: a")`,
      `rules.http[0].headers[7]: is no header: "name" or "name: value"; a name has no colon in it (":path /")`,
    ],
  ],
  [
    "header conditions that say nothing, and changes that would frame requests anew",
    http(
      `{ headerMatches: [{ name: a, mismatch: ADD }, { name: Content-Length, value: "1", mismatch: REPLACE }, { name: a, mismatch: add }, { name: a, value: "x\\n" }, { name: a, value: "" }, { value: x }, { name: "a b" }, { name: a, secret: {} }] }`,
    ),
    [
      `rules.http[0].headerMatches[0]: mismatch ADD needs a value or a secret`,
      `rules.http[0].headerMatches[1].mismatch: content-length is not changed: only LOG, or none ("REPLACE")`,
      `rules.http[0].headerMatches[2].mismatch: must be one of LOG, ADD, DELETE, REPLACE ("add")`,
      `rules.http[0].headerMatches[3].value: is no value of a header: printable ASCII without blanks at its ends ("x\\n")`,
      `rules.http[0].headerMatches[4].value: required ("")`,
      `rules.http[0].headerMatches[5].name: required`,
      `rules.http[0].headerMatches[6].name: is no header: "name" or "name: value"; a name has no colon in it ("a b")`,
      `rules.http[0].headerMatches[7].secret.name: required`,
    ],
  ],
  [
    "more header conditions than a proxy is to look at",
    http(`{ headers: [${Array.from({ length: 33 }, (_, index) => `h${index}`).join(", ")}] }`),
    ["rules.http[0]: has more than 32 header conditions"],
  ],
  [
    "Kafka requests that are none",
    `rules: { kafka: [{ role: admin }, { role: produce, apiKey: fetch }, { apiKey: x }, { apiVersion: "-1" }, { apiVersion: "32768" }, { apiVersion: 4 }, { topic: "a b" }, { topic: ".." }, { topic: "" }, { clientID: "" }, { clientId: x }, { role: null }] }`,
    [
      `rules.kafka[0].role: must be one of produce, consume ("admin")`,
      `rules.kafka[1]: has both role and apiKey: a role stands for keys`,
      `rules.kafka[2].apiKey: is no API of Kafka's: produce, fetch, metadata, ... ("x")`,
      `rules.kafka[3].apiVersion: must be a whole number from 0 to 32767, in quotes ("-1")`,
      `rules.kafka[4].apiVersion: must be a whole number from 0 to 32767, in quotes ("32768")`,
      `rules.kafka[5].apiVersion: must be a string: write "4" (4)`,
      `rules.kafka[6].topic: is no topic: letters, digits, ".", "_" and "-" ("a b")`,
      `rules.kafka[7].topic: is no topic: letters, digits, ".", "_" and "-" ("..")`,
      `rules.kafka[8].topic: is empty: leave it out if no restriction is meant ("")`,
      `rules.kafka[9].clientID: is empty: leave it out if no restriction is meant ("")`,
      `rules.kafka[10].clientId: unknown field: without understanding it the policy cannot be enforced ("x")`,
      `rules.kafka[11].role: is null: leave it out if no restriction is meant`,
    ],
  ],
  [
    "server names that are none",
    `serverNames: ["a..b", "a b", "", "${"a".repeat(256)}"]`,
    [
      `serverNames[0]: is no DNS name ("a..b")`,
      `serverNames[1]: is no DNS name ("a b")`,
      `serverNames[2]: required ("")`,
      `serverNames[3]: is no DNS name ("${"a".repeat(256)}")`,
    ],
  ],
  [
    "TLS without a secret, or with one that is none",
    `terminatingTLS: {}, originatingTLS: { secret: { name: A_b, namespace: N }, trustedCA: "a/b" }`,
    [
      `terminatingTLS.secret: required`,
      `originatingTLS.secret.name: is no name of a secret ("A_b")`,
    ],
  ],
  [
    "items of secrets that are none",
    `terminatingTLS: { secret: { name: a }, trustedCA: "a/b", certificate: "..\\0", privateKey: "x y" }`,
    [
      `terminatingTLS.trustedCA: is no item of a secret ("a/b")`,
      `terminatingTLS.certificate: is no item of a secret ("..\\u0000")`,
      `terminatingTLS.privateKey: is no item of a secret ("x y")`,
    ],
  ],
  [
    "a secret without a namespace, in a cluster-wide policy",
    `terminatingTLS: { secret: { name: a } }, rules: { http: [{ headerMatches: [{ name: a, secret: { name: s } }] }] }`,
    [
      `rules.http[0].headerMatches[0].secret.namespace: required in a cluster-wide policy`,
      `terminatingTLS.secret.namespace: required in a cluster-wide policy`,
    ],
    ccnp,
  ],
  [
    "TLS taken off for what is not HTTP",
    `terminatingTLS: { secret: { name: a } }, rules: { kafka: [{}] }`,
    [`TLS is taken off for HTTP alone, and these rules are of kafka`],
  ],
  [
    "server names of a TLS that is only put on",
    `originatingTLS: { secret: { name: a } }, serverNames: [a.b]`,
    [`serverNames: server names with L7 rules need terminatingTLS`],
  ],
];

for (const [sentence, entry, expected, make] of refused)
  test(`refused: ${sentence}`, () =>
    assert.deepEqual(
      shown(entry, make).map((line) => line.replace("spec.egress[0].toPorts[0]: ", "")),
      expected,
    ));

test("more than 40 ports in an entry are refused", () => {
  const ports = Array.from({ length: 41 }, (_, at) => `{ port: "${at + 1}", protocol: TCP }`);
  const spec = `{ endpointSelector: {}, egress: [{ toPorts: [{ ports: [${ports.join(", ")}], rules: { http: [{}] } }] }] }`;
  const result = parsePolicy(cnp(spec), { clusterName: "default" });
  assert.ok(!result.ok);
  assert.deepEqual(result.problems.map(showProblem), [
    "spec.egress[0].toPorts[0].ports: at most 40 ports",
  ]);
});

test("TLS and server names are for TCP, and for ports that are named", () => {
  for (const what of ["serverNames: [a.b]", "terminatingTLS: { secret: { name: s } }"])
    for (const [port, reason] of [
      [`{ port: "443" }`, "L7 rules other than DNS rules are for TCP only"],
      [`{ port: "0", protocol: TCP }`, "L7 rules need a port other than 0"],
    ]) {
      const spec = `{ endpointSelector: {}, egress: [{ toPorts: [{ ports: [${port}], ${what} }] }] }`;
      const result = parsePolicy(cnp(spec), { clusterName: "default" });
      assert.ok(!result.ok, what);
      assert.deepEqual(result.problems.map(showProblem), [`spec.egress[0].toPorts[0]: ${reason}`]);
    }
});
