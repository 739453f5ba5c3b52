// Who may talk to the server. On loopback every program of the machine may, but no web page of somebody else's in the
// user's browser: its requests come with another Host (DNS rebinding), another Origin, or "cross-site". Beyond loopback
// a client needs a certificate (the TLS layer sees to that) or the token.
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export type Guard = {
  /** "http" or "https". */
  readonly scheme: string;
  /** "host:port" as browsers may write it; lower case. */
  readonly hosts: ReadonlySet<string>;
  /** What an Authorization header has to bear; undefined: none is asked for. */
  readonly token: string | undefined;
};

export type Refusal = { readonly status: 401 | 403 | 405 | 421; readonly why: string };

type Asked = {
  readonly method: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** The page itself and its scripts hold no secrets; everything else is data. */
  readonly isData: boolean;
};

/** undefined: let it through. */
export function refusal(guard: Guard, { method, headers, isData }: Asked): Refusal | undefined {
  if (method !== "GET" && (method !== "HEAD" || isData))
    return { status: 405, why: "this server is for reading: GET only" };
  const host = headers.host?.toLowerCase() ?? "";
  if (!guard.hosts.has(host))
    return { status: 421, why: `this server does not answer for the host ${JSON.stringify(host)}` };
  if (!isData) return undefined;
  const { origin } = headers;
  if (origin !== undefined && origin.toLowerCase() !== `${guard.scheme}://${host}`)
    return { status: 403, why: "asked by a page of another origin" };
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none")
    return { status: 403, why: "asked by a page of another site" };
  if (guard.token !== undefined && !bears(headers.authorization, guard.token))
    return { status: 401, why: "a token is needed" };
  return undefined;
}

/** The hosts that mean this server: its address, what loopback is called, and names that it was given. */
export function hostsOf(
  { host, port }: { readonly host: string; readonly port: number },
  names: readonly string[],
): ReadonlySet<string> {
  const isHere = isLoopback(host) || isEverywhere(host);
  const own = isHere ? ["127.0.0.1", "localhost", "[::1]"] : [bracketed(host)];
  const defaultPorts = port === 80 || port === 443;
  return new Set(
    [...own, ...names.map((name) => bracketed(name.toLowerCase()))].flatMap((name) =>
      defaultPorts ? [name, `${name}:${port}`] : [`${name}:${port}`],
    ),
  );
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Every address of the machine: what browsers call it has to be said. */
export function isEverywhere(host: string): boolean {
  return host === "" || host === "::" || host === "0.0.0.0";
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

/** Compares digests, so that time tells nothing of the token. */
function bears(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer (.+)$/.exec(authorization ?? "")?.[1] ?? "";
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
