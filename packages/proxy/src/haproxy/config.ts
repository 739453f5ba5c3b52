// HAProxy's configuration, made once for the life of a process. Nothing in it depends on policy, and no secret is in it.
//
//   listener P --> frontend plain --http--> backend rP: rules of P --> the server that the client asked
//                       | P terminates TLS (map tls)
//                       +--tcp--> backend SLOT --unix socket--> frontend tls --> backend rP
//   listener P --> frontend sni --> backend sP: names of P --tcp--> the server that the client asked
import type { Direction } from "@tsilium/policy/model.ts";
import type { Paths } from "./paths.ts";
import type { Pool } from "./pool.ts";
import { readingRules } from "./reading.ts";
import { noVerdict } from "./rules.ts";

export type ConfigOptions = {
  readonly direction: Direction;
  readonly paths: Paths;
  readonly pool: Pool;
  readonly maxConnections: number;
  readonly threads: number;
  readonly headersMs: number;
};

/** Number of the access log's descriptor in the process. */
export const accessLogFd = 3;
/** Names of small maps. */
export const sharedMaps = ["specs", "tls", "moved"] as const;
/** Added to a port for its listener's number: numbers are unique in a frontend. */
const ipv6Id = 65_536;

/** The whole file. */
export function configOf(options: ConfigOptions): string {
  const { pool } = options;
  const sections = [
    global(options),
    base(options),
    rulesDefaults(options),
    plainFrontend(options),
    tlsFrontend(options),
    sniFrontend(options),
    shareTable,
    passBackend(),
    ["backend none from base", denyRule("if TRUE")],
    ...pool.http.map((port) => rulesBackend(port, options)),
    ...pool.sni.map((port) => namesBackend(port, options)),
    ...[...pool.slots.plain, ...pool.slots.mutual].map((slot) => slotBackend(slot, options)),
  ];
  return `${sections.map(([head, ...lines]) => [head, ...lines.map((line) => `  ${line}`)].join("\n")).join("\n\n")}\n`;
}

/** Map of a listener's rules. */
export const rulesMap = (paths: Paths, port: number): string => paths.map(String(port));

function global({ paths, maxConnections, threads }: ConfigOptions): string[] {
  return [
    "global",
    `nbthread ${threads}`,
    `maxconn ${maxConnections}`,
    // sk_assign takes no listener that has SO_REUSEPORT before kernel 6.6.
    "noreuseport",
    // normalize-uri
    "expose-experimental-directives",
    // It would answer from before a map's commit, which does not empty it.
    "tune.pattern.cache-size 0",
    "tune.bufsize 32768",
    "tune.maxrewrite 1024",
    `lua-load-per-thread ${paths.script}`,
    "tune.lua.maxmem 64",
    `stats socket ${paths.runtimeSocket} mode 600 level admin expose-fd listeners`,
    "stats timeout 1m",
    // Of one that has handed its listeners on to a process with another configuration, and knows of no new rules.
    "hard-stop-after 30s",
    // A write to a pipe is whole up to 4096 bytes.
    `log fd@${accessLogFd} len 4000 format raw local0`,
    "ssl-default-bind-options ssl-min-ver TLSv1.2",
    "ssl-default-server-options ssl-min-ver TLSv1.2",
  ];
}

function base({ headersMs }: ConfigOptions): string[] {
  return [
    "defaults base",
    "mode http",
    "timeout connect 10s",
    // Of a request's headers. Whoever is slower is cut off.
    `timeout http-request ${headersMs}`,
    "timeout http-keep-alive 5m",
    // Otherwise connections are the client's and the server's: they say when one ends.
    "timeout client 1h",
    "timeout server 1h",
    "timeout tunnel 24h",
    "timeout client-fin 1m",
    "timeout server-fin 1m",
    "option clitcpka",
    "option srvtcpka",
    "option logasap",
    "option dontlognull",
    // Whether a request may be sent again is the client's to say.
    "retries 0",
    // A connection to a server belongs to one connection of a client, and ends with it: HAProxy's pool is looked up by a
    // hash of addresses that clients choose.
    "http-reuse never",
    "source 0.0.0.0 usesrc clientip",
  ];
}

/** One client's connections are no more than an eighth of all: others are served whatever it does. */
const shareTable = [
  "backend shares from base",
  "stick-table type ipv6 size 100k expire 1h store conn_cur",
];
const shareRules = ({ maxConnections }: ConfigOptions): string[] => [
  "tcp-request connection track-sc0 src table shares",
  `tcp-request connection reject if { sc0_conn_cur(shares) gt ${Math.ceil(maxConnections / 8)} }`,
];

/** Who connects to a listener himself asks for the proxy, which would ask itself. */
const noLoops = [
  "tcp-request connection reject if { dst 127.0.0.0/8 }",
  "tcp-request connection reject if { dst ::1 }",
  "tcp-request connection reject if { dst ::ffff:127.0.0.0/104 }",
];

function binds(ports: readonly number[]): string[] {
  return ports.flatMap((port) => [
    `bind 127.0.0.1:${port} transparent id ${port}`,
    `bind [::1]:${port} v6only transparent id ${port + ipv6Id}`,
  ]);
}

/** Fields with one blank between them; what a client said comes last, and was read before (access-log.ts). */
function logFormat(ends: string): string[] {
  return [
    "log global",
    `log-format "${ends} %[var(txn.v)] %ts %[status] %[var(txn.t)] %[date(0,us)] %[var(txn.h)] %[var(txn.q)]"`,
  ];
}

/** The first fields are a connection's, written once for all of its requests. */
const connectionEnds = "%[var(sess.ends)]";
const endsRule = (kind: "h" | "t", port: string): string =>
  `tcp-request session set-var-fmt(sess.ends) "${kind} ${port} %[src] %[src_port] %[dst] %[dst_port]"`;

const bornRule = "tcp-request session set-var(sess.born) date(0,ms)";

function plainFrontend(options: ConfigOptions): string[] {
  const { pool, paths } = options;
  return [
    "frontend plain from base",
    "mode tcp",
    ...logFormat(connectionEnds),
    // Tells the frontend behind a slot whose listener it was; addresses are in the PROXY header anyway.
    `unique-id-format %[so_id,mod(${ipv6Id})]`,
    ...binds(pool.http),
    ...noLoops,
    ...shareRules(options),
    bornRule,
    endsRule("h", `%[so_id,mod(${ipv6Id})]`),
    `tcp-request session set-var(sess.tls) so_id,mod(${ipv6Id}),map_str(${paths.map("tls")})`,
    "tcp-request inspect-delay 10s",
    "tcp-request content switch-mode http unless { var(sess.tls) -m found }",
    // What comes to a listener that terminates TLS and is none fails in the handshake.
    "tcp-request content set-log-level silent",
    `http-request set-var(txn.p) so_id,mod(${ipv6Id})`,
    ...movedRules,
    ...readingRules(),
    grpcType,
    "use_backend r%[var(txn.p)] if { var(txn.p) -m found }",
    "use_backend %[var(sess.tls)]",
    "default_backend none",
  ];
}

/** An answer without a body is given no type otherwise. */
const grpcType =
  "http-after-response set-header content-type application/grpc if { var(txn.g) -m found }";

function tlsFrontend({ pool, paths }: ConfigOptions): string[] {
  const bind = (slot: string, ...more: string[]) =>
    [
      `bind unix@${paths.slotSocket(slot)} mode 600 accept-proxy`,
      `ssl crt ${slotCertificate(paths, slot)} alpn h2,http/1.1`,
      ...more,
    ].join(" ");
  return [
    "frontend tls from base",
    ...logFormat(connectionEnds),
    ...pool.slots.plain.map((slot) => bind(slot)),
    ...pool.slots.mutual.map((slot) =>
      bind(slot, `verify required ca-file ${slotAuthority(paths, slot)}`),
    ),
    bornRule,
    endsRule("t", "%[fc_pp_unique_id]"),
    "http-request set-var(txn.p) fc_pp_unique_id",
    ...movedRules,
    ...readingRules(),
    grpcType,
    "use_backend r%[var(txn.p)]",
    "default_backend none",
  ];
}

/** Names of what a slot's listener is made with, until its own certificates come over the runtime socket. */
export const slotCertificate = (paths: Paths, slot: string): string => paths.map(`${slot}.pem`);
export const slotAuthority = (paths: Paths, slot: string): string => paths.map(`${slot}.ca.pem`);

/** Connections that are held to other rules than their listener's: txn.p becomes whose. Only while there are any. */
const movedRules = [
  "http-request lua.move if { var(proc.moved) -m bool }",
  // Nor does it go on when it is not known what holds.
  "http-request reject if { var(proc.moved) -m bool } !{ var(txn.m) -m bool }",
];

/**
 * What rules are asked about (rules.ts) is txn.q, and txn.x of listeners whose rules are extended. That is no part of any
 * record: headers are in it.
 */
function subjectRules({ paths }: ConfigOptions): string[] {
  const spec = `var(txn.p),map_str(${paths.map("specs")})`;
  // A name with other characters, which could be lines, is no name of a server: as one without.
  const name = "ssl_fc_sni,lower,regsub([^-.0-9a-z_],/,g),regsub(^.*/.*,)";
  return [
    `tcp-request content set-var-fmt(txn.x) "%[var(txn.q)] .%[${name}]\\r\\n%[req.hdrs]" if { var(proc.specs) -m bool } { ${spec} -m found }`,
  ];
}

function sniFrontend(options: ConfigOptions): string[] {
  const { pool } = options;
  return [
    "frontend sni from base",
    "mode tcp",
    ...logFormat(`s %[so_id,mod(${ipv6Id})] %ci %cp %fi %fp`),
    ...binds(pool.sni),
    ...noLoops,
    ...shareRules(options),
    "tcp-request inspect-delay 10s",
    "tcp-request content set-var(txn.t) date(0,us)",
    "tcp-request content reject unless { req.ssl_hello_type 1 }",
    // A variable's text would end at a NUL, and what comes after it be judged by nobody.
    `tcp-request content reject if { req.ssl_sni -m reg '[^!-~]' }`,
    // A name with other characters is no name of a server: as one without.
    'tcp-request content set-var-fmt(txn.q) ".%[req.ssl_sni,lower]"',
    `tcp-request content set-var(txn.q) str(.) unless { var(txn.q) -m reg '^[-.0-9a-z_]+\\z' }`,
    `use_backend s%[so_id,mod(${ipv6Id})]`,
  ];
}

function namesBackend(port: number, { paths }: ConfigOptions): string[] {
  return [
    `backend s${port} from base`,
    "mode tcp",
    `tcp-request content set-var(txn.v) var(txn.q),map_reg(${rulesMap(paths, port)},${noVerdict})`,
    "tcp-request content reject unless { var(txn.v) -m beg a u }",
    "server origin 0.0.0.0:0",
  ];
}

function slotBackend(slot: string, { paths }: ConfigOptions): string[] {
  return [
    `backend ${slot} from base`,
    "mode tcp",
    "source 0.0.0.0",
    `server slot unix@${paths.slotSocket(slot)} send-proxy-v2 proxy-v2-options unique-id`,
  ];
}

const denyRule = (condition: string): string =>
  `http-request deny deny_status 403 content-type text/plain string "Access denied\\r\\n" ${condition}`;

/** change_headers makes a of b. */
const allowed = "{ var(txn.v) -m beg a u A U }";
const inTls = "{ var(txn.v) -m beg A U }";

/**
 * What is done with a verdict, written once for all listeners (512 times over it would take half a second to read). The
 * verdict itself is found before, by the backends' rules of TCP, which come first.
 */
function rulesDefaults(options: ConfigOptions): string[] {
  return [
    "defaults rules from base",
    ...subjectRules(options),
    "http-request allow if { var(txn.v) -m beg a } { fc_http_major 1 }",
    ...serverRules,
    "http-request allow if { var(txn.v) -m beg a }",
    "http-request lua.change_headers if { var(txn.v) -m beg b B }",
    'http-request set-var-fmt(txn.h) "%[req.ver]:%[var(txn.l)]" if { var(txn.l) -m found }',
    // A body that is on its way is taken first: HAProxy answers early by resetting the stream (HTTP/2), which some
    // clients take for a failure. Not where it may never end: waiting too long is answered with 408.
    `http-request wait-for-body time 5s if !${allowed} { req.hdr_cnt(content-length) gt 0 } { req.body_size lt 16384 } !{ req.fhdr(expect) -m found }`,
    // What is not said to be let through is not.
    `http-request set-var(txn.g) bool(true) if !${allowed} { fc_http_major 2 } { req.fhdr(content-type) -m beg application/grpc }`,
    'http-request return status 200 hdr grpc-status 7 hdr grpc-message "Access denied" if { var(txn.g) -m found }',
    denyRule(`unless ${allowed}`),
    `http-request set-var(txn.sn) ssl_fc_sni,lower if ${inTls}`,
    `http-request set-var(txn.sn) req.fhdr(host),host_only,lower if ${inTls} !{ var(txn.sn) -m len gt 0 }`,
    // No name, nothing to know the server by.
    `http-request deny deny_status 502 content-type text/plain string "No server name\\r\\n" if ${inTls} !{ var(txn.sn) -m len gt 0 }`,
    `http-request set-var-fmt(txn.s) "t%[fc_http_major]%[var(txn.v),field(2,:)]" if ${inTls}`,
  ];
}

/** txn.s is the server's name where it is not h1. */
const serverRules = [
  "http-request set-var(txn.s) str(h2) if { fc_http_major 2 } !{ ssl_fc }",
  // What is behind TLS that ends here was offered HTTP/2 by us: only gRPC is sure to be understood in it.
  "http-request set-var(txn.s) str(h2) if { fc_http_major 2 } { ssl_fc } { req.fhdr(content-type) -m beg application/grpc }",
];

function rulesBackend(port: number, { paths }: ConfigOptions): string[] {
  const verdict = `map_reg(${rulesMap(paths, port)},${noVerdict})`;
  return [
    `backend r${port} from rules`,
    // Without txn.x the first sets nothing.
    `tcp-request content set-var(txn.v) var(txn.x),${verdict}`,
    `tcp-request content set-var(txn.v) var(txn.q),${verdict} unless { var(txn.v) -m found }`,
    ...originServers,
  ];
}

/** For connections that are held to no rules any more. */
function passBackend(): string[] {
  return [
    "backend r0 from base",
    "http-request set-var(txn.v) str(a0)",
    ...serverRules,
    ...originServers,
  ];
}

/**
 * The server that the client asked, in the protocol that it speaks; servers in TLS are added when rules ask for them
 * (tls.ts). With no weight none is used that is not named here: a name that is none is answered with 503.
 */
const originServers = [
  "use-server h1 unless { var(txn.s) -m found }",
  "use-server %[var(txn.s)] if { var(txn.s) -m found }",
  "server h1 0.0.0.0:0 weight 0",
  "server h2 0.0.0.0:0 proto h2 weight 0",
];
