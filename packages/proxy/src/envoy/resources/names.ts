// Names of resources, of what is in them, and what names say when they come back in errors and access logs.
import type { RuleSetKind, TlsContext } from "@tsilium/policy/model.ts";
import type { TlsUse } from "../../secrets/index.ts";

/** Of the bootstrap: the agent's socket. */
export const agentCluster = "tsilium-agent";
/** To whom the client wanted to connect. */
export const originalCluster = "original-destination";

/** Of a listener, its route configuration and its access log: "http/10001". */
export function listenerName(kind: RuleSetKind, port: number): string {
  return `${kind}/${port}`;
}

/** Port of a listener's name; undefined for any other name. */
export function portOf(name: string): number | undefined {
  const found = /^(?:http|sni)\/(\d{1,5})$/.exec(name);
  return found ? Number(found[1]) : undefined;
}

/** Contexts that take the same from the same Secret share a name. */
export function tlsName(use: TlsUse, context: TlsContext): string {
  const { secret, trustedCa = "", certificate = "", privateKey = "" } = context;
  const keys = [trustedCa, certificate, privateKey].map(encodeURIComponent).join(",");
  return `${use}/${secret.namespace}/${secret.name}/${keys}`;
}

/** Names of a TLS context's two secrets (SDS), and of the cluster that connects with it. */
export const certificateName = (tls: string): string => `certificate/${tls}`;
export const authorityName = (tls: string): string => `authority/${tls}`;
export const tlsClusterName = (tls: string): string => `tls/${tls}`;

/** What decided about a request, as the route's name: Envoy tells it with the request. */
export type RouteName =
  | { readonly kind: "rule"; readonly rule: number }
  | { readonly kind: "deny"; readonly rule: number }
  | { readonly kind: "audit"; readonly rule: number }
  /** Refused whatever the rules say: no well-formed request. */
  | { readonly kind: "malformed" };

export function routeName(name: RouteName): string {
  return name.kind === "malformed" ? name.kind : `${name.kind}/${name.rule}`;
}

export function readRouteName(text: string): RouteName | undefined {
  if (text === "malformed") return { kind: "malformed" };
  const found = /^(rule|deny|audit)\/(\d{1,10})$/.exec(text);
  if (!found) return undefined;
  return { kind: found[1] as "rule" | "deny" | "audit", rule: Number(found[2]) };
}
