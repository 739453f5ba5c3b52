// What is asked about services: frontends with their backends, what of them is not done and why, redirects.
import { answered, found, json, now, type RoutesOptions, wholeNumber } from "./parts.ts";
import type { Route } from "./router.ts";
import * as schemas from "./service-schemas.ts";
import { listOf } from "./schemas.ts";

export function serviceRoutes({ parts }: RoutesOptions): Route[] {
  const services = () => now(parts).services;
  const id = {
    in: "path" as const,
    description: "number of a frontend, as events and tables have it",
    schema: { type: "integer" },
  };
  return [
    {
      method: "GET",
      path: "/v1/service",
      summary: "the addresses and ports that this node balances, and over whom",
      responses: answered("frontends by number", listOf(schemas.serviceSchema)),
      handle: () => json(services().rows()),
    },
    {
      method: "GET",
      path: "/v1/service/warnings",
      summary: "what of services, host ports and redirects is not done as they say, and why",
      responses: answered("by service", listOf(schemas.warningSchema)),
      handle: () => json(services().warnings()),
    },
    {
      method: "GET",
      path: "/v1/service/{id}",
      summary: "one frontend",
      parameters: { id },
      responses: answered("the frontend", schemas.serviceSchema),
      handle: ({ parameters }) => {
        const number = wholeNumber(parameters["id"], "number of a frontend");
        return json(found(services().row(number), `frontend ${number}`));
      },
    },
    {
      method: "GET",
      path: "/v1/lrp",
      summary: "local redirect policies, and what they redirect on this node now",
      responses: answered("by namespace and name", listOf(schemas.redirectSchema)),
      handle: () => json(services().redirects()),
    },
  ];
}
