// Requests as proxies see them, before any rule is asked.
import type { SecretRef } from "../model.ts";

export type HttpRequest = {
  readonly method: string;
  /** As it stands in the request line, or `:path`. */
  readonly target: string;
  /** Host or `:authority`; undefined: none. */
  readonly host?: string;
  /** In order, each line by itself, without the host. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Of the connection: `host:80` is `host` on port 80. */
  readonly port?: number;
  /** Of the client's TLS handshake. */
  readonly serverName?: string;
};

export type DnsRequest = { readonly name: string };

export type SniRequest = {
  /** undefined: the handshake has none. */
  readonly serverName: string | undefined;
};

export type KafkaRequest = {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly clientId: string | undefined;
  /** undefined: requests of this API name no topics, or this one names none; "all": it is about every topic. */
  readonly topics: readonly string[] | "all" | undefined;
};

/** What is asked of a connection, of the kind that its rule set has or of another. */
export type L7Request =
  | { readonly kind: "http"; readonly request: HttpRequest }
  | { readonly kind: "dns"; readonly request: DnsRequest }
  | { readonly kind: "kafka"; readonly request: KafkaRequest }
  | { readonly kind: "sni"; readonly request: SniRequest };

/** The value in a secret; undefined: it is not there. */
export type SecretValue = (secret: SecretRef) => string | undefined;

export type L7Decision = {
  /** Whether it goes on to the server. */
  readonly allowed: boolean;
  /** It goes on only since the rule set is in audit mode. */
  readonly audit: boolean;
  /** Number of the rule that let it through, or of what denies; 0: refused before any rule was asked. */
  readonly rule: number;
};
