// How a request is read before rules are asked (docs/policy-l7.md, "How a request is read"), as HAProxy's directives.
// Most requests need nothing done to them: two expressions say so, of the head and of what is asked, and the rest of the
// section is passed over (usual-requests.root.test.ts: this shows in nothing but what a request costs).

/** What paths and queries may have without being looked at closer. A segment that begins with a dot may not. */
const letters = "A-Za-z0-9_~!$&()*+,=:@\\x27-";
const target = `(?:/[${letters}][.${letters}]*+)*+/?(?:\\?[./?${letters}]*+)?`;
const method = "(?!CONNECT )[A-Z]+";
const name = "[0-9a-z._-]+";

/** Of what was decoded already. */
const ambiguousPath = [
  "\\\\",
  "%5C",
  "%2F",
  "%[01][0-9A-F]",
  "%7F",
  "%25[0-9A-Fa-f][0-9A-Fa-f]",
  "%C[01]",
  "%F[5-9A-F]",
  "%E0%[89]",
  "%F0%8",
  "/\\.{0,2}(?:;|%3B)",
].join("|");

const token = "[!#$%&\\x27*+.^_`|~0-9A-Za-z-]+";
const host = "(?:[0-9A-Za-z._-]+|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?";
/**
 * Headers that ask for nothing to be done: no control characters, and none of those that say where a request ends or what
 * becomes of the connection, but in their plain forms. Lines are as HAProxy has them: "name: value", names in lower case.
 */
const control = "\\x00-\\x08\\x0a-\\x1f\\x7f";
const plainLine = [
  "connection: (?i:keep-alive|close)",
  "content-length: [0-9]{1,18}",
  `(?!(?:connection|content-length|transfer-encoding|upgrade|http2-settings):)[^${control}]++`,
].join("|");
/** Lines are taken whole, and none of them is empty: the last, which is, must be left. */
const plainHead = `^(?:(?:${plainLine})\\r\\n)*+\\r\\n\\z`;

/** The connection ends with it. */
const refuse =
  'http-request return status 400 content-type text/plain string "Bad request\\r\\n" hdr connection close';

/** In single quotes the configuration replaces nothing. Groups that are referred to have names: HAProxy turns numbers off. */
const matches = (sample: string, expression: string, flags = "") =>
  `{ ${sample} -m reg ${flags}'${expression}' }`;
/** Within one word; the arguments' own quotes take a backslash away. */
const replaced = (sample: string, expression: string, by: string) => {
  const quoted = (text: string) => `"${text.replaceAll("\\", "\\\\")}"`;
  return `'${sample},regsub(${quoted(expression)},${quoted(by)})'`;
};

/**
 * What is about the connection and its framing. A condition about a header holds when it holds for any of its lines, so
 * those that are negated ask how many there are first.
 */
const connectionRules = [
  `${refuse} unless is_version`,
  `${refuse} unless ${matches("req.hdrs", `^(?:[^${control}]*+\\r\\n)*+\\z`)}`,
  // HAProxy takes a length of 2^64 for 0.
  `${refuse} if { req.fhdr_cnt(content-length) gt 1 }`,
  `${refuse} if { req.fhdr_cnt(content-length) 1 } !${matches("req.fhdr(content-length)", "^[0-9]{1,18}\\z")}`,
  // Servers do not agree on what else there may be.
  `${refuse} if { req.fhdr_cnt(transfer-encoding) gt 1 }`,
  `${refuse} if { req.fhdr_cnt(transfer-encoding) 1 } !{ req.fhdr(transfer-encoding) -m str -i chunked }`,
  `${refuse} if { req.fhdr_cnt(transfer-encoding) 1 } !{ req.ver 1.1 }`,
  // To no protocol but WebSocket may a connection go over: nobody would look into it any more.
  `http-request set-var(txn.ws) bool(true) if { req.fhdr_cnt(upgrade) 1 } { req.fhdr(upgrade) -m str -i websocket } { req.fhdr(connection) -m sub -i upgrade }`,
  `http-request del-header ^(?:upgrade|http2-settings)$ -m reg unless { var(txn.ws) -m found }`,
  // Nor does the client say which headers the next proxy drops: it would drop what we add.
  `http-request del-header connection if { req.fhdr_cnt(connection) gt 1 }`,
  `http-request del-header connection if { req.fhdr_cnt(connection) 1 } !{ req.fhdr(connection) -m str -i keep-alive close }`,
  `http-request set-header connection upgrade if { var(txn.ws) -m found }`,
];

/** The connection's own port is no part of the host, of requests that a condition holds for: "is_plain", "!is_plain". */
function ownPortRules(condition: string): string[] {
  return [
    `http-request set-var-fmt(txn.o) "%[dst_port] %[var(txn.q)]" if ${condition}`,
    `http-request set-var(txn.q) ${replaced("var(txn.o)", "^([0-9]+) ([A-Z]+ [^ :]+):\\1 ", "\\2 ")} if ${condition} has_own_port`,
  ];
}

/**
 * Remembers the Host as it was asked and as it was read: the connection's next requests mostly ask for the same. One that
 * is longer than names are is not kept for the life of a connection.
 */
const knownHostRules = [
  `acl is_kept req.fhdr(host,-1) -m len 1:262`,
  `http-request unset-var(sess.asked) if is_plain is_usual_version is_simple`,
  `http-request set-var(sess.host) "var(txn.q),field(2,' ')" if is_plain is_usual_version is_simple is_kept`,
  `http-request set-var(sess.asked) req.fhdr(host,-1) if is_plain is_usual_version is_simple is_kept`,
];

/**
 * Rules of a frontend. They leave txn.q, the subject of rules: METHOD HOST TARGET. Of what is refused there is none. txn.t
 * is when the request came; txn.h, VERSION:TOLD:ASKED, what else there is to tell: nothing, of most requests in HTTP/1.1,
 * and of what may be refused what was asked as hexadecimal digits.
 */
export function readingRules(): string[] {
  return [
    `acl is_path url_beg /`,
    `acl is_usual_version req.ver 1.1`,
    `acl is_plain_head req.hdrs -m reg '${plainHead}'`,
    `acl is_simple var(txn.q) -m reg '^${method}\\x20${name}(?::[1-9][0-9]{0,4})?\\x20${target}\\z'`,
    `http-request set-var(txn.t) date(0,us)`,
    `http-request set-var(txn.h) req.ver unless is_usual_version`,
    // Most requests: plain, simple, and for the host that was read before on this connection. (Each variable that is set
    // costs about what an expression does.)
    `acl is_known_host req.fhdr(host,-1),strcmp(sess.asked) eq 0`,
    `http-request set-var-fmt(txn.q) "%[method] %[var(sess.host)] %[url]" if is_path is_usual_version is_known_host is_plain_head`,
    `http-request allow if is_simple`,

    `http-request set-var-fmt(txn.q) "%[method] %[req.fhdr(host)] %[url]" if is_path`,
    // HTTP/2: the authority is in the target, and once more in the Host that HAProxy made of it.
    `acl is_same_host var(txn.r) -m reg '^(?<host>[^ ]+) https?://\\k<host>/'`,
    `http-request set-var-fmt(txn.q) "%[method] %[req.fhdr(host)] %[pathq]" unless is_path`,
    `http-request set-var-fmt(txn.r) "%[req.fhdr(host)] %[url]" unless is_path`,
    `acl is_version req.ver 1.0 1.1 2.0`,
    `acl is_plain var(txn.c) -m found`,
    `http-request set-var(txn.c) bool(true) if is_path is_version is_plain_head`,
    `http-request set-var(txn.c) bool(true) if !is_path { fc_http_major 2 } is_same_host is_plain_head`,
    // A host with a port is common where the port is not 80.
    `acl has_own_port var(txn.o) -m reg '^(?<port>[0-9]+)\\x20${method}\\x20${name}:\\k<port>\\x20'`,
    ...ownPortRules("is_plain"),
    ...knownHostRules,
    `http-request allow if is_plain is_simple`,

    // What is refused leaves no subject.
    `http-request set-var(txn.w) var(txn.q)`,
    `http-request unset-var(txn.q)`,
    ...connectionRules,
    `http-request set-var(txn.q) var(txn.w)`,
    ...ownPortRules("!is_plain"),
    `http-request allow if is_path is_simple`,
    `http-request allow if !is_path { fc_http_major 2 } is_same_host is_simple`,

    // From here on: what is not simple.
    `acl is_star url '*'`,
    `acl is_absolute url -m reg -i '^https?://'`,
    `http-request set-var(txn.host) req.fhdr(host)`,
    `http-request set-var-fmt(txn.r) "%[method] %[var(txn.host)] %[url]"`,
    `http-request set-var-fmt(txn.h) "%[req.ver]::%[var(txn.r),bytes(0,400),hex]"`,
    `http-request unset-var(txn.q)`,
    `${refuse} unless ${matches("method", `^${token}\\z`)}`,
    `${refuse} if { method CONNECT }`,
    `${refuse} if { req.fhdr_cnt(host) gt 1 }`,
    `${refuse} if { req.ver 1.1 } { req.fhdr_cnt(host) 0 }`,
    `${refuse} if { req.fhdr_cnt(host) 1 } !${matches("var(txn.host)", `^${host}\\z`)}`,
    `${refuse} unless ${matches("url", "^[!-~]+\\z")}`,
    `${refuse} if { url -m sub '#' }`,
    `${refuse} if ${matches("url", "%(?![0-9A-Fa-f]{2})")}`,
    `${refuse} if is_star !{ method OPTIONS }`,
    `${refuse} if !is_path !is_star !is_absolute`,
    // An absolute target names the host that is asked: it may name no other.
    `${refuse} if is_absolute !${matches("var(txn.r)", "^[^ ]+ (?<host>[^ ]+) https?://\\k<host>(?:[/?]|\\z)", "-i ")}`,
    `http-request set-var(txn.scheme) url,field(1,:),lower if is_absolute`,
    `http-request set-uri ${'"/%[url,regsub(^[a-zA-Z]*://[^/?]*,)]"'} if ${matches("url", "^https?://[^/?]*(?:\\?|\\z)", "-i ")}`,
    `http-request set-uri %[pathq] if !is_path !is_star`,
    `http-request normalize-uri percent-to-uppercase strict unless is_star`,
    `http-request normalize-uri percent-decode-unreserved strict unless is_star`,
    `${refuse} if ${matches("path", ambiguousPath)}`,
    `http-request normalize-uri path-merge-slashes unless is_star`,
    `http-request normalize-uri path-strip-dot unless is_star`,
    `http-request normalize-uri path-strip-dotdot full unless is_star`,
    // The host in lower case, without the port that is the connection's own.
    `http-request set-var-fmt(txn.r) "%[dst_port] %[var(txn.host),lower]"`,
    `http-request set-var(txn.host) ${replaced("var(txn.r)", "^([0-9]+) (.*?)(:0*\\1)?$", "\\2")}`,
    `http-request set-var-fmt(txn.q) "%[method] %[var(txn.host)] %[url]"`,
    // HTTP/2 has both in its target.
    `http-request set-uri "%[var(txn.scheme)]://%[req.fhdr(host)]%[url]" if { fc_http_major 2 } { var(txn.scheme) -m found } { var(txn.host) -m len gt 0 }`,
  ];
}
