// Settings of the DNS proxy, as its starter writes them down: JSON, as an argument or in a file.

export type DnsProxyLimits = {
  /** Queries that wait for a server's answer: of all clients, and of one address. */
  readonly maxPending: number;
  readonly maxPendingPerClient: number;
  /** Queries of one address that are looked at, while others ask as well: over UDP, and as many over TCP. */
  readonly maxQueriesPerSecondPerClient: number;
  /** Sockets to servers for queries over UDP. */
  readonly maxUpstreamSockets: number;
  /** Connections of clients over TCP: all, and of one address. */
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  /** A query without an answer is forgotten after that long. */
  readonly queryTimeoutMs: number;
  /** A connection on which nothing happens is closed after that long. */
  readonly idleTimeoutMs: number;
  /** What is kept for the agent while it is away. */
  readonly maxQueuedNames: number;
  readonly maxQueuedRecords: number;
};

export const defaultLimits: DnsProxyLimits = {
  maxPending: 16_384,
  maxPendingPerClient: 2_048,
  maxQueriesPerSecondPerClient: 10_000,
  maxUpstreamSockets: 4_096,
  maxConnections: 2_048,
  maxConnectionsPerClient: 128,
  queryTimeoutMs: 10_000,
  idleTimeoutMs: 30_000,
  maxQueuedNames: 16_384,
  maxQueuedRecords: 16_384,
};

export type DnsProxyConfig = {
  readonly controlSocket: string;
  readonly stateFolder: string;
  /** Whom the proxy becomes; undefined: stays who it is. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** What the asker of a denied name hears: REFUSED or NXDOMAIN. */
  readonly rejectCode: "refused" | "nameError";
  /** For so long an answer is held for the agent at most; 0: never. */
  readonly maxResponseDelayMs: number;
  readonly limits: DnsProxyLimits;
};

/** code: "config_invalid". */
export class DnsProxyConfigError extends Error {
  override readonly name = "DnsProxyConfigError";
  readonly code = "config_invalid";
}

/** Reads the JSON text; what is left out has its default, unknown keys are refused. @throws DnsProxyConfigError */
export function parseDnsProxyConfig(text: string): DnsProxyConfig {
  const fields = objectOf(parseJson(text), "the configuration");
  const known = [
    "controlSocket",
    "stateFolder",
    "user",
    "rejectCode",
    "maxResponseDelayMs",
    "limits",
  ];
  refuseUnknown(fields, known, "");
  const rejectCode = fields["rejectCode"] ?? "refused";
  if (rejectCode !== "refused" && rejectCode !== "nameError")
    throw new DnsProxyConfigError('rejectCode is neither "refused" nor "nameError"');
  return {
    controlSocket: pathOf(fields["controlSocket"], "controlSocket"),
    stateFolder: pathOf(fields["stateFolder"], "stateFolder"),
    user: fields["user"] === undefined ? undefined : userOf(fields["user"]),
    rejectCode,
    maxResponseDelayMs: numberOf(fields["maxResponseDelayMs"] ?? 100, "maxResponseDelayMs", 0),
    limits: limitsOf(fields["limits"] ?? {}),
  };
}

function limitsOf(value: unknown): DnsProxyLimits {
  const fields = objectOf(value, "limits");
  refuseUnknown(fields, Object.keys(defaultLimits), "limits.");
  const limits = Object.entries(defaultLimits).map(([key, fallback]) => [
    key,
    numberOf(fields[key] ?? fallback, `limits.${key}`, 1),
  ]);
  return Object.fromEntries(limits) as DnsProxyLimits;
}

function userOf(value: unknown): { uid: number; gid: number } {
  const fields = objectOf(value, "user");
  return {
    uid: numberOf(fields["uid"], "user.uid", 1),
    gid: numberOf(fields["gid"], "user.gid", 1),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DnsProxyConfigError("the configuration is not JSON", { cause });
  }
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new DnsProxyConfigError(`${what} is not an object`);
  return value as Readonly<Record<string, unknown>>;
}

function refuseUnknown(fields: object, known: readonly string[], prefix: string): void {
  const unknown = Object.keys(fields).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new DnsProxyConfigError(`unknown key ${prefix}${unknown}`);
}

function pathOf(value: unknown, key: string): string {
  if (typeof value !== "string" || !value.startsWith("/"))
    throw new DnsProxyConfigError(`${key} is not an absolute path`);
  return value;
}

function numberOf(value: unknown, key: string, least: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > 2 ** 31 - 1)
    throw new DnsProxyConfigError(`${key} is not a whole number from ${least} on`);
  return value as number;
}
