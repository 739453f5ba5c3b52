import assert from "node:assert/strict";
import { test } from "node:test";
import type { DnsLookupView, NameManagerView } from "../api.ts";
import { cachePath, lookupsText, namesText } from "./fqdn.ts";

const lookup: DnsLookupView = {
  fqdn: "api.shop.example.",
  "endpoint-id": 12,
  source: "lookup",
  "lookup-time": "2026-11-20T10:00:00.000Z",
  ttl: 60,
  "expiration-time": "2026-11-20T10:01:00.000Z",
  ips: ["203.0.113.1", "2001:db8::1"],
  alias: false,
};
const names: NameManagerView = {
  FQDNPolicySelectors: [
    { selectorString: "MatchName: api.shop.example, MatchPattern: ", regexString: "^a$", ips: 2 },
  ],
  refused: [{ address: "127.0.0.1", name: "evil.example", reason: "loopback" }],
  shared: [{ address: "203.0.113.1", allowed: "api.shop.example", other: "evil\u001b.example" }],
};

test("the cache is a table with Cilium's columns; aliases are marked", () => {
  const alias = {
    ...lookup,
    fqdn: "edge.cdn.example.",
    alias: true,
    source: "connection" as const,
  };
  assert.equal(
    lookupsText([lookup, { ...alias, ttl: 0 }]),
    `Endpoint   Source       FQDN                        TTL   ExpirationTime             IPs
12         lookup       api.shop.example.           60    2026-11-20T10:01:00.000Z   203.0.113.1,2001:db8::1
12         connection   edge.cdn.example. (alias)   0     2026-11-20T10:01:00.000Z   203.0.113.1,2001:db8::1
`,
  );
});

test("names are shown with what is refused and shared, without control characters", () => {
  assert.equal(
    namesText(names),
    `SELECTOR                                      REGEX   IPS
MatchName: api.shop.example, MatchPattern:    ^a$     2

REFUSED     NAME           WHY
127.0.0.1   evil.example   loopback

SHARED        ALLOWED NAME       REACHED AS WELL
203.0.113.1   api.shop.example   evil?.example
`,
  );
  assert.equal(namesText({ ...names, refused: [], shared: [] }).split("\n").length, 3);
});

test("what is asked for stands in the path and the query", () => {
  assert.equal(cachePath({}), "/v1/fqdn/cache");
  assert.equal(
    cachePath({ endpoint: "12", matchpattern: "*.a&b", source: "lookup" }),
    "/v1/fqdn/cache/12?matchpattern=*.a%26b&source=lookup",
  );
});
