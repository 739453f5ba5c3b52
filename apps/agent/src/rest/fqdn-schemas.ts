// JSON Schemas of names as the REST API shows them. A test holds real answers against them.
import type { Schema } from "./router.ts";
import { listOf, object } from "./schemas.ts";

const text: Schema = { type: "string" };
const number: Schema = { type: "integer" };
const time: Schema = { type: "string", format: "date-time" };

export const dnsLookupSchema = object({
  fqdn: text,
  "endpoint-id": number,
  source: { enum: ["lookup", "connection"] },
  "lookup-time": time,
  ttl: number,
  "expiration-time": time,
  ips: listOf(text),
  alias: { type: "boolean" },
});

export const cleanedSchema = object({ cleaned: number });

export const nameManagerSchema = object({
  FQDNPolicySelectors: listOf(object({ selectorString: text, regexString: text, ips: number })),
  refused: listOf(object({ address: text, name: text, reason: text })),
  shared: listOf(object({ address: text, allowed: text, other: text })),
});
