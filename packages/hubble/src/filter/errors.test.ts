// What is wrong with a filter is said once, with the field, the value and the reason.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { FlowFilterSchema } from "../gen/flow/flow_pb.ts";
import { compileFilters } from "./compile.ts";
import { FilterError } from "./error.ts";

type Filter = MessageInitShape<typeof FlowFilterSchema>;

function errorOf(filter: Filter): string {
  try {
    compileFilters({ whitelist: [create(FlowFilterSchema, filter)] });
  } catch (error) {
    assert.ok(error instanceof FilterError, String(error));
    assert.equal(error.code, "filter_invalid");
    return error.message.replace("invalid filter whitelist[0].", "");
  }
  return "no error";
}

const cel = (expression: string): Filter => ({ experimental: { celExpression: [expression] } });

const rows: readonly (readonly [Filter, string])[] = [
  [{ sourceIp: ["10.0.0"] }, 'source_ip "10.0.0": not an IP address'],
  [{ sourceIp: ["10.0.0.01"] }, 'source_ip "10.0.0.01": not an IP address'],
  [{ sourceIp: [""] }, 'source_ip "": not an IP address'],
  [{ destinationIp: ["::1", "10.0.0.0/33"] }, 'destination_ip "10.0.0.0/33": not a CIDR prefix'],
  [{ sourceIpXlated: ["/8"] }, 'source_ip_xlated "/8": not a CIDR prefix'],
  [
    { sourcePod: [""] },
    'source_pod "": neither a namespace nor a name (NAMESPACE/NAME, NAME, NAMESPACE/ or /NAME)',
  ],
  [
    { destinationService: [""] },
    'destination_service "": neither a namespace nor a name (NAMESPACE/NAME, NAME, NAMESPACE/ or /NAME)',
  ],
  [{ sourceFqdn: [""] }, 'source_fqdn "": empty pattern'],
  [{ sourceFqdn: [" . "] }, 'source_fqdn " . ": empty pattern'],
  [{ sourceFqdn: ["a.io.."] }, 'source_fqdn "a.io..": more than one dot at its end'],
  [
    { destinationFqdn: ["a b.io"] },
    'destination_fqdn "a b.io": " " is neither a letter, a digit, "-", "_", "." nor "*"',
  ],
  [{ nodeName: [""] }, 'node_name "": empty pattern'],
  [{ nodeName: ["a/b/c"] }, 'node_name "a/b/c": more than one slash'],
  [
    { nodeName: ["a/[b]"] },
    'node_name "a/[b]": "[" is neither a letter, a digit, "-", "_", "." nor "*"',
  ],
  [{ sourceClusterName: ["a", ""] }, `source_cluster_name "": a cluster's name is not empty`],
  [{ sourceLabel: ["()"] }, 'source_label "()": not a label selector: found "()", expected a key'],
  [
    { destinationLabel: ["="] },
    'destination_label "=": not a label selector: found "=", expected a key',
  ],
  [
    { sourceLabel: ["any:k8s:x"] },
    `source_label "any:k8s:x": not a label selector: "any:k8s:x" is not a label's key`,
  ],
  [
    { sourceLabel: ["a,"] },
    'source_label "a,": not a label selector: found the end, expected a key',
  ],
  [
    { sourceLabel: ["a b"] },
    'source_label "a b": not a label selector: found "b", expected one of =, ==, !=, in, notin, <, >',
  ],
  [
    { sourceLabel: ["a in b"] },
    'source_label "a in b": not a label selector: found "b", expected "("',
  ],
  [
    { sourceLabel: ["a in (b c)"] },
    'source_label "a in (b c)": not a label selector: found "c)", expected a comma or ")"',
  ],
  [
    { sourceLabel: ["a=b:c"] },
    `source_label "a=b:c": not a label selector: "b:c" is not a label's value`,
  ],
  [
    { sourceLabel: ["a > b"] },
    'source_label "a > b": not a label selector: found "b", expected an integer',
  ],
  [
    { sourceLabel: ["!a=b"] },
    'source_label "!a=b": not a label selector: found "=b", expected a comma or the end',
  ],
  [{ nodeLabels: [")"] }, 'node_labels ")": not a label selector: found ")", expected a key'],
  [{ sourcePort: ["65536"] }, 'source_port "65536": not a port number (0 to 65535)'],
  [{ destinationPort: ["-1"] }, 'destination_port "-1": not a port number (0 to 65535)'],
  [{ destinationPort: ["http"] }, 'destination_port "http": not a port number (0 to 65535)'],
  [
    { protocol: ["ipx"] },
    'protocol "ipx": not a protocol (icmp, icmpv4, icmpv6, igmp, vrrp, sctp, tcp, udp, dns, http, kafka)',
  ],
  [
    { protocol: ["constructor"] },
    /* not of Object's prototype */ errorOf({ protocol: ["x"] }).replace('"x"', '"constructor"'),
  ],
  [{ httpStatusCode: ["600"] }, 'http_status_code "600": not a status code ("404", "40+" or "4+")'],
  [
    { httpStatusCode: ["404+"] },
    'http_status_code "404+": not a status code ("404", "40+" or "4+")',
  ],
  [
    { httpStatusCode: ["x404"] },
    'http_status_code "x404": not a status code ("404", "40+" or "4+")',
  ],
  [
    { httpStatusCode: ["404"], eventType: [{ type: 1 }, { type: 4 }] },
    'event_type "1,4": together with http_status_code, event types must include 129 (L7)',
  ],
  [
    { httpHeader: [{}], eventType: [{ type: 0 }] },
    'event_type "0": together with http_header, event types must include 129 (L7)',
  ],
  [{ dnsQuery: ["("] }, 'dns_query "(": not a regular expression (RE2): missing closing ): `(`'],
  [
    { httpPath: ["a(?=b)"] },
    'http_path "a(?=b)": not a regular expression (RE2): invalid or unsupported Perl syntax: `(?=`',
  ],
  [
    { httpUrl: ["(a{1000}){1000}"] },
    'http_url "(a{1000}){1000}": not a regular expression (RE2): invalid repeat count: `{1000}`',
  ],
  [
    { httpUrl: ["(?:abc|def){1000}"] },
    'http_url "(?:abc|def){1000}": too large a regular expression',
  ],
  [cel(""), 'experimental.cel_expression "": Unexpected token: EOF'],
  [cel("_flow.nope == 1"), 'experimental.cel_expression "_flow.nope == 1": No such key: nope'],
  [cel("_flow"), 'experimental.cel_expression "_flow": has type flow.Flow, not bool'],
  [cel("something"), 'experimental.cel_expression "something": Unknown variable: something'],
  [
    cel("_flow.l4.TCP.source_port == 80"),
    'experimental.cel_expression "_flow.l4.TCP.source_port == 80": no such overload: uint == int',
  ],
  [
    cel("_flow.verdict == Verdict.NOPE"),
    'experimental.cel_expression "_flow.verdict == Verdict.NOPE": Verdict has no value NOPE',
  ],
  [cel("has(_flow.nope)"), 'experimental.cel_expression "has(_flow.nope)": no such field: nope'],
  [
    cel("cel.bind(x, 1, x == 1)"),
    'experimental.cel_expression "cel.bind(x, 1, x == 1)": cel is not supported',
  ],
  [
    cel("_flow.source['pod_name'] == ''"),
    `experimental.cel_expression "_flow.source['pod_name'] == ''": a message's field is written with a dot`,
  ],
  [
    cel("'a'.trim() == 'a'"),
    `experimental.cel_expression "'a'.trim() == 'a'": function trim with 0 arguments is not supported`,
  ],
  [
    cel("'a'.matches('(')"),
    'experimental.cel_expression "(": not a regular expression (RE2): missing closing ): `(`',
  ],
  [
    cel("_flow.uuid.matches(_flow.uuid)"),
    'experimental.cel_expression "_flow.uuid.matches(_flow.uuid)": matches() takes a literal expression',
  ],
];

test("each wrong field is refused with its value and the reason", () => {
  for (const [filter, expected] of rows) assert.equal(errorOf(filter), expected);
});

test("the error says which filter of which list it is", () => {
  const good = create(FlowFilterSchema, { uuid: ["a"] });
  const bad = create(FlowFilterSchema, { sourcePort: ["x"] });
  assert.throws(() => compileFilters({ whitelist: [good], blacklist: [good, bad] }), {
    message: 'invalid filter blacklist[1].source_port "x": not a port number (0 to 65535)',
    place: "blacklist[1]",
    field: "source_port",
    value: "x",
  });
});

test("a field of a newer version is refused, not passed over", () => {
  // Field 41, a string of one byte.
  const filter = fromBinary(FlowFilterSchema, Uint8Array.of(0xca, 0x02, 1, 0x61));
  assert.throws(() => compileFilters({ whitelist: [filter] }), {
    message: 'invalid filter whitelist[0].(number 41) "": not a known field',
  });
});

test("a request with too many filters, values or expressions is refused before any is compiled", () => {
  const many = (count: number, filter: Filter) =>
    Array.from({ length: count }, () => create(FlowFilterSchema, filter));
  const refused = { message: /at most 1000 filters with 10000 values and 100 expressions/ };
  assert.throws(() => compileFilters({ whitelist: many(1_001, {}) }), refused);
  const ports = { sourcePort: Array.from({ length: 101 }, String) };
  assert.throws(() => compileFilters({ blacklist: many(100, ports) }), refused);
  assert.throws(() => compileFilters({ whitelist: many(101, cel("true")) }), refused);
});

test("a long value is cut in the message, and control characters are escaped", () => {
  const message = errorOf({ sourcePod: [`\u001b[31m${"/".repeat(500)}`] });
  assert.equal(message, "no error");
  const port = errorOf({ sourcePort: [`\u001b[31m${"x".repeat(500)}`] });
  assert.ok(port.startsWith(String.raw`source_port "\u001b[31mxxx`), port);
  assert.ok(port.length < 300);
});
