// Local redirect policies over a service: its cluster IPs go to pods of the node, as long as there are any.
import { addWarning } from "../kube/field.ts";
import { type ParsedRedirect, parseRedirect } from "../kube/redirect-policy.ts";
import type { ParsedService } from "../kube/service.ts";
import type { BackendPool, DecidedFrontend, DecidedSet } from "../model.ts";
import {
  type RedirectBackends,
  redirectBackends,
  type RedirectQuestion,
} from "./redirect-backends.ts";

export type RedirectedService = {
  readonly frontends: readonly DecidedFrontend[];
  /** Of the redirects alone: the service's own backends are still those of flows that have them. */
  readonly pools: readonly BackendPool[];
};

/** The oldest policy that has backends for a frontend gets it. */
export function redirectService(
  frontends: readonly DecidedFrontend[],
  service: ParsedService,
  question: RedirectQuestion,
): RedirectedService {
  const policies = policiesFor(service, question);
  if (policies.length === 0) return { frontends, pools: [] };
  const made = new Map<string, RedirectedParts>();
  const redirected = frontends.map((frontend) => {
    if (frontend.type !== "ClusterIP" || frontend.protocol === 0) return frontend;
    const key = `${frontend.port}/${frontend.protocol}/${frontend.address.family}`;
    const parts = made.get(key) ?? partsFor(frontend, policies, { ...question, service });
    if (!parts) return frontend;
    made.set(key, parts);
    return redirect(frontend, parts);
  });
  return { frontends: redirected, pools: [...made.values()].map(({ found }) => found.pool) };
}

function policiesFor(
  { head }: ParsedService,
  { settings, redirects = [] }: RedirectQuestion,
): ParsedRedirect[] {
  if (!settings.localRedirectPolicy) return [];
  const service = `${head.namespace}/${head.name}`;
  return redirects
    .flatMap((policy) => parseRedirect(policy) ?? [])
    .filter(({ rule }) => rule?.from.kind === "service" && rule.from.service === service)
    .toSorted(
      (a, b) => a.head.createdMs - b.head.createdMs || (a.head.name < b.head.name ? -1 : 1),
    );
}

type RedirectedParts = { readonly found: RedirectBackends; readonly set: DecidedSet };
type PartsOptions = RedirectQuestion & { readonly service: ParsedService };

function partsFor(
  frontend: DecidedFrontend,
  policies: readonly ParsedRedirect[],
  options: PartsOptions,
): RedirectedParts | undefined {
  const { portName, port, protocol, address } = frontend;
  if (protocol === 0) return undefined;
  const at = { portName, port, protocol, family: address.family };
  const able = policies.flatMap((policy) => {
    const { rule } = policy;
    const isNamed = rule?.from.ports.some(
      (each) => each.port === port && each.protocol === protocol,
    );
    if (!rule || (rule.from.ports.length > 0 && !isNamed)) return [];
    const found = redirectBackends(policy, rule, { ...options, ...at });
    return found ? { policy, found } : [];
  });
  const [winner, ...others] = able;
  for (const { policy } of others)
    addWarning(options.warnings, {
      path: `CiliumLocalRedirectPolicy ${policy.head.name}`,
      message: `port ${port} is redirected by the older ${winner?.policy.head.name}: not followed`,
    });
  return winner && { found: winner.found, set: setOf(winner.found, options) };
}

function setOf(
  { pool, chosen }: RedirectBackends,
  { service, settings }: PartsOptions,
): DecidedSet {
  return {
    key: pool.key,
    backends: chosen,
    affinityTimeoutS: service.affinityTimeoutS,
    silent: settings.noBackendResponse === "drop",
    maglev: false,
  };
}

function redirect(frontend: DecidedFrontend, { found, set }: RedirectedParts): DecidedFrontend {
  return {
    ...frontend,
    localRedirect: true,
    exceptions: found.exceptions,
    external: set,
    internal: set,
    pool: found.pool,
  };
}
