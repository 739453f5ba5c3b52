import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { SniRuleSet } from "@tsilium/policy/model.ts";
import type { AddressSchema } from "./gen/envoy/config/core/v3/address_pb.ts";
import { RequestMethod } from "./gen/envoy/config/core/v3/base_pb.ts";
import {
  type AccessLogCommonSchema,
  HTTPAccessLogEntry_HTTPVersion as HttpVersion,
  HTTPAccessLogEntrySchema,
  TCPAccessLogEntrySchema,
} from "./gen/envoy/data/accesslog/v3/accesslog_pb.ts";
import { httpRecords, sniRecord } from "./access-log.ts";

const address = (text: string, port: number): MessageInitShape<typeof AddressSchema> => ({
  address: {
    case: "socketAddress",
    value: { address: text, portSpecifier: { case: "portValue", value: port } },
  },
});

function records(
  routeName: string,
  code: number,
  common: Partial<MessageInitShape<typeof AccessLogCommonSchema>> = {},
) {
  const entry = create(HTTPAccessLogEntrySchema, {
    protocolVersion: HttpVersion.HTTP11,
    commonProperties: {
      downstreamRemoteAddress: address("10.244.0.5", 40_000),
      downstreamLocalAddress: address("fd00::1", 80),
      startTime: { seconds: 1_700_000_000n, nanos: 5 },
      timeToFirstDownstreamTxByte: { nanos: 2_000_000 },
      duration: { seconds: 9n },
      routeName,
      ...common,
    } as MessageInitShape<typeof AccessLogCommonSchema>,
    request: { requestMethod: RequestMethod.GET, scheme: "http", authority: "shop", path: "/a?b" },
    response: { responseCode: code },
  });
  return httpRecords(entry, { port: 10_001, direction: "egress" });
}

const line = ({ verdict, rule, timeNs, l7, client, server }: ReturnType<typeof records>[number]) =>
  l7.kind === "http"
    ? `${timeNs.slice(-8)} ${client.address}:${client.port} > ${server.address}:${server.port} ${verdict} ${rule}: ${l7.type} ${l7.protocol} ${l7.method} ${l7.url} ${l7.code} ${l7.latencyNs}`
    : "";

const rows: readonly (readonly [
  sentence: string,
  records: ReturnType<typeof records>,
  lines: string[],
])[] = [
  [
    "an allowed request and its answer",
    records("rule/17", 200),
    [
      "00000005 10.244.0.5:40000 > fd00::1:80 forwarded 17: 1 HTTP/1.1 GET http://shop/a?b 0 0",
      "02000005 10.244.0.5:40000 > fd00::1:80 forwarded 17: 2 HTTP/1.1 GET http://shop/a?b 200 2000000",
    ],
  ],
  [
    "a denied request",
    records("deny/9", 403),
    [
      "00000005 10.244.0.5:40000 > fd00::1:80 denied 9: 1 HTTP/1.1 GET http://shop/a?b 0 0",
      "02000005 10.244.0.5:40000 > fd00::1:80 forwarded 0: 2 HTTP/1.1 GET http://shop/a?b 403 0",
    ],
  ],
  [
    "what no request should look like",
    records("malformed", 400),
    [
      "00000005 10.244.0.5:40000 > fd00::1:80 denied 0: 1 HTTP/1.1 GET http://shop/a?b 0 0",
      "02000005 10.244.0.5:40000 > fd00::1:80 forwarded 0: 2 HTTP/1.1 GET http://shop/a?b 400 0",
    ],
  ],
  [
    "what would be denied, in audit mode",
    records("audit/9", 200),
    [
      "00000005 10.244.0.5:40000 > fd00::1:80 audit 9: 1 HTTP/1.1 GET http://shop/a?b 0 0",
      "02000005 10.244.0.5:40000 > fd00::1:80 audit 9: 2 HTTP/1.1 GET http://shop/a?b 200 2000000",
    ],
  ],
  [
    "a server that does not answer",
    records("rule/17", 503, { responseFlags: { upstreamConnectionFailure: true } }),
    [
      "00000005 10.244.0.5:40000 > fd00::1:80 forwarded 17: 1 HTTP/1.1 GET http://shop/a?b 0 0",
      "02000005 10.244.0.5:40000 > fd00::1:80 error 17: 2 HTTP/1.1 GET http://shop/a?b 503 2000000",
    ],
  ],
  ["an entry without addresses", records("rule/17", 200, { downstreamRemoteAddress: {} }), []],
  [
    "a route that is none of ours",
    records("rule/x", 200),
    ["00000005 10.244.0.5:40000 > fd00::1:80 denied 0: 1 HTTP/1.1 GET http://shop/a?b 0 0"],
  ],
];
for (const [sentence, found, lines] of rows) {
  test(`${sentence} becomes ${lines.length} records`, () =>
    assert.deepEqual(found.map(line), lines));
}

const names: SniRuleSet = {
  kind: "sni",
  direction: "egress",
  audit: false,
  denyRule: 9,
  rules: [
    { rule: 11, match: { serverName: "api.example" } },
    { rule: 12, match: { serverName: "*.example" } },
  ],
};
const handshakes: readonly (readonly [
  sentence: string,
  common: Partial<MessageInitShape<typeof AccessLogCommonSchema>>,
  audit: boolean,
  expected: string,
])[] = [
  [
    "a name of the first rule",
    { tlsProperties: { tlsSniHostname: "api.example" }, upstreamCluster: "c" },
    false,
    "forwarded 11 https://api.example TLS",
  ],
  [
    "a name of the second",
    { tlsProperties: { tlsSniHostname: "b.example" }, upstreamCluster: "c" },
    false,
    "forwarded 12 https://b.example TLS",
  ],
  [
    "another name",
    { tlsProperties: { tlsSniHostname: "b.c.example" } },
    false,
    "denied 9 https://b.c.example TLS",
  ],
  ["no name", {}, false, "denied 9  TLS"],
  ["no name in audit mode", { upstreamCluster: "c" }, true, "audit 9  TLS"],
  [
    "a server that does not answer",
    {
      tlsProperties: { tlsSniHostname: "api.example" },
      upstreamCluster: "c",
      responseFlags: { upstreamConnectionFailure: true },
    },
    false,
    "error 11 https://api.example TLS",
  ],
];
for (const [sentence, common, audit, expected] of handshakes) {
  test(`a handshake with ${sentence} is ${expected}`, () => {
    const entry = create(TCPAccessLogEntrySchema, {
      commonProperties: {
        downstreamRemoteAddress: address("10.244.0.5", 40_000),
        downstreamLocalAddress: address("203.0.113.10", 443),
        ...common,
      } as MessageInitShape<typeof AccessLogCommonSchema>,
    });
    const record = sniRecord(entry, { port: 10_512, ruleSet: { ...names, audit } });
    const l7 = record?.l7.kind === "http" ? `${record.l7.url} ${record.l7.protocol}` : "";
    assert.equal(`${record?.verdict} ${record?.rule} ${l7}`, expected);
  });
}
