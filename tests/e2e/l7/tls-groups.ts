// Every field about TLS: names that handshakes ask for, and TLS that proxies take off and put on.
import { curl } from "./http-requests.ts";
import { allowed, denied, malformed, type Group, type Row, type Target } from "./rows.ts";

const inSecrets = (name: string) => ({ secret: { namespace: "cilium-secrets", name } });
const http = [{ method: "GET", path: "/open" }];
/** Of whoever a proxy's upstream is. */
const overTls = { saw: { encrypted: true } };
const inPlain = { saw: { encrypted: false } };

export const tlsGroups: readonly Group[] = [
  {
    name: "server-names",
    port: 9020,
    rule: { serverNames: ["secure.test", "*.wild.test"] },
    rows: [
      ...(["1.1", "2"] as const).map((version) =>
        passed(`a name, HTTP/${version}`, "secure.test", version),
      ),
      passed("a name of a pattern", "a.wild.test", "1.1"),
      ended("another name", "other.test"),
      ended("a name below it", "a.secure.test"),
      ended("no name", undefined),
      {
        ...curl("no TLS", 403, { path: "/open" }),
        comesTo: "exit 52",
        flows: [malformed("TLS https://{to}")],
      },
    ],
  },
  {
    name: "terminating",
    port: 9021,
    rule: { terminatingTLS: inSecrets("shown"), http },
    rows: (["1.1", "2"] as const).flatMap((version) => [
      secure(`a request that is allowed, HTTP/${version}`, 200, {
        path: "/open",
        version,
        ...inPlain,
      }),
      secure(`another, HTTP/${version}`, 403, { path: "/closed", version }),
    ]),
  },
  {
    name: "originating",
    port: 9022,
    rule: { originatingTLS: inSecrets("trusted"), http },
    rows: (["1.1", "2"] as const).flatMap((version) => [
      named(`a request that is allowed, HTTP/${version}`, 200, {
        path: "/open",
        version,
        ...overTls,
      }),
      named(`another, HTTP/${version}`, 403, { path: "/closed", version }),
    ]),
  },
  {
    name: "distrusted",
    port: 9023,
    rule: { originatingTLS: inSecrets("distrusted"), http },
    rows: [
      {
        ...named("a server that nobody vouches for", 503, { path: "/open" }),
        flows: [
          allowed("HTTP/1.1 GET http://secure.test/open", "request"),
          { verdict: "ERROR", kind: "reply", text: "HTTP/1.1 503 GET http://secure.test/open" },
        ],
      },
    ],
  },
  {
    name: "inspected",
    port: 9024,
    rule: {
      serverNames: ["secure.test"],
      terminatingTLS: inSecrets("shown"),
      originatingTLS: inSecrets("trusted"),
      http,
    },
    rows: [
      ...(["1.1", "2"] as const).flatMap((version) => [
        secure(`a request that is allowed, HTTP/${version}`, 200, {
          path: "/open",
          version,
          ...overTls,
        }),
        secure(`another, HTTP/${version}`, 403, { path: "/closed", version }),
      ]),
      curl("another name", 403, {
        path: "/open",
        scheme: "https",
        host: "other.test",
        options: (to) => [...trusting(to), ...resolving("other.test", to)],
      }),
    ],
  },
];

type Request = Parameters<typeof curl>[2];

/** A request over TLS, to secure.test. In which version of HTTP it goes on is the proxy's choice. */
function secure(what: string, code: number, request: Request): Row {
  const { version: _, ...saw } = curl(what, code, request).saw ?? {};
  const row = curl(what, code, {
    ...request,
    scheme: "https",
    host: "secure.test",
    options: (to) => [...trusting(to), ...resolving("secure.test", to)],
  });
  return row.saw ? { ...row, saw } : row;
}

/** A request in plain that the proxy takes to secure.test. */
function named(what: string, code: number, request: Request): Row {
  return curl(what, code, {
    ...request,
    host: "secure.test",
    options: (to) => resolving("secure.test", to),
  });
}

/** TLS that is looked at and goes on; of what is said in it there is no flow. */
function passed(what: string, host: string, version: "1.1" | "2"): Row {
  return {
    ...curl(what, 200, {
      path: "/open",
      version,
      scheme: "https",
      host,
      options: (to) => [...trusting(to), ...resolving(host, to)],
      ...overTls,
    }),
    flows: [allowed(`TLS https://${host}`, "request")],
  };
}

/** TLS that ends before there is any. */
function ended(what: string, host: string | undefined): Row {
  const row = curl(what, 200, {
    path: "/open",
    scheme: "https",
    ...(host === undefined ? {} : { host }),
    options: (to) => ["-k", ...(host === undefined ? [] : resolving(host, to))],
  });
  return {
    what,
    ask: row.ask,
    comesTo: "exit 35",
    // Without a name it is the address that was asked.
    flows: [denied(`TLS https://${host ?? "{to}"}`)],
  };
}

function trusting({ folder }: Target): readonly string[] {
  return ["--cacert", `${folder}/ca.crt`];
}

function resolving(name: string, { port, address }: Target): readonly string[] {
  return ["--resolve", `${name}:${port}:${address.includes(":") ? `[${address}]` : address}`];
}
