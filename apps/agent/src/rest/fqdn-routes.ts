// What is asked about names: who looked them up, what they resolved to, which selectors there are. As Cilium's API.
import { Prefix } from "@tsilium/net";
import type { LookupFilter, LookupSource } from "../fqdn/views.ts";
import { ApiError } from "./error.ts";
import { cleanedSchema, dnsLookupSchema, nameManagerSchema } from "./fqdn-schemas.ts";
import { answered, found, json, now, type RoutesOptions, wholeNumber } from "./parts.ts";
import type { Call, Parameter, Route } from "./router.ts";
import { listOf } from "./schemas.ts";

const matchpattern: Parameter = {
  in: "query",
  description: "names that this pattern (as matchPattern of toFQDNs) or name matches",
  schema: { type: "string" },
};
const filters: Readonly<Record<string, Parameter>> = {
  matchpattern,
  cidr: {
    in: "query",
    description: "names with an address in this range",
    schema: { type: "string" },
  },
  source: {
    in: "query",
    description: "lookup: by an answer; connection: its time is over, a connection keeps it",
    schema: { enum: ["lookup", "connection"] },
  },
};

export function fqdnRoutes({ parts }: RoutesOptions): Route[] {
  const views = () => now(parts).fqdn;
  const id: Parameter = { in: "path", description: "endpoint ID", schema: { type: "integer" } };
  return [
    {
      method: "GET",
      path: "/v1/fqdn/cache",
      summary: "names that pods of this node looked up, and their addresses",
      parameters: filters,
      responses: answered("by endpoint and name", listOf(dnsLookupSchema)),
      handle: ({ parameters }) => json(views().lookups(filterOf(parameters))),
    },
    {
      method: "DELETE",
      path: "/v1/fqdn/cache",
      summary: "forgets names: what is allowed by them alone ends, connections too",
      parameters: { matchpattern },
      responses: answered("how many addresses of names went", cleanedSchema),
      handle: ({ parameters }) => json({ cleaned: views().clean(filterOf(parameters)) }),
    },
    {
      method: "GET",
      path: "/v1/fqdn/cache/{id}",
      summary: "names that one endpoint looked up",
      parameters: { id, ...filters },
      responses: answered("by name", listOf(dnsLookupSchema)),
      handle: ({ parameters }) => {
        const endpoint = wholeNumber(parameters["id"], "endpoint ID");
        const lookups = views().lookups({ ...filterOf(parameters), endpoint });
        // Names outlive the endpoint that asked for them.
        if (lookups.length === 0)
          found(now(parts).endpoints.get(String(endpoint)), `endpoint ${endpoint}`);
        return json(lookups);
      },
    },
    {
      method: "GET",
      path: "/v1/fqdn/names",
      summary: "selectors of names in force, and addresses that are refused or shared",
      responses: answered("selectors", nameManagerSchema),
      handle: () => json(views().names()),
    },
  ];
}

/** @throws ApiError 400 */
function filterOf({ matchpattern: pattern, cidr, source }: Call["parameters"]): LookupFilter {
  return {
    matchPattern: patternOf(pattern),
    cidr: cidr === undefined ? undefined : prefixOf(cidr),
    source: source === undefined ? undefined : sourceOf(source),
  };
}

/** Nothing that was asked for must not mean everything. */
function patternOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (/^[-a-zA-Z0-9_*.]{1,255}$/.test(text)) return text;
  throw new ApiError(400, "bad_request", `"${text}" is no name or pattern`);
}

function prefixOf(text: string): Prefix {
  const prefix = Prefix.tryParse(text, { mask: true });
  if (prefix) return prefix;
  throw new ApiError(400, "bad_request", `"${text}" is no range of addresses`);
}

function sourceOf(text: string): LookupSource {
  if (text === "lookup" || text === "connection") return text;
  throw new ApiError(400, "bad_request", `"${text}" is no source: lookup, connection`);
}
