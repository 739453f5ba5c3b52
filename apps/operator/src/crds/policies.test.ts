// The definitions of policy kinds: what their schemas refuse by themselves, that they drop nothing, and that they name
// all that the parser reads.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  KubeError,
  resources,
  type CustomResourceDefinition,
  type JsonSchema,
  type KubeObject,
  type Resource,
} from "@tsilium/kube";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { policyJudges } from "../policies/judge.ts";
import { unknownFields } from "../policies/unknown-fields.ts";
import { policyDefinitions } from "./install.ts";

let api: TestApi;
before(async () => {
  api = await startTestApi();
});
after(() => api[Symbol.asyncDispose]());

const cnp: Resource = resources.ciliumNetworkPolicies;
const ccnp: Resource = resources.ciliumClusterwideNetworkPolicies;
const admin: Resource = resources.clusterNetworkPolicies;
const group: Resource = resources.ciliumCidrGroups;

let made = 0;
/** Stores an object of which nobody but the schema has been asked. */
async function store(resource: Resource, body: object): Promise<KubeObject & { spec: unknown }> {
  const metadata = {
    name: `p${made++}`,
    ...(resource.namespaced ? { namespace: "default" } : {}),
  };
  const object = { metadata, ...body } as KubeObject;
  const stored = await api.client.create(resource, object, { signal: AbortSignal.timeout(5_000) });
  return stored as KubeObject & { spec: unknown };
}

const ingress = (rule: object) => ({ spec: { endpointSelector: {}, ingress: [rule] } });
const egress = (rule: object) => ({ spec: { endpointSelector: {}, egress: [rule] } });
const ports = (entry: object) => ingress({ toPorts: [entry] });
const port = (item: object) => ports({ ports: [item] });
const adminRule = (rule: object) => ({
  spec: {
    tier: "Admin",
    priority: 1,
    subject: { namespaces: {} },
    egress: [{ action: "Deny", to: [{ namespaces: {} }], ...rule }],
  },
});
const cidrSet = "spec.ingress[0].fromCIDRSet[0]";
const firstPort = "spec.ingress[0].toPorts[0].ports[0]";

/** sentence, kind, object, field that is told */
const refused: readonly (readonly [string, Resource, object, string])[] = [
  ["neither spec nor specs", cnp, {}, ""],
  ["a spec without rules", cnp, { spec: { endpointSelector: {} } }, "spec"],
  ["a spec for nobody", cnp, { spec: { ingress: [{}] } }, "spec.endpointSelector"],
  [
    "pods and nodes at once",
    ccnp,
    { spec: { endpointSelector: {}, nodeSelector: {}, ingress: [{}] } },
    "spec",
  ],
  ["a fault in the second of several specs", cnp, { specs: [ingress({}).spec, {}] }, "specs[1]"],
  ["null for a list", cnp, ingress({ fromEndpoints: null }), "spec.ingress[0].fromEndpoints"],
  [
    "an entity there is none",
    cnp,
    ingress({ fromEntities: ["wrold"] }),
    "spec.ingress[0].fromEntities[0]",
  ],
  [
    "an operator there is none",
    cnp,
    ingress({ fromEndpoints: [{ matchExpressions: [{ key: "a", operator: "Equals" }] }] }),
    "spec.ingress[0].fromEndpoints[0].matchExpressions[0].operator",
  ],
  [
    "a label's value that is none",
    cnp,
    ingress({ fromEndpoints: [{ matchLabels: { a: "b c" } }] }),
    "spec.ingress[0].fromEndpoints[0].matchLabels.a",
  ],
  ["no address", cnp, ingress({ fromCIDR: ["10.0.0"] }), "spec.ingress[0].fromCIDR[0]"],
  [
    "a set that is an address",
    cnp,
    ingress({ fromCIDRSet: [{ cidr: "10.0.0.1" }] }),
    `${cidrSet}.cidr`,
  ],
  [
    "a set by prefix and by group",
    cnp,
    ingress({ fromCIDRSet: [{ cidr: "10.0.0.0/8", cidrGroupRef: "a" }] }),
    cidrSet,
  ],
  ["a set of nothing", cnp, ingress({ fromCIDRSet: [{ except: [] }] }), cidrSet],
  [
    "requirements over other rules",
    cnp,
    ingress({ fromRequires: [{}] }),
    "spec.ingress[0].fromRequires",
  ],
  ["a port that is a number", cnp, port({ port: 80 }), `${firstPort}.port`],
  ["a port that is neither number nor name", cnp, port({ port: "80-90" }), `${firstPort}.port`],
  ["a protocol there is none", cnp, port({ protocol: "ICMP" }), `${firstPort}.protocol`],
  [
    "a range that ends beyond all ports",
    cnp,
    port({ port: "1", endPort: 65536 }),
    `${firstPort}.endPort`,
  ],
  [
    "41 ports",
    cnp,
    ports({ ports: Array.from({ length: 41 }, () => ({ port: "80" })) }),
    "spec.ingress[0].toPorts[0].ports",
  ],
  [
    "41 ICMP types",
    cnp,
    ingress({ icmps: [{ fields: Array.from({ length: 41 }, () => ({ type: 8 })) }] }),
    "spec.ingress[0].icmps[0].fields",
  ],
  [
    "an ICMP type of no type",
    cnp,
    ingress({ icmps: [{ fields: [{ type: true }] }] }),
    "spec.ingress[0].icmps[0].fields[0].type",
  ],
  [
    "rules of two L7 protocols",
    cnp,
    ports({ rules: { http: [{}], dns: [{ matchName: "a.b" }] } }),
    "spec.ingress[0].toPorts[0].rules",
  ],
  [
    "a TLS context without a secret",
    cnp,
    ports({ terminatingTLS: {} }),
    "spec.ingress[0].toPorts[0].terminatingTLS.secret",
  ],
  [
    "an authentication mode there is none",
    cnp,
    ingress({ authentication: { mode: "on" } }),
    "spec.ingress[0].authentication.mode",
  ],
  [
    "a DNS name and a pattern",
    cnp,
    egress({ toFQDNs: [{ matchName: "a", matchPattern: "*" }] }),
    "spec.egress[0].toFQDNs[0]",
  ],
  [
    "a service by name and by labels",
    cnp,
    egress({ toServices: [{ k8sService: {}, k8sServiceSelector: { selector: {} } }] }),
    "spec.egress[0].toServices[0]",
  ],
  [
    "33 characters for the log",
    cnp,
    { spec: { ...ingress({}).spec, log: { value: "x".repeat(33) } } },
    "spec.log.value",
  ],
  ["a group without prefixes", group, { spec: {} }, "spec.externalCIDRs"],
  [
    "a group of what is no prefix",
    group,
    { spec: { externalCIDRs: ["10.0.0.1"] } },
    "spec.externalCIDRs[0]",
  ],
  ["a tier there is none", admin, { spec: { ...adminRule({}).spec, tier: "Normal" } }, "spec.tier"],
  ["priority 1001", admin, { spec: { ...adminRule({}).spec, priority: 1001 } }, "spec.priority"],
  ["no subject", admin, { spec: { ...adminRule({}).spec, subject: {} } }, "spec.subject"],
  ["no peer", admin, adminRule({ to: [] }), "spec.egress[0].to"],
  ["a peer that is unknown", admin, adminRule({ to: [{ clusters: {} }] }), "spec.egress[0].to[0]"],
  [
    "a peer of two kinds",
    admin,
    adminRule({ to: [{ namespaces: {}, podz: {} }] }),
    "spec.egress[0].to[0]",
  ],
  [
    "a protocol without ports",
    admin,
    adminRule({ protocols: [{ tcp: {} }] }),
    "spec.egress[0].protocols[0].tcp",
  ],
];

for (const [sentence, resource, body, field] of refused) {
  test(`the schema refuses ${sentence}`, async () => {
    const fault = await store(resource, body).then(
      () => assert.fail("it was stored"),
      (error: unknown) => error as KubeError,
    );
    assert.equal(fault.reason, "Invalid", fault.message);
    assert.equal(fault.details?.causes?.[0]?.field ?? "", field, fault.message);
  });
}

/** Every field of a schema once, with a value of its type. */
function sample(schema: JsonSchema): unknown {
  const { type, properties, items, additionalProperties } = schema as Readonly<
    Record<string, JsonSchema | undefined>
  >;
  if (properties)
    return Object.fromEntries(
      Object.entries(properties).map(([name, child]) => [name, sample(child as JsonSchema)]),
    );
  if (additionalProperties) return { a: sample(additionalProperties) };
  if (items) return [sample(items)];
  const values: Readonly<Record<string, unknown>> = { boolean: true, integer: 1, string: "x" };
  return values[String(type)] ?? {};
}

const schemaOf = ({ spec }: CustomResourceDefinition) =>
  spec.versions[0]?.schema?.openAPIV3Schema as JsonSchema;

for (const definition of policyDefinitions) {
  const { kind } = definition.spec.names;
  const {
    metadata: _,
    status: _status,
    ...fields
  } = sample(schemaOf(definition)) as Readonly<Record<string, unknown>>;

  test(`${kind}: the parser knows every field of the schema`, () => {
    const { group: name, versions } = definition.spec;
    const judge = policyJudges()[`${name}/${kind}`];
    const object = {
      ...fields,
      apiVersion: `${name}/${versions[0]?.name}`,
      kind,
      metadata: { name: "a" },
    };
    const unknown = judge?.(object).problems.filter(({ message }) => message.includes("unknown"));
    assert.deepEqual(unknown, []);
  });

  test(`${kind}: a field that the schema does not name is kept wherever it is, and told`, () => {
    const keeps = "x-kubernetes-preserve-unknown-fields";
    const walk = (schema: JsonSchema, path: string): string[] => {
      const { properties, items } = schema as Readonly<Record<string, JsonSchema | undefined>>;
      const drops = properties && schema[keeps] !== true ? [path] : [];
      const within = Object.entries(properties ?? {}).filter(([name]) => name !== "status");
      return [
        ...drops,
        ...within.flatMap(([name, child]) => walk(child as JsonSchema, `${path}.${name}`)),
        ...(items ? walk(items, `${path}[]`) : []),
      ];
    };
    assert.deepEqual(walk(schemaOf(definition), kind), []);
    assert.deepEqual(unknownFields(schemaOf(definition), fields), []);
  });
}

test("what the API server stores still has the mistyped field, for those who judge it later", async () => {
  const spec = { endpointSelector: {}, ingress: [{ fromEndpoints: [{ matchLabel: { a: "b" } }] }] };
  const stored = await store(cnp, { spec, egressDeny: [{}] });
  assert.deepEqual(stored.spec, spec);
  assert.deepEqual((stored as { egressDeny?: unknown }).egressDeny, [{}]);
});

/** sentence, object, what is told */
const unknown: readonly (readonly [string, object, readonly string[]])[] = [
  ["beside spec", { spec: {}, egressDeny: [] }, ["egressDeny: unknown field"]],
  [
    "near one that is known",
    ingress({ toPort: [], fromEndpoint: [] }),
    [
      'spec.ingress[0].toPort: unknown field, did you mean "toPorts"?',
      'spec.ingress[0].fromEndpoint: unknown field, did you mean "fromEndpoints"?',
    ],
  ],
  [
    "within lists of lists",
    { specs: [{}, { ingress: [{}, { toPorts: [{ ports: [{ prot: "TCP" }] }] }] }] },
    ['specs[1].ingress[1].toPorts[0].ports[0].prot: unknown field, did you mean "port"?'],
  ],
  ["that is null", ingress({ toPort: null }), []],
  ["named like a prototype's", { spec: { constructor: 1 } }, ["spec.constructor: unknown field"]],
  ["where labels are", { spec: { endpointSelector: { matchLabels: { any: "x" } } } }, []],
];

for (const [sentence, object, told] of unknown) {
  test(`an unknown field ${sentence}`, () => {
    const definition = policyDefinitions.find(({ spec }) => spec.names.kind === cnp.kind);
    const problems = unknownFields(schemaOf(definition as CustomResourceDefinition), object);
    assert.deepEqual(
      problems.map(({ path, message }) => `${path}: ${message}`),
      told,
    );
  });
}

test("kubectl shows whether a policy is valid, and a ClusterNetworkPolicy's tier and priority", async () => {
  const { metadata } = await store(ccnp, { spec: { endpointSelector: {}, egress: [{}] } });
  await api.client.patchStatus(ccnp, metadata.name ?? "", {
    status: {
      conditions: [
        { type: "Other", status: "True" },
        { type: "Valid", status: "False" },
      ],
    },
    signal: AbortSignal.timeout(5_000),
  });
  await store(admin, adminRule({}));
  const table = async (path: string) => {
    const text = await api.client.raw(path, {
      accept: "application/json;as=Table;g=meta.k8s.io;v=v1",
      signal: AbortSignal.timeout(5_000),
    });
    const { columnDefinitions, rows } = JSON.parse(text);
    return [
      columnDefinitions.map(({ name }: { name: string }) => name).join(" "),
      rows[0].cells.slice(1).join(" ").replace(/\d+s/, "AGE"),
    ];
  };
  assert.deepEqual(await table("/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies"), [
    "Name Age Valid",
    "AGE False",
  ]);
  assert.deepEqual(await table("/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies"), [
    "Name Tier Priority Age",
    "Admin 1 AGE",
  ]);
});
