// What the routes are made of: the parts of the agent that they ask, and how they answer.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Identity } from "@tsilium/identity/model.ts";
import type { Ipam } from "@tsilium/ipam/model.ts";
import type { ExplainedClaim, IpcacheRow } from "@tsilium/ipcache/model.ts";
import type { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import type { Table } from "@tsilium/tables";
import type { Barrier } from "../barrier.ts";
import type { CniService } from "../cni/service.ts";
import type { FqdnViews } from "../fqdn/views.ts";
import type { Late } from "../late.ts";
import type { Metrics } from "../metrics.ts";
import type { HealthViews } from "../health-endpoint/start.ts";
import type { PolicyClient } from "../policy/client.ts";
import type { Whereabouts } from "../policy/ends.ts";
import type { PolicyState } from "../policy/state.ts";
import type { NodeProxies } from "../proxy/start.ts";
import type { ServiceViews } from "../services/views.ts";
import { ApiError } from "./error.ts";
import type { Monitor } from "./monitor.ts";
import type { Answer, Route, Schema } from "./router.ts";

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
  readonly ipam: Pick<Ipam, "mode" | "podCidrs" | "dump" | "usage">;
  /** This node's underlay addresses. */
  readonly addresses: { readonly ipv4: Address | undefined; readonly ipv6: Address | undefined };
  readonly monitor: Monitor;
  readonly policy: {
    readonly client: Pick<PolicyClient, "ask" | "status">;
    readonly whereabouts: Whereabouts;
    state(): PolicyState;
    /** Audit mode of one endpoint; undefined: as annotations say. */
    setAudit(endpointId: number, audit: boolean | undefined): void;
  };
  readonly services: Pick<ServiceViews, "rows" | "row" | "warnings" | "redirects">;
  readonly fqdn: FqdnViews;
  readonly proxies: Pick<NodeProxies, "view">;
  readonly checks: HealthViews;
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

/** The late parts. @throws ApiError 503 as long as the agent starts. */
export function now(parts: Late<NodeParts>): NodeParts {
  if (parts.current) return parts.current;
  throw new ApiError(503, "starting", `the agent is starting: ${parts.waitingFor}`);
}

export function found<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value;
  throw new ApiError(404, "not_found", `there is no ${what}`);
}

export function wholeNumber(text: string | undefined, what: string): number {
  if (text !== undefined && /^[0-9]{1,10}$/.test(text)) return Number(text);
  throw new ApiError(400, "bad_request", `"${text}" is no ${what}`);
}

export function json(value: unknown): Answer {
  return { status: 200, json: value };
}

export function answered(description: string, schema: Schema): Route["responses"] {
  return { 200: { description, schema } };
}
