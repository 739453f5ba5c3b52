// Everything the agent's socket answers: one row per route. The OpenAPI document is made from these rows.
import type { IpcacheRow } from "@tsilium/ipcache/model.ts";
import { Address } from "@tsilium/net";
import { ApiError } from "./error.ts";
import { fqdnRoutes } from "./fqdn-routes.ts";
import { healthRoutes } from "./health-routes.ts";
import { openApiDocument } from "./openapi.ts";
import { answered, found, json, now, type RoutesOptions, wholeNumber } from "./parts.ts";
import { policyRoutes } from "./policy-routes.ts";
import { proxyRoutes } from "./proxy-routes.ts";
import type { Route } from "./router.ts";
import * as schemas from "./schemas.ts";
import { serviceRoutes } from "./service-routes.ts";
import { streamRoutes } from "./stream-routes.ts";
import { endpointView, explainedClaimView, identityView, ipView, nodeView } from "./views.ts";

export function agentRoutes(options: RoutesOptions): Route[] {
  const routes = [
    ...selfRoutes(options),
    ...endpointRoutes(options),
    ...addressRoutes(options),
    ...policyRoutes(options),
    ...fqdnRoutes(options),
    ...healthRoutes(options),
    ...proxyRoutes(options),
    ...serviceRoutes(options),
    ...streamRoutes(options),
  ];
  const document: Route = {
    method: "GET",
    path: "/v1/openapi.json",
    summary: "this document",
    responses: { 200: { description: "OpenAPI 3.1", schema: { type: "object" } } },
    handle: () => ({ status: 200, json: openApiDocument([...routes, document], options.version) }),
  };
  return [...routes, document];
}

function selfRoutes({ health, config, metrics }: RoutesOptions): Route[] {
  return [
    {
      method: "GET",
      path: "/v1/healthz",
      summary: "the health of every part of the agent",
      responses: answered("state of each part, versions, node", schemas.healthSchema),
      handle: () => json(health()),
    },
    {
      method: "GET",
      path: "/v1/config",
      summary: "the configuration in force and where each value comes from",
      responses: answered("by key", schemas.configSchema),
      handle: () => json(config),
    },
    {
      method: "GET",
      path: "/v1/metrics",
      summary: "metrics as JSON; Prometheus reads them from prometheus-serve-addr",
      responses: answered(
        "a list of metrics with their values",
        schemas.listOf({ type: "object" }),
      ),
      handle: async () => json(await metrics.registry.getMetricsAsJSON()),
    },
  ];
}

function endpointRoutes({ parts }: RoutesOptions): Route[] {
  const endpointId = {
    id: { in: "path" as const, description: "endpoint ID", schema: { type: "integer" } },
  };
  const identityId = {
    id: { in: "path" as const, description: "identity", schema: { type: "integer" } },
  };
  return [
    {
      method: "GET",
      path: "/v1/endpoint",
      summary: "the endpoints of this node",
      responses: answered("endpoints by ID", schemas.listOf(schemas.endpointSchema)),
      handle: () => json(sortedById(now(parts).endpoints.values()).map(endpointView)),
    },
    {
      method: "GET",
      path: "/v1/endpoint/{id}",
      summary: "one endpoint",
      parameters: endpointId,
      responses: answered("the endpoint", schemas.endpointSchema),
      handle: ({ parameters }) => {
        const id = wholeNumber(parameters["id"], "endpoint ID");
        return json(endpointView(found(now(parts).endpoints.get(String(id)), `endpoint ${id}`)));
      },
    },
    {
      method: "PATCH",
      path: "/v1/endpoint/{id}/config",
      summary: "sets or ends audit mode for one endpoint, until the agent starts again",
      parameters: endpointId,
      request: {
        contentType: "application/json",
        description: "null: as the pod's and its namespace's annotations say",
        schema: schemas.endpointConfigSchema,
      },
      responses: answered("the endpoint as it is now", schemas.endpointSchema),
      handle: ({ parameters, body }) => {
        const id = wholeNumber(parameters["id"], "endpoint ID");
        const { endpoints, policy } = now(parts);
        found(endpoints.get(String(id)), `endpoint ${id}`);
        policy.setAudit(id, auditSetting(body));
        return json(endpointView(found(endpoints.get(String(id)), `endpoint ${id}`)));
      },
    },
    {
      method: "GET",
      path: "/v1/identity",
      summary: "the identities this node knows",
      responses: answered("identities by number", schemas.listOf(schemas.identitySchema)),
      handle: () => json(sortedById(now(parts).identities.table.values()).map(identityView)),
    },
    {
      method: "GET",
      path: "/v1/identity/{id}",
      summary: "one identity",
      parameters: identityId,
      responses: answered("the identity", schemas.identitySchema),
      handle: ({ parameters }) => {
        const id = wholeNumber(parameters["id"], "identity");
        return json(identityView(found(now(parts).identities.lookup(id), `identity ${id}`)));
      },
    },
  ];
}

function addressRoutes({ parts }: RoutesOptions): Route[] {
  const address = {
    in: "path" as const,
    description: "IPv4 or IPv6 address",
    schema: { type: "string" },
  };
  return [
    {
      method: "GET",
      path: "/v1/ip",
      summary: "which identity each address has",
      responses: answered("the winning claim per prefix", schemas.listOf(schemas.ipSchema)),
      handle: () => json([...now(parts).ipcache.table.values()].toSorted(byPrefix).map(ipView)),
    },
    {
      method: "GET",
      path: "/v1/ip/{address}",
      summary: "every claim on an address, the winner first",
      parameters: { address },
      responses: answered("claims", schemas.listOf(schemas.claimSchema)),
      handle: ({ parameters }) => {
        const wanted = Address.tryParse(parameters["address"] ?? "");
        if (!wanted)
          throw new ApiError(400, "bad_request", `"${parameters["address"]}" is no address`);
        return json(now(parts).ipcache.explain(wanted).map(explainedClaimView));
      },
    },
    {
      method: "GET",
      path: "/v1/node",
      summary: "the nodes of the cluster",
      responses: answered("nodes by name", schemas.listOf(schemas.nodeSchema)),
      handle: () => {
        const nodes = [...now(parts).nodes.values()];
        return json(nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(nodeView));
      },
    },
    {
      method: "GET",
      path: "/v1/ipam",
      summary: "the node's pod CIDRs and the addresses handed out",
      responses: answered("allocations", schemas.ipamSchema),
      handle: () => {
        const { ipam } = now(parts);
        return json({
          mode: ipam.mode,
          podCIDRs: ipam.podCidrs.map(String),
          pools: ipam.usage().map(({ pool, family, used, available }) => ({
            pool,
            family: `ipv${family}`,
            used,
            // Of IPv6 there may be more than a number holds exactly.
            available: Number(available),
          })),
          allocations: ipam
            .dump()
            .toSorted((a, b) => a.address.compare(b.address))
            .map(({ address: taken, owner, pool, expiresAtMs }) => ({
              address: taken.toString(),
              owner,
              pool,
              ...(expiresAtMs === undefined
                ? {}
                : { expiresAt: new Date(expiresAtMs).toISOString() }),
            })),
        });
      },
    },
  ];
}

/** undefined: no setting of its own. @throws ApiError 400 */
function auditSetting(body: Uint8Array): boolean | undefined {
  const setting = parsedBody(body)["PolicyAuditMode"];
  if (typeof setting === "boolean") return setting;
  if (setting === null) return undefined;
  throw new ApiError(400, "bad_request", 'wanted {"PolicyAuditMode": true, false or null}');
}

function parsedBody(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(Buffer.from(body).toString()));
  } catch {
    throw new ApiError(400, "bad_request", "the body is no JSON");
  }
}

function sortedById<T extends { readonly id: number }>(rows: Iterable<T>): T[] {
  return [...rows].toSorted((a, b) => a.id - b.id);
}

function byPrefix(a: IpcacheRow, b: IpcacheRow): number {
  const families = a.prefix.family - b.prefix.family;
  return (
    families || a.prefix.address.compare(b.prefix.address) || a.prefix.length - b.prefix.length
  );
}
