// CiliumLocalRedirectPolicies: an address or a service's cluster IPs, and the pods of a node that serve in their place.
import { Address } from "@tsilium/net";
import type { ServiceProtocol, ServiceWarning } from "../model.ts";
import { addressProblem, type NamedAddress } from "./address.ts";
import { Field, quoted } from "./field.ts";
import { type ObjectHead, parseHead } from "./metadata.ts";
import { parseProtocol } from "./protocol.ts";
import { type LabelMatcher, parseSelector } from "./selector.ts";

export type RedirectPort = {
  /** Lower case; "": it has none. */
  readonly name: string;
  readonly port: number;
  readonly protocol: ServiceProtocol;
};

export type RedirectFrom =
  | { readonly kind: "address"; readonly at: NamedAddress; readonly ports: readonly RedirectPort[] }
  /** `service`: "ns/name". No ports: all of them. */
  | {
      readonly kind: "service";
      readonly service: string;
      readonly ports: readonly RedirectPort[];
    };

export type RedirectRule = {
  readonly from: RedirectFrom;
  readonly selects: LabelMatcher;
  readonly backendPorts: readonly RedirectPort[];
  readonly skipsBackends: boolean;
};

export type ParsedRedirect = {
  readonly head: ObjectHead;
  /** undefined: the policy is not one that can be followed, and `warnings` say why. */
  readonly rule: RedirectRule | undefined;
  readonly warnings: readonly ServiceWarning[];
};

const parsed = new WeakMap<object, ParsedRedirect>();

/** undefined of what has no name. Parsed once per object. */
export function parseRedirect(policy: unknown): ParsedRedirect | undefined {
  if (typeof policy !== "object" || policy === null) return undefined;
  const known = parsed.get(policy);
  if (known) return known;
  const warnings: ServiceWarning[] = [];
  const head = parseHead(policy, warnings);
  if (!head) return undefined;
  const rule = parseRule(head, new Field(policy, warnings).at("spec"));
  const found = { head, rule, warnings };
  parsed.set(policy, found);
  return found;
}

/** The service that a policy is about, as "ns/name"; undefined: none. */
export function redirectedService(policy: unknown): string | undefined {
  const from = parseRedirect(policy)?.rule?.from;
  return from?.kind === "service" ? from.service : undefined;
}

/** What is not understood makes the whole of it void: half a redirect sends clients astray. */
function parseRule(head: ObjectHead, spec: Field): RedirectRule | undefined {
  const from = parseFrom(head, spec.at("redirectFrontend"));
  const backend = spec.at("redirectBackend");
  const selector = backend.at("localEndpointSelector");
  const selects = parseSelector(selector.value);
  if (!selects) selector.warn("must be a label selector");
  const backendPorts = parsePorts(backend.at("toPorts"));
  if (backendPorts?.length === 0) backend.at("toPorts").warn("required");
  if (!from || !selects || !backendPorts?.length) return undefined;
  if (!portsFit(from.ports, backendPorts, backend.at("toPorts"))) return undefined;
  const skipsBackends = spec.at("skipRedirectFromBackend").boolean() ?? false;
  return { from, selects, backendPorts, skipsBackends };
}

function parseFrom(head: ObjectHead, frontend: Field): RedirectFrom | undefined {
  const address = frontend.at("addressMatcher");
  const service = frontend.at("serviceMatcher");
  if (address.isGiven === service.isGiven) {
    frontend.warn("must have one of addressMatcher and serviceMatcher");
    return undefined;
  }
  return address.isGiven ? parseAddressMatcher(address) : parseServiceMatcher(head, service);
}

/** Link-local addresses are what it is for the most: cloud's metadata, node-local DNS. */
function parseAddressMatcher(matcher: Field): RedirectFrom | undefined {
  const ip = matcher.at("ip");
  const text = ip.text() ?? "";
  const address = Address.tryParse(text);
  const problem = address
    ? address.isLinkLocal
      ? undefined
      : addressProblem(address)
    : `${quoted(text)} is not an IP address`;
  if (problem !== undefined) ip.warn(problem);
  const ports = parsePorts(matcher.at("toPorts"));
  if (ports?.length === 0) matcher.at("toPorts").warn("required");
  if (!address || problem !== undefined || !ports?.length) return undefined;
  return { kind: "address", at: { address, path: ip.path }, ports };
}

/** Of its own namespace alone: a policy must not reach into others'. */
function parseServiceMatcher(head: ObjectHead, matcher: Field): RedirectFrom | undefined {
  const name = matcher.at("serviceName").text();
  if (!name) {
    matcher.at("serviceName").warn("required");
    return undefined;
  }
  const namespace = matcher.at("namespace").text() ?? head.namespace;
  if (namespace !== head.namespace) {
    matcher.at("namespace").warn(`must be the policy's own, ${head.namespace}`);
    return undefined;
  }
  const ports = parsePorts(matcher.at("toPorts"));
  return ports && { kind: "service", service: `${namespace}/${name}`, ports };
}

/** undefined: one of them is no port. Several must be told apart by name. */
function parsePorts(list: Field): RedirectPort[] | undefined {
  const items = list.items();
  const ports = items.flatMap((item): RedirectPort[] => {
    const { value } = item.at("port");
    const number = typeof value === "string" && /^[0-9]{1,5}$/.test(value) ? Number(value) : 0;
    const protocol = parseProtocol(item.at("protocol").value);
    const name = (item.at("name").text() ?? "").toLowerCase();
    if (number < 1 || number > 65535) item.at("port").warn("must be a port from 1 to 65535");
    else if (protocol === undefined) item.at("protocol").warn("must be TCP or UDP");
    else if (name === "" && items.length > 1) item.at("name").warn("required where ports are many");
    else return [{ name, port: number, protocol }];
    return [];
  });
  return ports.length === items.length ? ports : undefined;
}

function portsFit(
  from: readonly RedirectPort[],
  backend: readonly RedirectPort[],
  field: Field,
): boolean {
  const [first] = from;
  if (from.length !== 1 || !first) return true;
  const fits = backend.some(({ protocol }) => protocol === first.protocol);
  if (!fits) field.warn("must have the frontend's protocol");
  return fits;
}
