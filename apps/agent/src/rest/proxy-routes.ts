// What is asked about proxies.
import { answered, json, now, type RoutesOptions } from "./parts.ts";
import type { Route } from "./router.ts";
import { listOf, object } from "./schemas.ts";

const text = { type: "string" } as const;
const number = { type: "integer" } as const;

const listenerSchema = object({
  port: number,
  kind: { enum: ["http", "sni", "dns", "kafka"] },
  rules: number,
  version: number,
  "acknowledged?": number,
  "problem?": text,
});

const proxySchema = object({
  name: text,
  state: { enum: ["idle", "starting", "running", "waiting"] },
  "engine?": text,
  "pid?": number,
  restarts: number,
  "problem?": text,
  "connections?": number,
  "requests?": object({ forwarded: number, denied: number, errors: number }),
  "counters?": { type: "object", additionalProperties: number },
  "notes?": listOf(text),
  listeners: listOf(listenerSchema),
});

const proxiesSchema = object({
  enabled: { type: "boolean" },
  engine: text,
  recordsLost: number,
  proxies: listOf(proxySchema),
});

export function proxyRoutes({ parts }: RoutesOptions): Route[] {
  return [
    {
      method: "GET",
      path: "/v1/proxy",
      summary: "the proxies of this node: processes, listeners, and which rules they have in force",
      responses: answered("proxies that somebody needs, or that run", proxiesSchema),
      handle: async () => json(await now(parts).proxies.view()),
    },
  ];
}
