import assert from "node:assert/strict";
import { test } from "node:test";
import { type Guard, hostsOf, isLoopback, refusal } from "./guard.ts";

const local: Guard = {
  scheme: "http",
  hosts: hostsOf({ host: "127.0.0.1", port: 12_000 }, []),
  token: undefined,
};
const secret: Guard = { ...local, token: "a-token-of-some-length" };
const here = { host: "127.0.0.1:12000" };

type Headers = Parameters<typeof refusal>[1]["headers"];
const rows: readonly (readonly [string, Guard, string, Headers, boolean, number | undefined])[] = [
  [
    "the page's own request",
    local,
    "GET",
    { ...here, "sec-fetch-site": "same-origin" },
    true,
    undefined,
  ],
  ["a program without a browser's headers", local, "GET", here, true, undefined],
  ["localhost", local, "GET", { host: "localhost:12000" }, true, undefined],
  ["a host in capitals", local, "GET", { host: "LocalHost:12000" }, true, undefined],
  ["IPv6 loopback", local, "GET", { host: "[::1]:12000" }, true, undefined],
  ["DNS rebinding", local, "GET", { host: "evil.example:12000" }, true, 421],
  ["DNS rebinding for the page itself", local, "GET", { host: "evil.example:12000" }, false, 421],
  ["another port's name", local, "GET", { host: "127.0.0.1:80" }, true, 421],
  ["no host", local, "GET", {}, true, 421],
  ["another origin", local, "GET", { ...here, origin: "https://evil.example" }, true, 403],
  [
    "another port of this machine as origin",
    local,
    "GET",
    { ...here, origin: "http://127.0.0.1:3000" },
    true,
    403,
  ],
  ["an origin that hides", local, "GET", { ...here, origin: "null" }, true, 403],
  ["its own origin", local, "GET", { ...here, origin: "http://127.0.0.1:12000" }, true, undefined],
  [
    "another site without an origin",
    local,
    "GET",
    { ...here, "sec-fetch-site": "cross-site" },
    true,
    403,
  ],
  [
    "another page of the same site",
    local,
    "GET",
    { ...here, "sec-fetch-site": "same-site" },
    true,
    403,
  ],
  [
    "a link to the page",
    local,
    "GET",
    { ...here, "sec-fetch-site": "cross-site" },
    false,
    undefined,
  ],
  ["something that would change things", local, "POST", here, true, 405],
  ["a head of data", local, "HEAD", here, true, 405],
  ["a head of the page", local, "HEAD", here, false, undefined],
  ["no token", secret, "GET", here, true, 401],
  [
    "a wrong token",
    secret,
    "GET",
    { ...here, authorization: "Bearer a-token-of-some-lengtH" },
    true,
    401,
  ],
  [
    "a token in another scheme",
    secret,
    "GET",
    { ...here, authorization: "Basic a-token-of-some-length" },
    true,
    401,
  ],
  [
    "the token",
    secret,
    "GET",
    { ...here, authorization: "Bearer a-token-of-some-length" },
    true,
    undefined,
  ],
  ["the page without a token", secret, "GET", here, false, undefined],
];
for (const [what, guard, method, headers, isData, status] of rows) {
  test(`${what}: ${status ?? "let through"}`, () => {
    assert.equal(refusal(guard, { method, headers, isData })?.status, status);
  });
}

test("a server elsewhere answers for its address and the names that it was given", () => {
  assert.deepEqual(
    [...hostsOf({ host: "fd00::5", port: 12_000 }, ["Hubble.Example", "10.0.0.1"])],
    ["[fd00::5]:12000", "hubble.example:12000", "10.0.0.1:12000"],
  );
  assert.deepEqual([...hostsOf({ host: "10.0.0.1", port: 443 }, [])], ["10.0.0.1", "10.0.0.1:443"]);
});

for (const [host, expected] of [
  ["127.0.0.1", true],
  ["127.8.9.10", true],
  ["localhost", true],
  ["::1", true],
  ["0.0.0.0", false],
  ["", false],
  ["::", false],
  ["127.0.0.1.evil.example", false],
  ["10.0.0.1", false],
] as const) {
  test(`"${host}" ${expected ? "is" : "is not"} loopback`, () => {
    assert.equal(isLoopback(host), expected);
  });
}
