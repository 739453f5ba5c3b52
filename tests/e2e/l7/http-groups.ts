// Every field of HTTP rules: what it lets through, what not, and what the server gets.
import { curl, curlOfAllVersions, nghttp } from "./http-requests.ts";
import { allowed, answered, type Group, refused, type Row } from "./rows.ts";

/** Where the server has gRPC. */
export const grpcPort = 9100;
/** In the Secret `token`. */
export const secretToken = "of-the-secret";
export const secret = { namespace: "cilium-secrets", name: "token" };

const token = (value: string) => ({ headers: [`X-Token: ${value}`] });
const sawToken = (value: string | undefined) => ({ saw: { headers: { "x-token": value } } });

export const httpGroups: readonly Group[] = [
  {
    name: "path",
    port: 9001,
    rule: { http: [{ path: "/open(/.*)?" }] },
    rows: [
      ...curlOfAllVersions("a path that is allowed", 200, { path: "/open/a" }),
      ...curlOfAllVersions("another", 403, { path: "/closed" }),
      ...curlOfAllVersions("one that only begins alike", 403, { path: "/opened" }),
      nghttp("a path that is allowed", 200, "/open/a"),
      nghttp("another", 403, "/closed"),
      curl("a query belongs to it", 200, { path: "/open/a?b=c" }),
      curl("and counts", 403, { path: "/open?b=c" }),
      curl("the other way in", 403, {
        path: "/open/../closed",
        told: { url: "http://{to}/closed" },
      }),
      ...curlOfAllVersions("the same, encoded", 403, {
        path: "/open/%2e%2E/closed",
        told: { url: "http://{to}/closed" },
      }),
      curl("a way back", 200, { path: "/closed/../open/b", saw: { path: "/open/b" } }),
      curl("letters that are encoded", 200, { path: "//open/./%61", saw: { path: "/open/a" } }),
      ...curlOfAllVersions("a slash that is encoded", 400, { path: "/open%2Fa" }),
      ...curlOfAllVersions("what is encoded twice", 400, { path: "/open/%252e%252e/closed" }),
      curl("an upgrade to HTTP/2 that nobody takes up", 200, {
        path: "/open/a",
        options: ["--http2"],
      }),
      curl("and one for another path", 403, { path: "/closed", options: ["--http2"] }),
    ],
  },
  {
    name: "method",
    port: 9002,
    rule: { http: [{ method: "GET|HEAD" }] },
    rows: [
      ...curlOfAllVersions("GET", 200, { path: "/a" }),
      ...curlOfAllVersions("POST", 403, { path: "/a", method: "POST", options: ["-d", "body"] }),
      curl("HEAD", 200, { path: "/a", method: "HEAD" }),
      curl("get", 403, { path: "/a", method: "get" }),
      curl("GETS", 403, { path: "/a", method: "GETS" }),
    ],
  },
  {
    name: "host",
    port: 9003,
    rule: { http: [{ host: "shop\\.test" }] },
    rows: [
      ...curlOfAllVersions("the host", 200, {
        path: "/a",
        headers: ["Host: shop.test"],
        host: "shop.test",
        options: resolved,
      }),
      ...curlOfAllVersions("another", 403, {
        path: "/a",
        headers: ["Host: evil.test"],
        host: "evil.test",
        options: resolved,
      }),
      curl("in capitals, with the port", 200, {
        path: "/a",
        headers: ["Host: SHOP.test:9003"],
        told: { url: "http://shop.test/a" },
      }),
      curl("with another port", 403, {
        path: "/a",
        headers: ["Host: shop.test:80"],
        told: { url: "http://shop.test:80/a" },
      }),
      curl("its address", 403, { path: "/a" }),
    ],
  },
  {
    name: "headers",
    port: 9004,
    rule: { http: [{ headers: ["X-Role: clerk", "X-Trace"] }] },
    rows: [
      ...curlOfAllVersions("both", 200, {
        path: "/a",
        headers: ["x-role: clerk", "x-trace: 1"],
        saw: { headers: { "x-role": "clerk", "x-trace": "1" } },
      }),
      ...curlOfAllVersions("one with another value", 403, {
        path: "/a",
        headers: ["X-Role: boss", "X-Trace: 1"],
      }),
      curl("one alone", 403, { path: "/a", headers: ["X-Role: clerk"] }),
      curl("one of them twice", 403, {
        path: "/a",
        headers: ["X-Role: clerk", "X-Role: boss", "X-Trace: 1"],
      }),
    ],
  },
  {
    name: "header-match",
    port: 9005,
    rule: { http: [{ headerMatches: [{ name: "X-Token", value: "right" }] }] },
    rows: [
      ...curlOfAllVersions("the value", 200, {
        path: "/a",
        ...token("right"),
        ...sawToken("right"),
      }),
      ...curlOfAllVersions("another", 403, { path: "/a", ...token("wrong") }),
      curl("none", 403, { path: "/a" }),
    ],
  },
  mismatch("log", 9006, "LOG", { right: "right", wrong: "wrong", none: undefined }),
  mismatch("add", 9007, "ADD", { right: "right", wrong: "wrong, right", none: "right" }),
  mismatch("delete", 9008, "DELETE", { right: "right", wrong: undefined, none: undefined }),
  mismatch("replace", 9009, "REPLACE", { right: "right", wrong: "right", none: "right" }),
  {
    name: "secret",
    port: 9010,
    rule: { http: [{ headerMatches: [{ name: "X-Token", secret }] }] },
    rows: [
      ...curlOfAllVersions("the Secret's value", 200, { path: "/a", ...token(secretToken) }),
      ...curlOfAllVersions("another", 403, { path: "/a", ...token("guessed") }),
      curl("none", 403, { path: "/a" }),
    ],
  },
  {
    name: "secret-replace",
    port: 9011,
    rule: { http: [{ headerMatches: [{ name: "X-Token", secret, mismatch: "REPLACE" }] }] },
    rows: [
      curl("the Secret's value", 200, {
        path: "/a",
        ...token(secretToken),
        ...sawToken(secretToken),
      }),
      ...curlOfAllVersions("another", 200, {
        path: "/a",
        ...token("guessed"),
        ...sawToken(secretToken),
      }),
      curl("none", 200, { path: "/a", ...sawToken(secretToken) }),
    ],
  },
  {
    name: "grpc",
    port: grpcPort,
    rule: { http: [{ method: "POST", path: "/shop\\.Orders/Get" }] },
    rows: [
      grpcCall("/shop.Orders/Get", "OK hello"),
      grpcCall("/shop.Orders/Delete", "PERMISSION_DENIED Access denied"),
    ],
  },
  {
    name: "websocket",
    port: 9012,
    rule: { http: [{ method: "GET", path: "/socket" }] },
    rows: [
      {
        what: "one that is allowed",
        ask: ({ authority }) => ({ kind: "websocket", url: `ws://${authority}/socket` }),
        comesTo: "echoed hello",
        flows: answered("HTTP/1.1", 101, "GET http://{to}/socket"),
      },
      {
        what: "another",
        ask: ({ authority }) => ({ kind: "websocket", url: `ws://${authority}/other` }),
        comesTo: "not opened",
        flows: refused("HTTP/1.1", 403, "GET http://{to}/other"),
      },
    ],
  },
  {
    name: "nothing",
    port: 9013,
    rule: { http: [] },
    rows: curlOfAllVersions("anything", 403, { path: "/a" }),
  },
  {
    name: "anything",
    port: 9014,
    rule: { http: [{}] },
    rows: [
      ...curlOfAllVersions("anything", 200, { path: "/a" }),
      curl("but what has no meaning", 400, { path: "/a%00" }),
    ],
  },
];

function mismatch(
  name: string,
  port: number,
  action: string,
  saw: Readonly<Record<"right" | "wrong" | "none", string | undefined>>,
): Group {
  // A value that is put right is nothing to tell of.
  const told = action === "LOG" ? { told: { headers: "x-token" } } : {};
  return {
    name: `mismatch-${name}`,
    port,
    rule: { http: [{ headerMatches: [{ name: "X-Token", value: "right", mismatch: action }] }] },
    rows: [
      curl("the value", 200, { path: "/a", ...token("right"), ...sawToken(saw.right) }),
      ...curlOfAllVersions("another", 200, {
        path: "/a",
        ...token("wrong"),
        ...sawToken(saw.wrong),
        ...told,
      }),
      curl("none", 200, { path: "/a", ...sawToken(saw.none), ...told }),
    ],
  };
}

function grpcCall(method: string, comesTo: string): Row {
  const request = `POST http://{to}${method}`;
  return {
    what: method,
    ask: ({ authority }) => ({ kind: "grpc", target: authority, method }),
    comesTo,
    flows: comesTo.startsWith("OK")
      ? [allowed(`HTTP/2 ${request}`, "request"), allowed(`HTTP/2 200 ${request}`, "reply")]
      : refused("HTTP/2", 403, request),
  };
}

/** Names of a row's host that are the target's address. */
function resolved({ port, address }: { port: number; address: string }): readonly string[] {
  const at = address.includes(":") ? `[${address}]` : address;
  return ["--resolve", `shop.test:${port}:${at}`, "--resolve", `evil.test:${port}:${at}`];
}
