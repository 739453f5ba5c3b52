// Everything that is sent to Envoy, as text: `expected/` holds what each kind of rule set becomes. UPDATE=1 writes it anew,
// to be read by a person.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { RuleSet } from "@tsilium/policy/model.ts";
import { testAuthority } from "@tsilium/testkit/certificates.ts";
import { header, httpRules, TestSecrets, tlsContext } from "../testing/rules.ts";
import { textOf } from "../testing/text.ts";
import { loadUpstream, ownFiles } from "../testing/upstream.ts";
import { resourcesOf, type Resources } from "./resources.ts";

const authority = await testAuthority("test");
const leaf = await authority.issue(["shop.example"]);
const secrets = new TestSecrets({
  "cilium-secrets/web": {
    "tls.crt": leaf.certificate,
    "tls.key": leaf.privateKey,
    "ca.crt": authority.certificate,
  },
  "cilium-secrets/token": { value: "Bearer 100%" },
});
const upstream = loadUpstream(ownFiles());

const build = (ruleSet: RuleSet, options: Partial<Parameters<typeof resourcesOf>[1]> = {}) =>
  resourcesOf([{ port: 10_001, version: 1, ruleSet }], {
    direction: "egress",
    secrets,
    ...options,
  });

const cases: Readonly<Record<string, Resources>> = {
  http: build(
    httpRules([
      { path: "/public(/.*)?", method: "GET|HEAD" },
      {
        host: "admin[.]example",
        headers: [header("x-role", { value: "admin" }), header("x-trace")],
      },
    ]),
  ),
  "http-audit": build(httpRules([{ path: "/a" }], { audit: true })),
  "http-headers": build(
    httpRules([
      {
        headers: [
          header("x-log", { value: "1", mismatch: "log" }),
          header("authorization", {
            mismatch: "replace",
            secret: { namespace: "cilium-secrets", name: "token", key: undefined },
          }),
          header("x-env", { value: "prod", mismatch: "add" }),
          header("x-debug", { value: "off", mismatch: "delete" }),
        ],
      },
    ]),
  ),
  "http-tls": build(
    httpRules([{}], {
      tls: {
        terminating: tlsContext("web"),
        originating: tlsContext("web", { trustedCa: "ca.crt" }),
      },
      serverNames: ["shop.example", "*.cdn.example", "**.deep.example"],
    }),
  ),
  "http-refused": build(httpRules([{}]), { refused: new Map([[10_001, "why"]]) }),
  sni: build({
    kind: "sni",
    direction: "ingress",
    audit: false,
    denyRule: 9,
    rules: [
      { rule: 11, match: { serverName: "api.example" } },
      { rule: 12, match: { serverName: "*.example.com" } },
    ],
  }),
};

for (const [name, resources] of Object.entries(cases)) {
  test(`what is sent for ${name} is what expected/${name}.txt says`, () => {
    const file = join(import.meta.dirname, "expected", `${name}.txt`);
    const text = show(resources);
    if (process.env.UPDATE === "1") writeFileSync(file, text);
    assert.equal(text, readFileSync(file, "utf8"));
  });

  test(`what is sent for ${name} reads the same by Envoy's own definitions`, () => {
    for (const { message } of all(resources)) {
      const type = upstream.lookupType(message.typeUrl.split("/")[1] as string);
      const theirs = type.decode(message.value);
      // Nothing is lost: no field that they do not know.
      assert.deepEqual(
        Buffer.from(type.encode(theirs).finish()).length,
        message.value.length,
        message.typeUrl,
      );
    }
  });
}

function all({ clusters, secrets: sent, routes, listeners }: Resources) {
  return [clusters, sent, routes, listeners].flatMap((set) => [...set.values()]);
}

function show(resources: Resources): string {
  const problems = resources.problems.map(({ port, reason }) => `# listener ${port}: ${reason}\n`);
  const texts = all(resources)
    // Said once, in http.txt.
    .filter(
      ({ message }, index) =>
        index > 0 || resources === cases.http || !message.typeUrl.endsWith("Cluster"),
    )
    .map(({ message }) => textOf(message).replaceAll(/inline_bytes: \S+/g, "inline_bytes: ..."));
  return `${problems.join("")}${texts.join("---\n")}`;
}

test("the same rules make the same bytes", () => {
  const again = build(httpRules([{ path: "/a" }], { audit: true }));
  const before = cases["http-audit"] as Resources;
  assert.deepEqual(
    all(again).map(({ bytes }) => Buffer.from(bytes).toString("hex")),
    all(before).map(({ bytes }) => Buffer.from(bytes).toString("hex")),
  );
});

const broken: readonly (readonly [sentence: string, ruleSet: RuleSet, reason: RegExp])[] = [
  [
    "terminating TLS without its Secret",
    httpRules([{}], { tls: { terminating: tlsContext("gone"), originating: undefined } }),
    /^secret cilium-secrets\/gone is not there$/,
  ],
  [
    "originating TLS without an authority",
    httpRules([{}], { tls: { terminating: undefined, originating: tlsContext("token") } }),
    /^secret cilium-secrets\/token has no key ca\.crt$/,
  ],
  [
    "server names without TLS that ends here",
    httpRules([{}], { serverNames: ["a.example"] }),
    /serverNames need terminatingTLS/,
  ],
  [
    "more choices than routes can be made for",
    httpRules([
      {
        headers: Array.from({ length: 7 }, (_, index) =>
          header(`x-${index}`, { value: "1", mismatch: "add" }),
        ),
      },
    ]),
    /more than 6 headers/,
  ],
  [
    "a Host that is to be changed",
    httpRules([{ headers: [header("host", { value: "a", mismatch: "replace" })] }]),
    /Host header/,
  ],
];
for (const [sentence, ruleSet, reason] of broken) {
  test(`${sentence}: the listener is there, lets nothing through and says why`, () => {
    const resources = build(ruleSet);
    assert.deepEqual(
      resources.problems.map(({ port }) => port),
      [10_001],
    );
    assert.match(resources.problems[0]?.reason ?? "", reason);
    assert.deepEqual([...resources.listeners.keys()], ["http/10001"]);
    const text = show(resources);
    assert(!text.includes("original-destination\n"), text);
    assert(!/cluster:/.test(text), text);
  });
}

test("HTTP/2 is offered to clients only where the server is spoken to within TLS", () => {
  const alone = build(
    httpRules([{}], { tls: { terminating: tlsContext("web"), originating: undefined } }),
  );
  assert.match(show(alone), /alpn_protocols:\n +- http\/1\.1\n/);
  assert.match(show(cases["http-tls"] as Resources), /alpn_protocols:\n +- h2\n +- http\/1\.1\n/);
});

test("a header condition without its Secret: deny matches nothing, others change nothing", () => {
  const secret = { namespace: "cilium-secrets", name: "gone", key: undefined };
  const deny = build(httpRules([{ headers: [header("x", { secret })] }]));
  assert.doesNotMatch(show(deny), /rule\/11/);
  assert.deepEqual(deny.notes, ["listener 10001: secret cilium-secrets/gone is not there"]);
  const replace = build(httpRules([{ headers: [header("x", { secret, mismatch: "replace" })] }]));
  assert.match(show(replace), /name: rule\/11/);
  assert.doesNotMatch(show(replace), /request_headers_to/);
});

test("only what holds a Secret's content is marked as such", () => {
  const marked = (resources: Resources) =>
    [resources.clusters, resources.secrets, resources.routes, resources.listeners].flatMap((set) =>
      [...set].filter(([, { secret }]) => secret).map(([name]) => name),
    );
  assert.deepEqual(marked(cases.http as Resources), []);
  assert.deepEqual(marked(cases["http-headers"] as Resources), ["http/10001"]);
  assert.deepEqual(marked(cases["http-tls"] as Resources), [
    "certificate/terminating/cilium-secrets/web/,,",
    "certificate/originating/cilium-secrets/web/ca.crt,,",
    "authority/originating/cilium-secrets/web/ca.crt,,",
  ]);
});
