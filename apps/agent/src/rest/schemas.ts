// JSON Schemas of what views.ts makes, for the OpenAPI document. A test holds real answers against them.
import type { Schema } from "./router.ts";

const text: Schema = { type: "string" };
const number: Schema = { type: "integer" };
const truth: Schema = { type: "boolean" };

export function listOf(items: Schema): Schema {
  return { type: "array", items };
}

/** An object with these fields; a name that ends in "?" may be absent. */
export function object(fields: Readonly<Record<string, Schema>>): Schema {
  const names = Object.keys(fields);
  return {
    type: "object",
    required: names.filter((name) => !name.endsWith("?")),
    properties: Object.fromEntries(
      Object.entries(fields).map(([name, schema]) => [name.replace(/\?$/, ""), schema]),
    ),
    additionalProperties: false,
  };
}

const enforcement: Schema = { enum: ["disabled", "enforcing", "audit"] };
const pod = object({ namespace: text, name: text, "uid?": text });

export const endpointSchema = object({
  id: number,
  state: text,
  identity: object({ id: number, labels: listOf(text) }),
  addressing: object({ "ipv4?": text, "ipv6?": text }),
  "pod?": pod,
  interface: object({ name: text, ifindex: number, mac: text, hostMac: text }),
  container: object({ id: text, interface: text, netns: text, network: text }),
  "policy?": object({ subject: number, ingress: enforcement, egress: enforcement }),
  createdAt: { type: "string", format: "date-time" },
});

export const endpointConfigSchema = object({ PolicyAuditMode: { type: ["boolean", "null"] } });

export const identitySchema = object({ id: number, labels: listOf(text), reserved: truth });

const claim = {
  prefix: text,
  identity: number,
  source: text,
  owner: text,
  "hostIp?": text,
  "pod?": pod,
};
export const claimSchema = object({ ...claim, wins: truth, "lostTo?": text });
export const ipSchema = object({ ...claim, claims: number });

export const nodeSchema = object({
  name: text,
  local: truth,
  addresses: listOf(object({ type: text, ip: text })),
  podCIDRs: listOf(text),
});

const allocationSchema = object({ address: text, owner: text, pool: text, "expiresAt?": text });
export const ipamSchema = object({
  mode: text,
  podCIDRs: listOf(text),
  pools: listOf(object({ pool: text, family: text, used: number, available: number })),
  allocations: listOf(allocationSchema),
});

export const healthSchema = object({
  state: { enum: ["ok", "degraded", "failed"] },
  version: text,
  node: object({ name: text, "ipv4?": text, "ipv6?": text, kernel: text, uptimeSeconds: number }),
  parts: listOf(
    object({
      name: text,
      state: { enum: ["ok", "degraded", "failed", "disabled"] },
      message: text,
    }),
  ),
});

export const configSchema: Schema = {
  type: "object",
  additionalProperties: object({
    value: {},
    source: {
      type: "string",
      pattern: "^(flag|environment|config-dir|default|cilium-node-config:.+)$",
      description: "a CiliumNodeConfig with its namespace and name, where it is of one",
    },
    kind: text,
    help: text,
  }),
};

export const lagSchema = object({
  message: text,
  lags: listOf(object({ name: text, message: text })),
});

const named = { kind: text, namespace: text, name: text };
const problem = object({ path: text, message: text });
export const policyObjectSchema = object({
  ...named,
  uid: text,
  generation: number,
  revision: number,
  valid: truth,
  "enforcedGeneration?": number,
  problems: listOf(problem),
  warnings: listOf(problem),
});

const spec = object({ ref: object(named), path: text });
export const ruleNumberSchema = object({
  number,
  name: text,
  kind: { enum: ["rule", "default-deny", "builtin"] },
  "ref?": object(named),
  "path?": text,
  "matches?": object({ peers: truth, ports: { enum: ["any", "protocol", "port"] } }),
  "log?": text,
  "by?": listOf(spec),
  "reason?": text,
});

export const selectorSchema = object({ selector: text, identities: number, slots: number });

const verdict: Schema = { enum: ["allowed", "denied", "audit"] };
const deciders = listOf(object({ ...named, path: text }));
const side = object({
  verdict,
  rules: deciders,
  defaultDenyBy: deciders,
  "builtin?": text,
  // What a proxy judges requests by: ExplainedL7 of packages/policy.
  "l7?": { type: "object" },
});
const explainedEnd = object({ name: text, identity: number, "address?": text });
export const explanationSchema = object({
  verdict,
  egress: side,
  ingress: side,
  from: explainedEnd,
  to: explainedEnd,
});
