// What becomes of one request, from the objects as they were applied and the words of docs/policy-l7.md alone: nothing is
// prepared, and texts are read a character at a time. What is refused before any rule is asked is "refused".
import type { L7Entry, NaiveRuleSet } from "./l7.ts";

export type NaiveRequest =
  | {
      readonly kind: "http";
      readonly method: string;
      readonly target: string;
      readonly host: string | undefined;
      readonly headers: readonly (readonly [string, string])[];
      readonly port: number;
      readonly serverName: string | undefined;
    }
  | { readonly kind: "dns"; readonly name: string }
  | { readonly kind: "sni"; readonly serverName: string | undefined }
  | {
      readonly kind: "kafka";
      readonly apiKey: number;
      readonly apiVersion: number;
      readonly clientId: string | undefined;
      readonly topics: readonly string[] | "all" | undefined;
    };

/** By whom it was let through, any of them; nobody: it is denied. */
export type NaiveOutcome = "refused" | readonly string[];

type Fields = Readonly<Record<string, unknown>>;

/** What the server gets as target of a request that goes on. */
export function targetOf(request: NaiveRequest & { readonly kind: "http" }): string | undefined {
  return seenRequest(request)?.target;
}

/** What the proxy of a rule set does. */
export function outcomeOf(set: NaiveRuleSet, request: NaiveRequest): NaiveOutcome {
  if (request.kind === "http") {
    const seen = seenRequest(request);
    if (seen === undefined) return "refused";
    if (set.openedBy === undefined && !isNamed(set, request.serverName)) return [];
    return openedOr(set, (item) => isHttp(item, seen));
  }
  if (request.kind === "dns")
    return openedOr(set, (item) => isDns(String(item["matchName"] ?? ""), item, request.name));
  if (request.kind === "kafka") return kafka(set, request);
  return [
    ...set.rules.flatMap(({ rule, entry }) =>
      (entry.serverNames ?? []).some((name) => isLike(name, request.serverName ?? ""))
        ? [rule]
        : [],
    ),
    ...(set.openedBy === undefined ? [] : [set.openedBy]),
  ];
}

function openedOr(set: NaiveRuleSet, matches: (item: Fields) => boolean): string[] {
  const found = set.rules.flatMap((one) => (itemsOf(one).some(matches) ? [one.rule] : []));
  return set.openedBy === undefined ? found : [...found, set.openedBy];
}

/** TLS alone is one rule without conditions. */
function itemsOf({ kind, entry }: L7Entry): readonly Fields[] {
  const rules = (entry.rules ?? {}) as Readonly<Record<string, readonly Fields[] | undefined>>;
  return rules[kind] ?? (kind === "http" ? [{}] : []);
}

/** If any rule asks for server names, one of those that rules ask for must have been named. */
function isNamed({ rules }: NaiveRuleSet, serverName = ""): boolean {
  const lists = rules.flatMap(({ entry }) => (entry.serverNames ? [entry.serverNames] : []));
  return lists.length === 0 || lists.flat().some((name) => isLike(name, serverName));
}

// HTTP

type Seen = {
  method: string;
  target: string;
  host: string;
  headers: readonly (readonly [string, string])[];
};

function seenRequest(request: NaiveRequest & { kind: "http" }): Seen | undefined {
  const { method, target, port, headers } = request;
  let rest = target;
  let host = request.host;
  for (const character of target) if (character <= " " || character > "~") return undefined;
  if (target === "" || target.includes("#") || method === "CONNECT") return undefined;
  if (target === "*" && method !== "OPTIONS") return undefined;
  if (host !== undefined && hostOf(host, port) === undefined) return undefined;
  for (const scheme of ["http://", "https://"])
    if (target.toLowerCase().startsWith(scheme)) {
      const [authority = ""] = target.slice(scheme.length).split(/[/?]/);
      const named = hostOf(authority, port);
      if (named === undefined) return undefined;
      if (host !== undefined && hostOf(host, port) !== named) return undefined;
      host = authority;
      rest = target.slice(scheme.length + authority.length);
      if (rest === "" || rest.startsWith("?")) rest = `/${rest}`;
    }
  const normal = rest === "*" ? "*" : normalTarget(rest);
  if (normal === undefined) return undefined;
  return {
    method,
    target: normal,
    host: host === undefined ? "" : (hostOf(host, port) ?? ""),
    headers,
  };
}

function hostOf(text: string, port: number): string | undefined {
  const lower = text.toLowerCase();
  const bracket = lower.indexOf("]");
  const colon = lower.indexOf(":", bracket + 1);
  const name = colon < 0 ? lower : lower.slice(0, colon);
  const digits = colon < 0 ? undefined : lower.slice(colon + 1);
  const inside = name.startsWith("[") ? name.slice(1, -1) : name;
  const allowed = name.startsWith("[") ? "0123456789abcdef:." : `${letters}0123456789-._`;
  if (inside === "" || (name.startsWith("[") && !name.endsWith("]"))) return undefined;
  for (const character of inside) if (!allowed.includes(character)) return undefined;
  if (digits === undefined) return name;
  if (digits === "" || digits.length > 5) return undefined;
  for (const digit of digits) if (digit < "0" || digit > "9") return undefined;
  return Number(digits) === port ? name : `${name}:${digits}`;
}

const letters = "abcdefghijklmnopqrstuvwxyz";
const unreserved = `${letters}${letters.toUpperCase()}0123456789-._~`;
const hexadecimal = "0123456789abcdefABCDEF";

function normalTarget(text: string): string | undefined {
  if (text[0] !== "/") return undefined;
  // Steps 1 and 2, a piece at a time: what stays encoded is a piece of three characters.
  const pieces: string[] = [];
  for (let at = 0; at < text.length;) {
    if (text[at] !== "%") {
      pieces.push(text[at++] as string);
      continue;
    }
    const [high = "", low = ""] = [text[at + 1], text[at + 2]];
    if (high === "" || low === "" || !hexadecimal.includes(high) || !hexadecimal.includes(low))
      return undefined;
    const character = String.fromCharCode(Number(`0x${high}${low}`));
    pieces.push(unreserved.includes(character) ? character : `%${(high + low).toUpperCase()}`);
    at += 3;
  }
  const mark = pieces.indexOf("?");
  const path = mark < 0 ? pieces : pieces.slice(0, mark);
  const query = mark < 0 ? "" : pieces.slice(mark).join("");
  if (isAmbiguous(path)) return undefined;
  // Steps 3 to 5.
  const kept: string[] = [];
  const segments = path.join("").split("/");
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === ".." && kept.length > 0) kept.pop();
    else if (segment !== "" && segment !== "." && segment !== "..") kept.push(segment);
    else if (!isLast) continue;
    if (isLast && ["", ".", ".."].includes(segment) && kept.length > 0) kept.push("");
  }
  return `/${kept.join("/")}${query}`;
}

function isAmbiguous(path: readonly string[]): boolean {
  for (const [at, piece] of path.entries()) {
    if (piece === "\\") return true;
    if (piece.length === 3) {
      const byte = Number(`0x${piece.slice(1)}`);
      const after = path[at + 1] ?? "";
      const following = after.length === 3 ? Number(`0x${after.slice(1)}`) : -1;
      if (byte === 0x2f || byte === 0x5c || byte < 0x20 || byte === 0x7f) return true;
      if (byte === 0xc0 || byte === 0xc1 || byte >= 0xf5) return true;
      if (byte === 0xe0 && following >= 0x80 && following <= 0x9f) return true;
      if (byte === 0xf0 && following >= 0x80 && following <= 0x8f) return true;
      const digits = [path[at + 1] ?? "", path[at + 2] ?? ""];
      if (byte === 0x25 && digits.every((digit) => digit !== "" && hexadecimal.includes(digit)))
        return true;
    }
    if (piece === ";" || piece === "%3B") {
      const before = path.slice(0, at).join("");
      const segment = before.slice(before.lastIndexOf("/") + 1);
      if (segment === "" || segment === "." || segment === "..") return true;
    }
  }
  return false;
}

function isHttp(item: Fields, { method, target, host, headers }: Seen): boolean {
  const short = ((item["headers"] ?? []) as readonly string[]).map((text): Fields => {
    const blank = text.indexOf(" ");
    if (blank < 0) return { name: text };
    const name = text.slice(0, blank);
    return {
      name: name.endsWith(":") ? name.slice(0, -1) : name,
      value: text.slice(blank + 1).trim(),
    };
  });
  const long = (item["headerMatches"] ?? []) as readonly Fields[];
  return (
    isWhole(item["path"], target) &&
    isWhole(item["method"], method) &&
    isWhole(item["host"], host) &&
    [...short, ...long].every((match) => isHeader(match, headers))
  );
}

/** JavaScript reads the expressions that it is used with here as RE2 does. */
function isWhole(expression: unknown, text: string): boolean {
  return expression === undefined || new RegExp(`^(?:${String(expression)})$`).test(text);
}

/** Of secrets none is there. */
function isHeader(match: Fields, headers: Seen["headers"]): boolean {
  if (match["mismatch"]) return true;
  const wanted = String(match["name"]).toLowerCase();
  const values = headers
    .filter(([name]) => name.toLowerCase() === wanted)
    .map(([, value]) => value.trim());
  if (match["value"] === undefined) return match["secret"] === undefined && values.length > 0;
  return values.length === 1 && values[0] === match["value"];
}

// Names

function isDns(matchName: string, item: Fields, name: string): boolean {
  return matchName === ""
    ? isLike(String(item["matchPattern"]), name)
    : plain(matchName) === plain(name);
}

function plain(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

/** `*` alone is any name; elsewhere letters, digits, - and _; `**.` at the start any labels, one at least. */
function isLike(pattern: string, name: string): boolean {
  const whole = plain(pattern);
  if (whole === "*") return true;
  const isDeep = whole.startsWith("**.");
  const wanted = (isDeep ? whole.slice(3) : whole).split(".");
  const given = plain(name).split(".");
  const more = given.length - wanted.length;
  if (isDeep ? more < 1 : more !== 0) return false;
  return (
    given.slice(0, Math.max(0, more)).every((label) => isLabel("*", label)) &&
    wanted.every((label, at) => isLabel(label, given[more + at] as string))
  );
}

function isLabel(pattern: string, label: string): boolean {
  return label !== "" && isText(pattern, label);
}

function isText(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  if (pattern[0] !== "*") return text[0] === pattern[0] && isText(pattern.slice(1), text.slice(1));
  const isPlain = text !== "" && `${letters}0123456789-_`.includes(text[0] as string);
  return isText(pattern.slice(1), text) || (isPlain && isText(pattern, text.slice(1)));
}

// Kafka

/** Names and numbers of the APIs that the twin is asked about. */
const apis: Readonly<Record<string, number>> = {
  produce: 0,
  fetch: 1,
  metadata: 3,
  joingroup: 11,
  apiversions: 18,
};
const roles: Readonly<Record<string, readonly number[]>> = {
  produce: [0, 3, 18],
  consume: [1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18],
};

function kafka(set: NaiveRuleSet, request: NaiveRequest & { kind: "kafka" }): string[] {
  const isFor = (item: Fields) => {
    const { role, apiKey, apiVersion, clientID } = item as Readonly<
      Record<string, string | undefined>
    >;
    const keys = role ? roles[role] : apiKey ? [apis[apiKey]] : undefined;
    return (
      (!keys || keys.includes(request.apiKey)) &&
      (apiVersion === undefined || Number(apiVersion) === request.apiVersion) &&
      (clientID === undefined || clientID === request.clientId)
    );
  };
  const { topics } = request;
  const rulesFor = (isTopic: (topic: unknown) => boolean) =>
    openedOr(set, (item) => isFor(item) && isTopic(item["topic"]));
  if (topics === "all") return rulesFor((topic) => topic === undefined);
  if (topics === undefined || topics.length === 0) return rulesFor(() => true);
  const perTopic = topics.map((wanted) =>
    rulesFor((topic) => topic === undefined || topic === wanted),
  );
  return perTopic.every((rules) => rules.length > 0) ? perTopic.flat() : [];
}
