import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeaderMatch } from "@tsilium/policy/model.ts";
import { testAuthority } from "@tsilium/testkit/certificates.ts";
import { header, httpRules, TestSecrets, tlsContext } from "../envoy/testing/rules.ts";
import { headerValue, secretRefs, tlsMaterial, type TlsUse } from "./index.ts";

const canary = "c4n4ry-never-to-be-seen";
const authority = await testAuthority("test");
const [leaf, other] = [await authority.issue(["a.example"]), await authority.issue(["b.example"])];
const secrets = new TestSecrets({
  "cilium-secrets/whole": {
    "tls.crt": leaf.certificate,
    "tls.key": leaf.privateKey,
    "ca.crt": authority.certificate,
  },
  "cilium-secrets/chain": {
    "tls.crt": `${leaf.certificate}\n# the authority\n${authority.certificate}\n`,
    "tls.key": leaf.privateKey,
  },
  "cilium-secrets/swapped": { "tls.crt": leaf.certificate, "tls.key": other.privateKey },
  "cilium-secrets/torn": {
    "tls.crt": `-----BEGIN CERTIFICATE-----\n${canary}\n-----END CERTIFICATE-----`,
    "tls.key": leaf.privateKey,
    "ca.crt": canary,
  },
  "cilium-secrets/badkey": { "tls.crt": leaf.certificate, "tls.key": canary },
  "cilium-secrets/ca": { "ca.crt": authority.certificate },
  "cilium-secrets/one": { token: canary },
  "cilium-secrets/two": { token: canary, other: "x" },
  "cilium-secrets/split": { token: `a\r\n${canary}: b` },
});

const cases: readonly (readonly [use: TlsUse, name: string, keys: object, expected: string])[] = [
  ["terminating", "whole", {}, "certificate and key"],
  ["terminating", "whole", { trustedCa: "ca.crt" }, "certificate and key and authority"],
  ["terminating", "chain", {}, "certificate and key"],
  ["terminating", "ca", {}, "secret cilium-secrets/ca has no key tls.crt"],
  ["terminating", "gone", {}, "secret cilium-secrets/gone is not there"],
  [
    "terminating",
    "whole",
    { certificate: "mine.crt" },
    "secret cilium-secrets/whole has no key mine.crt",
  ],
  [
    "terminating",
    "swapped",
    {},
    "secret cilium-secrets/swapped: tls.key is not the key of tls.crt",
  ],
  ["terminating", "torn", {}, "secret cilium-secrets/torn: tls.crt is no certificate in PEM"],
  ["terminating", "badkey", {}, "secret cilium-secrets/badkey: tls.key is no private key in PEM"],
  ["originating", "whole", {}, "certificate and key and authority"],
  ["originating", "ca", {}, "authority"],
  ["originating", "chain", {}, "secret cilium-secrets/chain has no key ca.crt"],
  [
    "originating",
    "torn",
    {},
    "secret cilium-secrets/torn: ca.crt is no list of certificates in PEM",
  ],
];
for (const [use, name, keys, expected] of cases) {
  test(`${use} TLS with ${name} ${JSON.stringify(keys)}: ${expected}`, () => {
    const found = tlsMaterial(tlsContext(name, keys), use, secrets);
    if ("problem" in found) {
      assert.equal(found.problem, expected);
      assert(!found.problem.includes(canary));
      return;
    }
    const parts = [
      found.certificate && "certificate",
      found.privateKey && "key",
      found.trustedCa && "authority",
    ];
    assert.equal(parts.filter(Boolean).join(" and "), expected);
  });
}

const secret = (name: string, key?: string) => ({ namespace: "cilium-secrets", name, key });
const values: readonly (readonly [
  sentence: string,
  match: Partial<HeaderMatch>,
  expected: object,
])[] = [
  ["no value: any", {}, { kind: "any" }],
  ["a value", { value: "v" }, { kind: "value", value: "v", secret: false }],
  [
    "a Secret's only key",
    { secret: secret("one") },
    { kind: "value", value: canary, secret: true },
  ],
  [
    "a Secret's named key",
    { secret: secret("two", "token") },
    { kind: "value", value: canary, secret: true },
  ],
  [
    "a Secret that is gone, and a value",
    { secret: secret("gone"), value: "v" },
    { kind: "value", value: "v", secret: false },
  ],
  [
    "a Secret that is gone",
    { secret: secret("gone") },
    { kind: "none", problem: "secret cilium-secrets/gone is not there" },
  ],
  [
    "several keys and none named",
    { secret: secret("two") },
    { kind: "none", problem: "secret cilium-secrets/two has several keys, and no key is named" },
  ],
  [
    "a key that is not there",
    { secret: secret("one", "x") },
    { kind: "none", problem: "secret cilium-secrets/one has no key x" },
  ],
  [
    "a key of every object",
    { secret: secret("one", "constructor") },
    { kind: "none", problem: "secret cilium-secrets/one has no key constructor" },
  ],
  [
    "what would be two headers",
    { secret: secret("split") },
    { kind: "none", problem: "secret cilium-secrets/split: token is no header value" },
  ],
];
for (const [sentence, match, expected] of values) {
  test(`a header condition's value: ${sentence}`, () =>
    assert.deepEqual(headerValue(header("x", match), secrets), expected));
}

test("a rule set names each of its Secrets once", () => {
  const ruleSet = httpRules(
    [
      {
        headers: [
          header("x", { secret: secret("one") }),
          header("y", { secret: secret("one", "token") }),
        ],
      },
    ],
    {
      tls: {
        terminating: tlsContext("whole"),
        originating: tlsContext("whole", { trustedCa: "ca.crt" }),
      },
    },
  );
  assert.deepEqual(secretRefs(ruleSet), [
    { namespace: "cilium-secrets", name: "whole" },
    { namespace: "cilium-secrets", name: "one" },
  ]);
});
