// What a YAML test file may say.
import type { PodDescription } from "../manifests/pods.ts";
import type { PolicyKind } from "@tsilium/policy/model.ts";
import type { ExpectedRule } from "../expect.ts";
import type { HttpText } from "../l7/request.ts";
import type { Verdict } from "../explanation.ts";

/** Words of test files, and the verdicts they mean. */
export const expectations = {
  allow: "allowed",
  deny: "denied",
  audit: "audit",
} as const satisfies Record<string, Verdict>;

/** One or several: every combination of from, to and port must be as expected. */
export type OneOrMore<T> = T | readonly T[];

export type TestCase = {
  readonly name?: string;
  /** "shop/frontend", an address, a name under `world`, or an entity ("world", "host", ...). */
  readonly from: OneOrMore<string>;
  readonly to: OneOrMore<string>;
  readonly port: OneOrMore<number | string>;
  /** What is asked on the connection, of one of four kinds; each of several. */
  readonly http?: OneOrMore<string | HttpText>;
  readonly dns?: OneOrMore<string>;
  readonly kafka?: OneOrMore<string>;
  readonly sni?: OneOrMore<string>;
  readonly expect: keyof typeof expectations;
  /** The object that decides. */
  readonly by?: ExpectedRule;
};

export type TestFile = {
  /** Globs of manifests, from the file's own folder. */
  readonly manifests?: readonly string[];
  /** Labels of namespaces. Those that pods are in exist anyway. */
  readonly namespaces?: Readonly<Record<string, Readonly<Record<string, string>> | null>>;
  readonly pods?: Readonly<Record<string, PodDescription | null>>;
  /** Names for addresses outside the cluster. */
  readonly world?: Readonly<Record<string, string>>;
  /** Keys of the agent's configuration: "enable-policy", "policy-audit-mode", ... */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  readonly tests: readonly TestCase[];
};

const policyKinds: readonly PolicyKind[] = [
  "NetworkPolicy",
  "CiliumNetworkPolicy",
  "CiliumClusterwideNetworkPolicy",
  "ClusterNetworkPolicy",
];
const text = { type: "string", minLength: 1 } as const;
const texts = { type: "object", additionalProperties: { type: "string" } } as const;
const portLike = { type: ["string", "integer"] } as const;

function oneOrMore(item: object): object {
  // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own word
  return { if: { type: "array" }, then: { type: "array", items: item, minItems: 1 }, else: item };
}

const podSchema = {
  type: ["object", "null"],
  additionalProperties: false,
  properties: {
    labels: texts,
    annotations: texts,
    ports: { type: "object", additionalProperties: portLike },
    serviceAccount: text,
    node: { type: "string", pattern: "^node-[1-9][0-9]*$" },
    hostNetwork: { type: "boolean" },
    addresses: { type: "array", items: text, maxItems: 2 },
  },
} as const;

const httpSchema = {
  type: ["string", "object"],
  minLength: 1,
  additionalProperties: false,
  properties: {
    method: text,
    path: text,
    host: text,
    headers: texts,
    serverName: { type: "string" },
  },
} as const;

const caseSchema = {
  type: "object",
  additionalProperties: false,
  required: ["from", "to", "port", "expect"],
  properties: {
    name: text,
    from: oneOrMore(text),
    to: oneOrMore(text),
    port: oneOrMore(portLike),
    http: oneOrMore(httpSchema),
    dns: oneOrMore(text),
    kafka: oneOrMore(text),
    sni: oneOrMore({ type: "string" }),
    expect: { enum: Object.keys(expectations) },
    by: {
      type: "object",
      additionalProperties: false,
      minProperties: 1,
      properties: {
        kind: { enum: policyKinds },
        namespace: { type: "string" },
        name: text,
        path: text,
      },
    },
  },
} as const;

/** JSON Schema of a test file. */
export const testFileSchema = {
  type: "object",
  additionalProperties: false,
  required: ["tests"],
  properties: {
    manifests: { type: "array", items: text },
    namespaces: { type: "object", additionalProperties: { ...texts, type: ["object", "null"] } },
    pods: {
      type: "object",
      propertyNames: { pattern: "^[a-z0-9.-]+/[a-z0-9.-]+$" },
      additionalProperties: podSchema,
    },
    world: { type: "object", additionalProperties: text },
    settings: {
      type: "object",
      additionalProperties: { type: ["string", "number", "boolean"] },
    },
    tests: { type: "array", items: caseSchema, minItems: 1 },
  },
} as const;
