// An HTTP rule set as a route configuration (RDS): one route or a few for each rule, in their order, and a last one that
// denies. Envoy takes a new one over from the next request on, of connections that it has already, too.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { HeaderMatch, HttpRule, HttpRuleSet } from "@tsilium/policy/model.ts";
import {
  HeaderValueOption_HeaderAppendAction as AppendAction,
  type HeaderValueOptionSchema,
} from "../gen/envoy/config/core/v3/base_pb.ts";
import {
  type RouteConfiguration,
  RouteConfigurationSchema,
} from "../gen/envoy/config/route/v3/route_pb.ts";
import type {
  HeaderMatcherSchema,
  RouteSchema,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import type { SecretStore } from "../../model.ts";
import { headerValue } from "../../secrets/index.ts";
import { guardRoutes, having, matching } from "./guards.ts";
import { routeName } from "./names.ts";

type RouteInit = MessageInitShape<typeof RouteSchema>;
type HeaderMatcher = MessageInitShape<typeof HeaderMatcherSchema>;
type HeaderValueOption = MessageInitShape<typeof HeaderValueOptionSchema>;

export type RouteOptions = {
  readonly name: string;
  /** Where allowed requests go. */
  readonly cluster: string;
  readonly secrets: SecretStore;
};

export type BuiltRoutes = {
  readonly routes: RouteConfiguration;
  /** Whether a Secret's content is in there. */
  readonly secret: boolean;
  /** Of conditions whose Secret is not there. */
  readonly notes: readonly string[];
};

/** Each header condition with two outcomes doubles a rule's routes. */
const mostChoices = 6;

/** @throws Error a sentence: what of the rule set cannot be put into Envoy's terms */
export function routesOf(ruleSet: HttpRuleSet, options: RouteOptions): BuiltRoutes {
  const notes = new Set<string>();
  let secret = false;
  const routes: RouteInit[] = [];
  for (const { rule, match } of ruleSet.rules) {
    const plan = planOf(match, options.secrets);
    for (const note of plan.notes) notes.add(note);
    secret ||= plan.secret;
    if (plan.never) continue;
    const name = routeName({ kind: "rule", rule });
    for (const variant of variantsOf(plan)) routes.push(forward(name, options.cluster, variant));
  }
  const rule = ruleSet.denyRule;
  const last = ruleSet.audit
    ? forward(routeName({ kind: "audit", rule }), options.cluster, nothing)
    : deny(rule);
  return {
    routes: configuration(options.name, [...guardRoutes, ...routes, last]),
    secret,
    notes: [...notes],
  };
}

/** Lets nothing through. */
export function denyAll(name: string, denyRule: number): RouteConfiguration {
  return configuration(name, [deny(denyRule)]);
}

function configuration(name: string, routes: readonly RouteInit[]): RouteConfiguration {
  return create(RouteConfigurationSchema, {
    name,
    virtualHosts: [{ name: "all", domains: ["*"], routes: [...routes] }],
  });
}

/** 403; to a gRPC request Envoy answers PERMISSION_DENIED instead. */
function deny(rule: number): RouteInit {
  return {
    name: routeName({ kind: "deny", rule }),
    match: { pathSpecifier: { case: "prefix", value: "" } },
    action: {
      case: "directResponse",
      value: {
        status: 403,
        body: { specifier: { case: "inlineString", value: "Access denied\r\n" } },
      },
    },
  };
}

/** A way in which a rule can match, and what is done to the request then. */
type Variant = {
  readonly headers: readonly HeaderMatcher[];
  readonly set: readonly HeaderValueOption[];
  readonly remove: readonly string[];
};
const nothing: Variant = { headers: [], set: [], remove: [] };

function forward(name: string, cluster: string, { headers, set, remove }: Variant): RouteInit {
  return {
    name,
    match: { pathSpecifier: { case: "prefix", value: "" }, headers: [...headers] },
    action: {
      case: "route",
      // Envoy would give up on an answer after 15 s.
      value: { clusterSpecifier: { case: "cluster", value: cluster }, timeout: { seconds: 0n } },
    },
    requestHeadersToAdd: [...set],
    requestHeadersToRemove: [...remove],
  };
}

type Plan = {
  /** No request can match. */
  never: boolean;
  secret: boolean;
  readonly notes: string[];
  readonly always: HeaderMatcher[];
  readonly set: HeaderValueOption[];
  /** Conditions of which either outcome lets the rule match. */
  readonly choices: { readonly holds: HeaderMatcher; readonly otherwise: Partial<Variant> }[];
};

function planOf(match: HttpRule, secrets: SecretStore): Plan {
  const plan: Plan = { never: false, secret: false, notes: [], always: [], set: [], choices: [] };
  if (match.path !== undefined) plan.always.push(matching(":path", match.path));
  if (match.method !== undefined) plan.always.push(matching(":method", match.method));
  // Rules see hosts in lower case.
  if (match.host !== undefined) plan.always.push(matching(":authority", `(?i:${match.host})`));
  for (const header of match.headers) addHeader(plan, header, secrets);
  if (plan.choices.length > mostChoices) {
    throw new Error(
      `a rule has more than ${mostChoices} headers to ADD or DELETE on mismatch, which Envoy's routes cannot tell apart`,
    );
  }
  return plan;
}

function addHeader(plan: Plan, match: HeaderMatch, secrets: SecretStore): void {
  // Envoy keeps Host in :authority.
  const name = match.name === "host" ? ":authority" : match.name;
  const found = headerValue(match, secrets);
  if (found.kind === "none") {
    plan.notes.push(found.problem);
    plan.never ||= match.mismatch === "deny";
    return;
  }
  if (found.kind === "any") {
    // Otherwise it is not there, and there is nothing to add or delete.
    if (match.mismatch === "deny") {
      plan.always.push({ name, headerMatchSpecifier: { case: "presentMatch", value: true } });
    }
    return;
  }
  const { value } = found;
  if (match.mismatch !== "log") plan.secret ||= found.secret;
  switch (match.mismatch) {
    case "deny":
      plan.always.push(having(name, value));
      break;
    case "log":
      break;
    case "replace":
      // What has the value already is replaced by the same.
      refusePseudo(name);
      plan.set.push(setHeader(name, value, AppendAction.OVERWRITE_IF_EXISTS_OR_ADD));
      break;
    case "add": {
      refusePseudo(name);
      const set = [setHeader(name, value, AppendAction.APPEND_IF_EXISTS_OR_ADD)];
      plan.choices.push({ holds: having(name, value), otherwise: { set } });
      break;
    }
    case "delete":
      refusePseudo(name);
      plan.choices.push({ holds: having(name, value), otherwise: { remove: [name] } });
      break;
  }
}

function refusePseudo(name: string): void {
  if (name.startsWith(":"))
    throw new Error("the Host header of a request cannot be changed by Envoy");
}

function setHeader(key: string, value: string, appendAction: AppendAction): HeaderValueOption {
  // A value is a format: % begins a command.
  return {
    header: { key, value: value.replaceAll("%", "%%") },
    appendAction,
    keepEmptyValue: true,
  };
}

/** Those with more conditions that hold come first, so that the first route that matches says exactly which do. */
function variantsOf({ always, set, choices }: Plan): Variant[] {
  const subsets = Array.from({ length: 1 << choices.length }, (_, bits) => bits);
  const size = (bits: number) => bits.toString(2).replaceAll("0", "").length;
  return subsets
    .toSorted((a, b) => size(b) - size(a) || b - a)
    .map((bits) => {
      const held = choices.filter((_, index) => bits & (1 << index));
      const failed = choices.filter((_, index) => !(bits & (1 << index)));
      return {
        headers: [...always, ...held.map(({ holds }) => holds)],
        set: [...set, ...failed.flatMap(({ otherwise }) => otherwise.set ?? [])],
        remove: failed.flatMap(({ otherwise }) => otherwise.remove ?? []),
      };
    });
}
