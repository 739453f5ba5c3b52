import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { redactObject } from "./redact-object.ts";
import { redactText } from "./redact-text.ts";

const key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj".repeat(4);
const pem = `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----`;

/** What must not be in the result is written CANARY. */
const texts: readonly (readonly [string, string])[] = [
  ["Authorization: Bearer CANARY.x", "Authorization: <redacted>"],
  ['{"authorization":"Basic Q0FOQVJZOg=="}', '{"authorization":"<redacted>"}'],
  ["curl -H 'X-Auth-Token: CANARY' http://a", "curl -H 'X-Auth-Token: <redacted>' http://a"],
  ["Set-Cookie: session=CANARY; Path=/", "Set-Cookie: <redacted>"],
  ["http://user:CANARY@host/x", "http://<redacted>@host/x"],
  ["GET /login?user=a&password=CANARY&x=1", "GET /login?user=a&password=<redacted>&x=1"],
  [
    '"requestURI":"/api/v1/namespaces/a/pods/b/exec?container=c&command=mysql&command=-pCANARY&command=x&stdout=true"',
    '"requestURI":"/api/v1/namespaces/a/pods/b/exec?container=c&command=mysql&command=<redacted>&command=<redacted>&stdout=true"',
  ],
  ["db_password=CANARY host=a", "db_password=<redacted> host=a"],
  ['"clientSecret": "CANARY", "a": 1', '"clientSecret": "<redacted>", "a": 1'],
  ['msg=\\"api-key: CANARY\\"', 'msg=\\"api-key: <redacted>\\"'],
  ["run --token CANARY --verbose", "run --token <redacted> --verbose"],
  ["token eyJhbGciOiJub25lIn0.eyJDQU5BUlkiOjF9.CANARY end", "token <redacted> end"],
  ["key AKIAIOSFODNN7EXAMPLE", "key <redacted>"],
  [`before ${pem} after`, "before <redacted> after"],
  ["-----BEGIN RSA PRIVATE KEY-----\nCANARY", "<redacted>"],
  [`"${key}\\n-----END EC PRIVATE KEY-----"`, '"<redacted>"'],
];
for (const [text, expected] of texts)
  test(`${JSON.stringify(text).slice(0, 60)} loses its secret`, () => {
    assert.equal(redactText(text), expected);
    assert.equal(redactText(expected), expected, "what is clean stays as it is");
  });

const harmless = [
  "default via 172.18.0.1 dev eth0 proto static",
  "secretName: tls-of-shop",
  "the token is missing",
  "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
  '{"level":"info","node":"node-1","part":"secrets","msg":"copied"}',
  "fd00:10:244::1 lladdr 0e:00:00:00:00:01 STALE",
];
for (const text of harmless)
  test(`${JSON.stringify(text)} is told`, () => assert.equal(redactText(text), text));

test("a text takes time in proportion to its length, whatever is in it", () => {
  const parts = [
    "a",
    "token",
    "/exec?command=",
    "x-",
    "http://",
    "eyJ",
    "\\n",
    "=",
    ":",
    "-----BEGIN PRIVATE KEY",
    "--",
    " ",
  ];
  for (const part of parts) {
    const begunMs = performance.now();
    redactText(part.repeat(200_000 / part.length));
    assert.ok(performance.now() - begunMs < 5_000, part);
  }
});

test("objects lose what is secret by its place, and keep what helps", () => {
  const pod = {
    kind: "Pod",
    metadata: {
      name: "web",
      annotations: {
        "kubectl.kubernetes.io/last-applied-configuration": '{"x":"CANARY"}',
        "io.cilium.proxy/x": "kept",
        "policy.cilium.io/audit": "true",
        "example.com/note": "CANARY",
      },
      managedFields: [{ manager: "CANARY" }],
    },
    spec: {
      automountServiceAccountToken: true,
      containers: [
        {
          command: ["sh", "-c", "login CANARY"],
          args: ["CANARY"],
          env: [
            { name: "GREETING", value: "CANARY" },
            { name: "K", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
          ],
          livenessProbe: { httpGet: { httpHeaders: [{ name: "X-A", value: "CANARY" }] } },
        },
      ],
    },
  };
  const policy = {
    rules: {
      http: [
        {
          headers: ["X-Plain: CANARY", "X-Other"],
          headerMatches: [{ name: "X-B", value: "CANARY", secret: { name: "s" } }],
        },
      ],
    },
  };
  const flow = {
    l7: { http: { url: "http://a/?token=CANARY", headers: [{ key: "x", value: "CANARY" }] } },
  };
  const bags = [
    { kind: "ConfigMap", metadata: { name: "c" }, data: { "a.conf": "CANARY" } },
    { metadata: { name: "s" }, stringData: { a: "CANARY" }, data: { b: "CANARY" } },
  ];
  const clean = JSON.stringify(redactObject([pod, policy, flow, bags]));
  assert.ok(!clean.includes("CANARY"), clean);
  for (const kept of [
    "GREETING",
    "secretKeyRef",
    "X-A",
    "X-Plain",
    "X-B",
    "X-Other",
    '"a.conf"',
    '"sh"',
  ])
    assert.ok(clean.includes(kept), `${kept} is gone: ${clean}`);
  assert.ok(clean.includes('"automountServiceAccountToken":true'));
  assert.ok(clean.includes('"policy.cilium.io/audit":"true"'));
});

test("values that JSON has no word for are told, too", () => {
  class Text {
    toString(): string {
      return "10.0.0.1";
    }
  }
  const value = {
    big: 2n ** 60n,
    map: new Map([["a", 1n]]),
    set: new Set([1]),
    address: new Text(),
    bytes: Uint8Array.of(1, 255),
    none: null,
  };
  assert.deepEqual(redactObject(value), {
    big: "1152921504606846976",
    map: { a: "1" },
    set: [1],
    address: "10.0.0.1",
    bytes: "01ff",
    none: null,
  });
});

test("whatever is around it, a secret that is named as one does not get out, and nothing makes the search fail", () => {
  const names = [
    "password",
    "apiKey",
    "client_secret",
    "x-auth-token",
    "Authorization",
    "access-key",
  ];
  const noise = [
    "\u0000",
    '"',
    "\\",
    "\n",
    "=",
    ":",
    " ",
    "-----BEGIN PRIVATE KEY",
    "eyJ",
    "ü",
    "{",
    "://",
    "@",
  ];
  repeat({ runs: 300 }, (random) => {
    const some = () => Array.from({ length: random.below(6) }, () => random.pick(noise)).join("");
    const nest = (value: unknown): unknown => {
      if (random.chance(0.3)) return value;
      return nest(random.chance(0.5) ? [some(), value] : { [`k${some()}`]: value, other: some() });
    };
    const object = nest({ [random.pick(names)]: `${some()}CANARY${some()}` });
    assert.ok(!JSON.stringify(redactObject(object)).includes("CANARY"));
    const line = `${some()} ${random.pick(names)}${random.pick(["=", ": ", '":"', "="])}CANARY ${some()}`;
    assert.ok(!redactText(line).includes("CANARY"), JSON.stringify(line));
  });
});
