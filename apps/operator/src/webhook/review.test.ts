// AdmissionReviews as API servers send them, and as nobody should.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat, type Random } from "@tsilium/testkit";
import { policyJudges } from "../policies/judge.ts";
import { answerReview, ReviewError } from "./review.ts";

const judges = policyJudges();

const policy = (spec: object, metadata: object = {}) => ({
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "p", namespace: "shop", ...metadata },
  spec: { endpointSelector: {}, ...spec },
});
const good = policy({ ingress: [{ fromEntities: ["cluster"] }] });
const bad = policy({ ingress: [{ toPorts: [{ ports: [{ port: "99999" }] }] }] });
const typo = policy({ ingress: [{ fromEntities: ["cluster"], toPort: [] }] });

const review = (request: object) => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "705ab4f5-6393-11e8-b7cc-42010a800002",
    kind: { group: "cilium.io", version: "v2", kind: "CiliumNetworkPolicy" },
    operation: "CREATE",
    object: good,
    oldObject: null,
    ...request,
  },
});

type Response = {
  readonly uid: string;
  readonly allowed: boolean;
  readonly warnings?: readonly string[];
  readonly status?: {
    readonly code: number;
    readonly message: string;
    readonly details: { readonly causes: readonly { readonly field: string }[] };
  };
};

function respond(request: object): Response {
  const { review: answer } = answerReview(review(request), judges);
  return (answer as { readonly response: Response }).response;
}

test("a review is answered with its own uid", () => {
  const { review: answer, kind, outcome } = answerReview(review({}), judges);
  assert.deepEqual([kind, outcome], ["CiliumNetworkPolicy", "allowed"]);
  assert.deepEqual(answer, {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: { uid: "705ab4f5-6393-11e8-b7cc-42010a800002", allowed: true },
  });
});

test("a policy that is wrong is refused with the field's path and the reason", () => {
  const { allowed, status } = respond({ object: bad });
  assert.equal(allowed, false);
  assert.equal(status?.code, 422);
  assert.match(status?.message ?? "", /^spec\.ingress\[0\]\.toPorts\[0\]\.ports\[0\]\.port: /);
  assert.equal(status?.details.causes[0]?.field, "spec.ingress[0].toPorts[0].ports[0].port");
});

test("a mistyped field is refused, since a rule without it would allow more", () => {
  const { status } = respond({ object: typo });
  assert.equal(status?.details.causes[0]?.field, "spec.ingress[0].toPort");
});

test("what is legal and hardly meant is let pass with a warning", () => {
  const object = policy({
    endpointSelector: { matchLabels: { "k8s:io.kubernetes.pod.namespace": "other" } },
    ingress: [{}],
  });
  const { allowed, warnings } = respond({ object });
  assert.equal(allowed, true);
  assert.match(warnings?.[0] ?? "", /^spec\.endpointSelector: /);
});

const clusterwide = { group: "cilium.io", version: "v2", kind: "CiliumClusterwideNetworkPolicy" };
/** sentence, request, allowed */
const cases: readonly (readonly [string, object, boolean])[] = [
  ["an update to what is wrong", { operation: "UPDATE", object: bad, oldObject: good }, false],
  ["an update from what is wrong", { operation: "UPDATE", object: good, oldObject: bad }, true],
  [
    "a label on what was stored wrong",
    {
      operation: "UPDATE",
      object: { ...bad, metadata: { ...bad.metadata, labels: { a: "b" } } },
      oldObject: bad,
    },
    true,
  ],
  [
    "an annotation that is wrong on what was right",
    {
      operation: "UPDATE",
      object: policy(good.spec, { annotations: { "policy.tsilium.io/enforcement": "maybe" } }),
      oldObject: good,
    },
    false,
  ],
  ["a status of what is wrong", { operation: "UPDATE", subResource: "status", object: bad }, true],
  ["a deletion", { operation: "DELETE", object: null, oldObject: bad }, true],
  ["a kind that is no policy's", { kind: { group: "", version: "v1", kind: "Pod" } }, true],
  ["a kind named like a prototype's field", { kind: { group: "x", kind: "constructor" } }, true],
  ["an object of another kind than it says", { kind: clusterwide, object: { a: 1 } }, false],
  ["no object at all", { object: null }, false],
  [
    "a name that is still to be made up",
    { object: { ...good, metadata: { generateName: "p-", namespace: "shop" } } },
    true,
  ],
];

for (const [sentence, request, allowed] of cases) {
  test(`${allowed ? "allowed" : "refused"}: ${sentence}`, () => {
    assert.equal(respond(request).allowed, allowed);
  });
}

const malformed: readonly (readonly [string, unknown])[] = [
  ["nothing", undefined],
  ["null", null],
  ["a list", []],
  ["an object", {}],
  ["another version", { ...review({}), apiVersion: "admission.k8s.io/v1beta1" }],
  ["no request", { ...review({}), request: undefined }],
  ["a request without a uid", review({ uid: undefined })],
  ["a uid that is a number", review({ uid: 7 })],
  ["a request without a kind", review({ kind: null })],
  ["a request without an operation", review({ operation: undefined })],
];

for (const [sentence, document] of malformed) {
  test(`no review: ${sentence}`, () =>
    assert.throws(() => answerReview(document, judges), ReviewError));
}

const oddities: readonly unknown[] = [
  null,
  undefined,
  true,
  0,
  -1,
  1e308,
  "",
  "\0",
  "💥",
  "constructor",
  "a".repeat(300),
  [],
  {},
  [[]],
  [null],
  { a: { b: null } },
  { length: 9 },
  { toString: 1 },
  JSON.parse('{"__proto__": {"a": 1}}'),
];

/** A copy with one value, anywhere, replaced by an oddity, removed, or given one beside it. */
function mutate(value: unknown, random: Random): unknown {
  if (Array.isArray(value) && value.length > 0 && random.chance(0.85)) {
    const at = random.below(value.length);
    return value.map((item, index) => (index === at ? mutate(item, random) : item));
  }
  const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
  if (keys.length > 0 && random.chance(0.9)) {
    const key = random.pick(keys);
    const { [key]: child, ...rest } = value as Record<string, unknown>;
    if (random.chance(0.1)) return rest;
    const beside = random.chance(0.1) ? { [`${key}s`]: random.pick(oddities) } : {};
    return { ...rest, ...beside, [key]: mutate(child, random) };
  }
  return random.pick(oddities);
}

test("mutated reviews are answered yes or no, or refused as none, and never change what they hold", () => {
  const kinds: readonly (readonly [string, object])[] = [
    ["cilium.io/CiliumNetworkPolicy", bad],
    [
      "cilium.io/CiliumNetworkPolicy",
      policy({
        egress: [
          { toCIDRSet: [{ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }] },
          { toFQDNs: [{ matchPattern: "*.example.com" }] },
          { toServices: [{ k8sService: { serviceName: "a", namespace: "b" } }] },
          { icmps: [{ fields: [{ type: "EchoRequest", family: "IPv6" }] }] },
          {
            toPorts: [
              {
                ports: [{ port: "80", endPort: 90, protocol: "TCP" }],
                rules: { http: [{ path: "/a", headers: ["b"] }] },
              },
            ],
          },
        ],
        ingressDeny: [
          { fromEndpoints: [{ matchExpressions: [{ key: "a", operator: "Exists" }] }] },
        ],
        enableDefaultDeny: { egress: false },
        labels: [{ key: "a", value: "b" }],
        log: { value: "x" },
      }),
    ],
    [
      "networking.k8s.io/NetworkPolicy",
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "n", namespace: "shop" },
        spec: {
          podSelector: {},
          ingress: [{ from: [{ ipBlock: { cidr: "::/0" } }], ports: [{ port: 80 }] }],
        },
      },
    ],
    [
      "policy.networking.k8s.io/ClusterNetworkPolicy",
      {
        apiVersion: "policy.networking.k8s.io/v1alpha2",
        kind: "ClusterNetworkPolicy",
        metadata: { name: "c" },
        spec: {
          tier: "Admin",
          priority: 1,
          subject: { namespaces: {} },
          egress: [
            {
              action: "Deny",
              to: [{ networks: ["10.0.0.0/8"] }, { pods: { podSelector: {} } }],
              protocols: [{ tcp: { destinationPort: { range: { start: 1, end: 2 } } } }],
            },
          ],
        },
      },
    ],
    [
      "cilium.io/CiliumCIDRGroup",
      {
        apiVersion: "cilium.io/v2",
        kind: "CiliumCIDRGroup",
        metadata: { name: "g", labels: { a: "b" } },
        spec: { externalCIDRs: ["10.0.0.0/8"] },
      },
    ],
  ];
  repeat({ runs: 3000 }, (random) => {
    const [name, object] = random.pick(kinds);
    const [group, kind] = name.split("/");
    let document: unknown = review({
      kind: { group, kind },
      operation: random.pick(["CREATE", "UPDATE"]),
      object: random.chance(0.8) ? mutate(object, random) : object,
      oldObject: random.pick([null, object, random.pick(oddities)]),
    });
    if (random.chance(0.2)) document = mutate(document, random);
    const before = JSON.stringify(document);
    try {
      const { outcome } = answerReview(document, judges);
      assert.ok(outcome === "allowed" || outcome === "refused");
    } catch (error) {
      assert.ok(error instanceof ReviewError, `${(error as Error).stack}: ${before}`);
    }
    assert.equal(JSON.stringify(document), before);
  });
});
