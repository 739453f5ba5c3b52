// NetworkPolicies as a built-in kind: what is filled in, what is refused, what kubectl shows.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { TestServer, type Body } from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
let made = 0;
const policy = (spec: unknown) => ({ metadata: { name: `p${made++}` }, spec });

/** sentence, spec as sent, spec as stored */
const filledIn: readonly (readonly [string, unknown, object])[] = [
  [
    "nothing at all isolates all pods for ingress",
    {},
    { podSelector: {}, policyTypes: ["Ingress"] },
  ],
  [
    "egress rules add their type",
    { podSelector: {}, egress: [{}] },
    { podSelector: {}, egress: [{}], policyTypes: ["Ingress", "Egress"] },
  ],
  [
    "an empty list of egress rules does not",
    { podSelector: {}, egress: [] },
    { podSelector: {}, egress: [], policyTypes: ["Ingress"] },
  ],
  [
    "types that are given stay as they are",
    { podSelector: {}, policyTypes: ["Egress"] },
    { podSelector: {}, policyTypes: ["Egress"] },
  ],
  [
    "ports are TCP",
    { podSelector: {}, ingress: [{ ports: [{ port: 80 }, {}] }] },
    {
      podSelector: {},
      ingress: [{ ports: [{ port: 80, protocol: "TCP" }, { protocol: "TCP" }] }],
      policyTypes: ["Ingress"],
    },
  ],
];

for (const [sentence, spec, stored] of filledIn) {
  test(`defaults: ${sentence}`, async () => {
    assert.deepEqual((await api.create(policies, policy(spec)))["spec"], stored);
  });
}

const rule = (more: object) => ({ podSelector: {}, ingress: [more] });
const port = (more: object) => rule({ ports: [more] });
const peer = (more: object) => rule({ from: [more] });
const at = "spec.ingress[0]";

/** sentence, spec, path of the fault, its message */
const refused: readonly (readonly [string, unknown, string, RegExp])[] = [
  ["port 0", port({ port: 0 }), `${at}.ports[0].port`, /between 1 and 65535/],
  ["port 65536", port({ port: 65536 }), `${at}.ports[0].port`, /between 1 and 65535/],
  [
    "a port's name that is too long",
    port({ port: "a-name-of-16-chr" }),
    `${at}.ports[0].port`,
    /15/,
  ],
  ["a port's name of digits", port({ port: "8080" }), `${at}.ports[0].port`, /at least one letter/],
  ["a protocol there is none", port({ protocol: "ICMP" }), `${at}.ports[0].protocol`, /"SCTP"/],
  ["a range without a start", port({ endPort: 90 }), `${at}.ports[0].endPort`, /not specified/],
  [
    "a range from a name",
    port({ port: "web", endPort: 90 }),
    `${at}.ports[0].endPort`,
    /non-numeric/,
  ],
  [
    "a range that ends before it starts",
    port({ port: 91, endPort: 90 }),
    `${at}.ports[0].endPort`,
    /greater than or equal/,
  ],
  ["a peer that says nothing", peer({}), `${at}.from[0]`, /must specify a peer/],
  [
    "addresses and pods in one peer",
    peer({ podSelector: {}, ipBlock: { cidr: "10.0.0.0/8" } }),
    `${at}.from[0]`,
    /both ipBlock and another peer/,
  ],
  ["no prefix", peer({ ipBlock: { cidr: "10.0.0.0" } }), `${at}.from[0].ipBlock.cidr`, /CIDR/],
  [
    "an exception outside",
    peer({ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16", "11.0.0.0/16"] } }),
    `${at}.from[0].ipBlock.except[1]`,
    /strict subset/,
  ],
  [
    "an exception that is all of it",
    peer({ ipBlock: { cidr: "fd00::/8", except: ["fd00::/8"] } }),
    `${at}.from[0].ipBlock.except[0]`,
    /strict subset/,
  ],
  [
    "an exception of the other family",
    peer({ ipBlock: { cidr: "0.0.0.0/0", except: ["fd00::/8"] } }),
    `${at}.from[0].ipBlock.except[0]`,
    /strict subset/,
  ],
  [
    "a selector's operator",
    { podSelector: { matchExpressions: [{ key: "a", operator: "Is" }] } },
    "spec.podSelector.matchExpressions[0].operator",
    /"DoesNotExist"/,
  ],
  [
    "values where there must be none",
    peer({
      namespaceSelector: { matchExpressions: [{ key: "a", operator: "Exists", values: ["b"] }] },
    }),
    `${at}.from[0].namespaceSelector.matchExpressions[0].values`,
    /may not be specified/,
  ],
  [
    "no values where there must be some",
    { podSelector: { matchExpressions: [{ key: "a", operator: "In", values: [] }] } },
    "spec.podSelector.matchExpressions[0].values",
    /must be specified/,
  ],
  [
    "a label's value",
    { podSelector: { matchLabels: { a: "not ok" } } },
    "spec.podSelector.matchLabels",
    /valid label/,
  ],
  ["a type there is none", { policyTypes: ["Both"] }, "spec.policyTypes[0]", /"Egress"/],
  [
    "three types",
    { policyTypes: ["Ingress", "Egress", "Ingress"] },
    "spec.policyTypes",
    /more than two/,
  ],
];

for (const [sentence, spec, path, message] of refused) {
  test(`a NetworkPolicy is refused for ${sentence}`, async () => {
    const { status, body, text } = await api.send("POST", policies, { body: policy(spec) });
    assert.equal(status, 422, text);
    const [cause] = body["details"].causes as Body[];
    assert.equal(cause?.["field"], path, text);
    assert.match(cause?.["message"], message);
  });
}

test("rules that are no list cannot be decoded", async () => {
  const { status, body } = await api.send("POST", policies, { body: policy({ ingress: {} }) });
  assert.equal(status, 400);
  assert.match(
    body["message"],
    /cannot be handled as a NetworkPolicy: .* NetworkPolicySpec.spec.ingress of type \[\]v1.NetworkPolicyIngressRule$/,
  );
});

test("kubectl's table shows whom a policy selects", async () => {
  const spec = {
    podSelector: {
      matchLabels: { app: "web" },
      matchExpressions: [
        { key: "tier", operator: "In", values: ["b", "a"] },
        { key: "old", operator: "DoesNotExist" },
      ],
    },
  };
  const all = { ...policy({}), metadata: { name: "t1", labels: { of: "table" } } };
  const some = { ...policy(spec), metadata: { name: "t2", labels: { of: "table" } } };
  await api.create(policies, all);
  await api.create(policies, some);
  const { body } = await api.send("GET", `${policies}?labelSelector=of%3Dtable`, {
    headers: { Accept: "application/json;as=Table;g=meta.k8s.io;v=v1" },
  });
  assert.deepEqual(
    body["columnDefinitions"].map(({ name }: Body) => name),
    ["Name", "Pod-Selector", "Age"],
  );
  assert.deepEqual(
    body["rows"].map(({ cells }: Body) => cells.slice(0, 2)),
    [
      ["t1", "<none>"],
      ["t2", "app=web,tier in (a,b),!old"],
    ],
  );
});

test("kubectl finds it as netpol", async () => {
  const { body } = await api.send("GET", "/apis/networking.k8s.io/v1");
  assert.deepEqual(body["resources"][0].shortNames, ["netpol"]);
});

test("a strategic merge patch replaces its lists", async () => {
  const object = policy({ ingress: [{ from: [{ podSelector: { matchLabels: { a: "b" } } }] }] });
  await api.create(policies, object);
  const { body } = await api.send("PATCH", `${policies}/${object.metadata.name}`, {
    contentType: "application/strategic-merge-patch+json",
    body: { spec: { ingress: [{ ports: [{ port: 80 }] }] } },
  });
  assert.deepEqual(body["spec"].ingress, [{ ports: [{ port: 80, protocol: "TCP" }] }]);
});
