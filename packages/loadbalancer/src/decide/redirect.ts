// What follows from a local redirect policy itself: frontends of its own, if it names an address.
import { addWarning } from "../kube/field.ts";
import { type ParsedRedirect, parseRedirect, type RedirectRule } from "../kube/redirect-policy.ts";
import {
  type BackendPool,
  type DecidedFrontend,
  type DecidedService,
  endpointText,
  type ServiceWarning,
} from "../model.ts";
import { type DecideContext, isFamilyOn, type ServiceContext } from "./context.ts";
import { redirectBackends, type RedirectQuestion } from "./redirect-backends.ts";
import { addressRefusal, portRefusal } from "./refusal.ts";

/**
 * Frontends for a policy with an addressMatcher whose pods are ready; of one with a serviceMatcher nothing but what is wrong with it:
 * the service's own decision has it. undefined: the object has no name. Never throws.
 *
 * That an address is a service's shows in the book, which gives such a policy nothing (CVE-2026-53935).
 */
export function decideRedirect(
  policy: unknown,
  context: ServiceContext,
): DecidedService | undefined {
  const parsed = parseRedirect(policy);
  if (!parsed) return undefined;
  const warnings: ServiceWarning[] = [...parsed.warnings];
  const made = frontendsFor(parsed, { ...context, warnings });
  const { namespace, name, createdMs } = parsed.head;
  return {
    key: `${namespace}/${name}:local-redirect`,
    namespace,
    name: `${name}:local-redirect`,
    createdMs,
    yields: false,
    clusterIps: [],
    frontends: made.flatMap(({ frontend }) => frontend),
    pools: made.map(({ pool }) => pool),
    healthCheck: undefined,
    externalTrafficPolicy: "Cluster",
    internalTrafficPolicy: "Cluster",
    warnings,
  };
}

type Made = { readonly frontend: DecidedFrontend; readonly pool: BackendPool };

function frontendsFor(parsed: ParsedRedirect, question: RedirectQuestion): Made[] {
  const { rule } = parsed;
  if (!rule) return [];
  if (!question.settings.localRedirectPolicy) {
    addWarning(question.warnings, {
      path: "spec",
      message: "enable-local-redirect-policy is off: not followed",
    });
    return [];
  }
  if (rule.from.kind === "service") return [];
  const { at } = rule.from;
  const refusal = refusalOf(rule, question);
  if (refusal !== undefined) {
    addWarning(question.warnings, { path: at.path, message: `${refusal}: not followed` });
    return [];
  }
  if (!isFamilyOn(question, at.address.family)) return [];
  return rule.from.ports.flatMap(
    (port) => frontendFor(parsed, rule, { ...question, ...port }) ?? [],
  );
}

/** A node's address belongs to whatever listens there; a pod's to the pod. */
function refusalOf({ from }: RedirectRule, context: DecideContext): string | undefined {
  if (from.kind !== "address") return undefined;
  const { address } = from.at;
  const { addressMatcherCidrs } = context.settings;
  if (addressMatcherCidrs && !addressMatcherCidrs.some((prefix) => prefix.contains(address)))
    return `${address} is in none of lrp-address-matcher-cidrs`;
  if (context.facts.clusterAddresses.has(`${address}`)) return `${address} is a node`;
  return (
    addressRefusal(address, context) ??
    from.ports
      .map(({ port, protocol }) => portRefusal({ address, port, protocol }, context))
      .find((refusal) => refusal !== undefined)
  );
}

type PortQuestion = RedirectQuestion & RedirectRule["backendPorts"][number];

function frontendFor(
  parsed: ParsedRedirect,
  rule: RedirectRule,
  question: PortQuestion,
): Made | undefined {
  if (rule.from.kind !== "address") return undefined;
  const { address, path } = { ...rule.from.at };
  const { port, protocol, name } = question;
  const at = { portName: name, port, protocol, family: address.family };
  const found = redirectBackends(parsed, rule, { ...question, ...at });
  if (!found) return undefined;
  const set = {
    key: found.pool.key,
    backends: found.chosen,
    affinityTimeoutS: 0,
    silent: question.settings.noBackendResponse === "drop",
    maglev: false,
  };
  const frontend: DecidedFrontend = {
    key: endpointText(address, port, protocol),
    type: "LocalRedirect",
    addressOnly: false,
    address,
    port,
    protocol,
    portName: name,
    dsr: false,
    localRedirect: true,
    sourceRanges: undefined,
    exceptions: found.exceptions,
    external: set,
    internal: set,
    pool: found.pool,
    path,
  };
  return { frontend, pool: found.pool };
}
