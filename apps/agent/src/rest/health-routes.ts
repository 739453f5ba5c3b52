// What is asked about node-to-node health.
import { loadavg } from "node:os";
import { answered, json, now, type RoutesOptions } from "./parts.ts";
import type { Route } from "./router.ts";
import * as schemas from "./health-schemas.ts";

export function healthRoutes({ parts, health }: RoutesOptions): Route[] {
  const checks = () => now(parts).checks;
  return [
    {
      method: "GET",
      path: "/v1/health",
      summary: "which nodes and health endpoints answered their last probes, and how fast",
      responses: answered("by node", schemas.healthStatusSchema),
      handle: () => json(checks().status()),
    },
    {
      method: "POST",
      path: "/v1/health/probe",
      summary: "probes every node and health endpoint now, and answers when all are done",
      responses: answered("by node", schemas.healthStatusSchema),
      handle: async ({ signal }) => json(await checks().probe(signal)),
    },
    {
      method: "GET",
      path: "/v1/health/self",
      summary: "this node by itself: its agent, its load",
      responses: answered("the node", schemas.healthSelfSchema),
      handle: () => {
        const [last1min, last5min, last15min] = loadavg();
        const { state } = health() as { readonly state: string };
        const uptime = Math.round(process.uptime());
        const load = { last1min, last5min, last15min };
        return json({ agent: state, uptime, load, clusterHealth: checks().summary() });
      },
    },
  ];
}
