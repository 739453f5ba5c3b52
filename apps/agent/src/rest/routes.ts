// Everything the agent's socket answers: one row per route. The OpenAPI document is made from these rows.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Identity } from "@tsilium/identity/model.ts";
import type { Allocation } from "@tsilium/ipam/model.ts";
import type { ExplainedClaim, IpcacheRow } from "@tsilium/ipcache/model.ts";
import { Address, type Prefix } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import type { Table } from "@tsilium/tables";
import type { Barrier } from "../barrier.ts";
import type { CniService } from "../cni/service.ts";
import type { Late } from "../late.ts";
import type { Metrics } from "../metrics.ts";
import { ApiError } from "./error.ts";
import type { Monitor } from "./monitor.ts";
import { openApiDocument } from "./openapi.ts";
import type { Answer, Route, Schema } from "./router.ts";
import * as schemas from "./schemas.ts";
import { endpointView, explainedClaimView, identityView, ipView, nodeView } from "./views.ts";

/** What routes read that exists only once the node is known. */
export type NodeParts = {
  readonly endpoints: Table<Endpoint>;
  readonly identities: {
    readonly table: Table<Identity>;
    lookup(id: number): Identity | undefined;
  };
  readonly ipcache: {
    readonly table: Table<IpcacheRow>;
    /** Every claim on the address, the winner first. */
    explain(address: Address): readonly ExplainedClaim[];
  };
  readonly nodes: Table<Node>;
  readonly ipam: { readonly podCidrs: readonly Prefix[]; dump(): readonly Allocation[] };
  /** This node's underlay addresses. */
  readonly addresses: { readonly ipv4: Address | undefined; readonly ipv6: Address | undefined };
  readonly monitor: Monitor;
  readonly barrier: Barrier;
};

export type RoutesOptions = {
  readonly version: string;
  /** Body of /v1/healthz. */
  readonly health: () => object;
  /** Body of /v1/config. */
  readonly config: object;
  readonly cni: CniService;
  readonly metrics: Metrics;
  readonly parts: Late<NodeParts>;
};

const barrierPatienceMs = 30_000;

export function agentRoutes(options: RoutesOptions): Route[] {
  const routes = [
    ...selfRoutes(options),
    ...endpointRoutes(options),
    ...addressRoutes(options),
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
          podCIDRs: ipam.podCidrs.map(String),
          allocations: ipam
            .dump()
            .toSorted((a, b) => a.address.compare(b.address))
            .map(({ address: taken, owner, expiresAtMs }) => ({
              address: taken.toString(),
              owner,
              ...(expiresAtMs === undefined
                ? {}
                : { expiresAt: new Date(expiresAtMs).toISOString() }),
            })),
        });
      },
    },
  ];
}

function streamRoutes({ parts, cni }: RoutesOptions): Route[] {
  const trace = {
    in: "query" as const,
    description: "traces too, not only drops",
    schema: { type: "boolean" },
  };
  const resourceVersion = {
    in: "query" as const,
    required: true,
    description: "resource version that the API server gave out",
    schema: { type: "string" },
  };
  return [
    {
      method: "POST",
      path: "/v1/cni",
      summary: "a CNI command, as the plugin hands it on",
      request: {
        contentType: "application/x-tsilium-cni",
        description:
          "CNI_* variables as NAME=value, each ended by NUL, an empty one, then the plugin's stdin",
      },
      responses: {
        200: {
          description: "what the plugin prints; its exit status in X-CNI-Exit",
          contentType: "application/json",
        },
      },
      handle: ({ body, signal }) => cni.answer(body, signal),
    },
    {
      method: "GET",
      path: "/v1/monitor",
      summary: "drops and traces as they happen",
      parameters: { trace },
      responses: {
        200: { description: "one JSON object per line", contentType: "application/x-ndjson" },
      },
      handle: ({ parameters, signal }) => {
        const lines = now(parts).monitor.lines({ trace: parameters["trace"] === "true", signal });
        return { status: 200, lines };
      },
    },
    {
      method: "GET",
      path: "/v1/barrier",
      summary: "waits until everything up to a resource version is in the kernel",
      parameters: { resourceVersion },
      responses: {
        204: { description: "it is" },
        504: { description: "not within 30 seconds; what lags", schema: schemas.lagSchema },
      },
      handle: ({ parameters, signal }) =>
        waitForBarrier(parts, parameters["resourceVersion"] ?? "", signal),
    },
  ];
}

async function waitForBarrier(
  parts: Late<NodeParts>,
  version: string,
  gone: AbortSignal,
): Promise<Answer> {
  if (!/^[0-9]{1,20}$/.test(version)) {
    throw new ApiError(400, "bad_request", `"${version}" is no resource version`);
  }
  const patience = AbortSignal.timeout(barrierPatienceMs);
  const lags = await now(parts).barrier.pass(BigInt(version), AbortSignal.any([gone, patience]));
  if (lags.length === 0) return { status: 204 };
  const names = lags.map(({ name }) => name).join(", ");
  return { status: 504, json: { message: `not settled: ${names}`, lags } };
}

/** The late parts. @throws ApiError 503 as long as the agent starts. */
function now(parts: Late<NodeParts>): NodeParts {
  if (parts.current) return parts.current;
  throw new ApiError(503, "starting", `the agent is starting: ${parts.waitingFor}`);
}

function found<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value;
  throw new ApiError(404, "not_found", `there is no ${what}`);
}

function wholeNumber(text: string | undefined, what: string): number {
  if (text !== undefined && /^[0-9]{1,10}$/.test(text)) return Number(text);
  throw new ApiError(400, "bad_request", `"${text}" is no ${what}`);
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

function json(value: unknown): Answer {
  return { status: 200, json: value };
}

function answered(description: string, schema: Schema): Route["responses"] {
  return { 200: { description, schema } };
}
