// What the agent's REST API answers. Rows are the agent's own views; the rest follows its OpenAPI document
// (GET /v1/openapi.json).
export type {
  EndpointView,
  ExplainedClaimView,
  IdentityView,
  IpView,
  NodeView,
} from "../../agent/src/rest/views.ts";
export type {
  PolicyObjectView,
  RuleNumberView,
  SelectorView,
} from "../../agent/src/rest/policy-views.ts";
export type {
  RedirectRow as RedirectView,
  WarningRow as ServiceWarningView,
} from "../../agent/src/services/views.ts";
export type { AddressesView, HealthStatusView, NodeHealthView, PathView } from "@tsilium/health";
export type { ProxiesView, ProxyView } from "../../agent/src/rest/proxy-views.ts";
export type { ServiceRow as ServiceView } from "@tsilium/loadbalancer/model.ts";
export type { DnsLookupView, NameManagerView } from "../../agent/src/fqdn/views.ts";
export type { PolicyState } from "../../agent/src/policy/state.ts";
export type { eventView, translationView } from "../../agent/src/rest/monitor.ts";

export type PartHealth = {
  readonly name: string;
  readonly state: string;
  readonly message: string;
};

export type HealthView = {
  readonly state: string;
  readonly version: string;
  readonly node: {
    readonly name: string;
    readonly ipv4?: string;
    readonly ipv6?: string;
    readonly kernel: string;
    readonly uptimeSeconds: number;
  };
  readonly parts: readonly PartHealth[];
};

/** Body of /v1/health/self. */
export type HealthSelfView = {
  readonly agent: string;
  /** Seconds. */
  readonly uptime: number;
  readonly load: {
    readonly last1min: number;
    readonly last5min: number;
    readonly last15min: number;
  };
  readonly clusterHealth: string;
};

export type ConfigView = Readonly<
  Record<
    string,
    {
      readonly value: unknown;
      readonly source: string;
      readonly kind: string;
      readonly help: string;
    }
  >
>;

export type IpamView = {
  readonly mode: string;
  readonly podCIDRs: readonly string[];
  readonly pools: readonly {
    readonly pool: string;
    readonly family: string;
    readonly used: number;
    readonly available: number;
  }[];
  readonly allocations: readonly {
    readonly address: string;
    readonly owner: string;
    readonly pool: string;
    readonly expiresAt?: string;
  }[];
};
