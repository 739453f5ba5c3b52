// The one form of a request's target that rules are asked about and servers get: docs/policy-l7.md, "How a request is
// read". What one server reads as this and another as that is refused.

export type Target =
  | {
      readonly ok: true;
      /** Path and query; "*" of OPTIONS. */
      readonly text: string;
      /** Of an absolute target, in lower case; with its port. */
      readonly authority: string | undefined;
    }
  | { readonly ok: false; readonly reason: string };

/** Normalises the target of a request. Pure; what it answers is its own normal form. */
export function normalizeTarget(target: string, method = "GET"): Target {
  if (!/^[\x21-\x7e]+$/.test(target)) return refused("has a character other than printable ASCII");
  if (target.includes("#")) return refused("has a fragment");
  if (method === "CONNECT") return refused("asks for a tunnel");
  if (target === "*")
    return method === "OPTIONS" ? { ok: true, text: "*", authority: undefined } : refused("is *");
  const absolute = /^https?:\/\/([^/?]*)/i.exec(target);
  const authority = absolute?.[1]?.toLowerCase();
  if (authority !== undefined && normalizeHost(authority) === undefined)
    return refused("has an authority that is no host");
  const rest = absolute ? target.slice(absolute[0].length) : target;
  const rooted = absolute && !rest.startsWith("/") ? `/${rest}` : rest;
  if (!rooted.startsWith("/")) return refused("is neither a path nor a URL");
  if (/%(?![0-9A-Fa-f]{2})/.test(rooted)) return refused("has a % without two hexadecimal digits");
  const decoded = decodeUnreserved(rooted);
  const end = decoded.indexOf("?");
  const path = end < 0 ? decoded : decoded.slice(0, end);
  const reason = ambiguity(path);
  if (reason !== undefined) return refused(reason);
  const query = end < 0 ? "" : decoded.slice(end);
  return { ok: true, text: `${withoutDots(path)}${query}`, authority };
}

/**
 * The host in lower case, without `:port` where that is the connection's. @returns undefined for what is no host
 * @param port of the connection; undefined: not known
 */
export function normalizeHost(host: string, port?: number): string | undefined {
  const parts = /^([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?$/.exec(host);
  if (!parts) return undefined;
  const [, name = "", given] = parts;
  const isOwn = given !== undefined && Number(given) === port;
  return (given === undefined || isOwn ? name : `${name}:${given}`).toLowerCase();
}

/** Once: what this decodes is not looked at again. */
function decodeUnreserved(text: string): string {
  return text.replace(/%[0-9A-Fa-f]{2}/g, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : triplet.toUpperCase();
  });
}

const ambiguities: readonly (readonly [RegExp, string])[] = [
  [/\\|%5C/, "has a backslash in its path"],
  [/%2F/, "has an encoded slash in its path"],
  [/%[01][0-9A-F]|%7F/, "has an encoded control character in its path"],
  [/%25[0-9A-Fa-f]{2}/, "has a path that is encoded twice"],
  [/%C[01]|%F[5-9A-F]|%E0%[89]|%F0%8/, "has bytes in its path that are no UTF-8"],
  [/\/\.{0,2}(?:;|%3B)/, "has a segment of dots with a parameter"],
];

function ambiguity(path: string): string | undefined {
  return ambiguities.find(([expression]) => expression.test(path))?.[1];
}

/** Merges slashes, then takes out `.` and `..` with what they undo (RFC 3986, 5.2.4). */
function withoutDots(path: string): string {
  const segments = path
    .replace(/\/{2,}/g, "/")
    .split("/")
    .slice(1);
  const kept: string[] = [];
  for (const segment of segments)
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
  const last = segments.at(-1);
  if ((last === "." || last === "..") && kept.length > 0) kept.push("");
  return `/${kept.join("/")}`;
}

function refused(reason: string): Target {
  return { ok: false, reason };
}
