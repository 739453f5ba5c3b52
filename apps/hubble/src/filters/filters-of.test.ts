import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { newContext } from "../commands/context.ts";
import { addFilterOptions } from "../commands/observe-options.ts";
import { filtersOf } from "./filters-of.ts";
import { filterListsText } from "./raw-filter.ts";

/** What --print-raw-filters prints for a command line, or what is wrong with it. */
function rawFilters(line: string): string {
  const context = newContext();
  const command = addFilterOptions(new Command("observe"), context)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  try {
    command.parse(line === "" ? [] : line.split(" "), { from: "user" });
    return filterListsText(filtersOf(context.filters));
  } catch (error) {
    return `${(error as Error).message}\n`;
  }
}

/** Command line -> filters: "+" of the allowlist, "-" of the denylist. */
const rows: readonly (readonly [string, ...string[]])[] = [
  [""],
  // Either end is two filters, of which one has to match.
  ["--pod shop/web", '+{"source_pod":["shop/web"]}', '+{"destination_pod":["shop/web"]}'],
  ["--from-pod web --to-pod db", '+{"source_pod":["web"],"destination_pod":["db"]}'],
  ["--pod a --pod b", '+{"source_pod":["a","b"]}', '+{"destination_pod":["a","b"]}'],
  [
    "--ip 1.2.3.4 --ip 5.6.7.0/24",
    '+{"source_ip":["1.2.3.4","5.6.7.0/24"]}',
    '+{"destination_ip":["1.2.3.4","5.6.7.0/24"]}',
  ],
  ["--from-ip fd00::/8", '+{"source_ip":["fd00::/8"]}'],
  ["--to-ip 10.0.0.1", '+{"destination_ip":["10.0.0.1"]}'],
  ["--snat-ip 2.2.2.2/16", '+{"source_ip_xlated":["2.2.2.2/16"]}'],
  [
    "--fqdn *.cilium.io",
    '+{"source_fqdn":["*.cilium.io"]}',
    '+{"destination_fqdn":["*.cilium.io"]}',
  ],
  ["--from-fqdn a.io --to-ip 1.1.1.1", '+{"source_fqdn":["a.io"],"destination_ip":["1.1.1.1"]}'],
  ["--to-fqdn b.io", '+{"destination_fqdn":["b.io"]}'],
  [
    "-l k1=v1,k2=v2 --label k3",
    '+{"source_label":["k1=v1,k2=v2","k3"]}',
    '+{"destination_label":["k1=v1,k2=v2","k3"]}',
  ],
  ["--from-label reserved:world", '+{"source_label":["reserved:world"]}'],
  ["--to-label app=web", '+{"destination_label":["app=web"]}'],
  ["--service foo", '+{"source_service":["foo"]}', '+{"destination_service":["foo"]}'],
  ["--from-service a --to-service b/c", '+{"source_service":["a"],"destination_service":["b/c"]}'],
  [
    "--workload app",
    '+{"source_workload":[{"name":"app"}]}',
    '+{"destination_workload":[{"name":"app"}]}',
  ],
  ["--from-workload Deployment/app", '+{"source_workload":[{"name":"app","kind":"Deployment"}]}'],
  ["--to-workload Deployment/", '+{"destination_workload":[{"kind":"Deployment"}]}'],
  [
    "--identity 1 --identity world",
    '+{"source_identity":[1,2]}',
    '+{"destination_identity":[1,2]}',
  ],
  ["--from-identity kube-apiserver", '+{"source_identity":[7]}'],
  ["--to-identity 4294967295", '+{"destination_identity":[4294967295]}'],
  ["--port 80", '+{"source_port":["80"]}', '+{"destination_port":["80"]}'],
  ["--from-port 80 --to-port 81", '+{"source_port":["80"],"destination_port":["81"]}'],
  [
    "--cluster foo --cluster bar",
    '+{"source_cluster_name":["foo","bar"]}',
    '+{"destination_cluster_name":["foo","bar"]}',
  ],
  ["--from-cluster foo", '+{"source_cluster_name":["foo"]}'],
  ["--to-cluster foo", '+{"destination_cluster_name":["foo"]}'],
  // Namespaces go into the names of pods and services.
  ["-n shop", '+{"source_pod":["shop/"]}', '+{"destination_pod":["shop/"]}'],
  [
    "--namespace shop --port 443",
    '+{"source_pod":["shop/"],"source_port":["443"]}',
    '+{"destination_pod":["shop/"],"destination_port":["443"]}',
  ],
  ["--from-namespace shop --from-port 443", '+{"source_pod":["shop/"],"source_port":["443"]}'],
  [
    "--to-namespace shop --port 443",
    '+{"destination_pod":["shop/"],"source_port":["443"]}',
    '+{"destination_pod":["shop/"],"destination_port":["443"]}',
  ],
  ["-n shop --pod web", '+{"source_pod":["shop/web"]}', '+{"destination_pod":["shop/web"]}'],
  [
    "-n shop --service foo",
    '+{"source_service":["shop/foo"]}',
    '+{"destination_service":["shop/foo"]}',
  ],
  [
    "-n a -n b --service f --service g",
    '+{"source_service":["a/f","b/f","a/g","b/g"]}',
    '+{"destination_service":["a/f","b/f","a/g","b/g"]}',
  ],
  ["--to-namespace shop --to-pod shop/web", '+{"destination_pod":["shop/web"]}'],
  ["--from-namespace a --to-pod b/web", '+{"source_pod":["a/"],"destination_pod":["b/web"]}'],
  ["-A", '+{"source_pod":["/"]}', '+{"destination_pod":["/"]}'],
  ["--to-all-namespaces --to-pod foo", '+{"destination_pod":["/foo"]}'],
  ["--from-all-namespaces --from-service bar", '+{"source_service":["/bar"]}'],
  [
    "--all-namespaces --service bar",
    '+{"source_service":["/bar"]}',
    '+{"destination_service":["/bar"]}',
  ],
  // What is of no end.
  ["--verdict DROPPED --verdict audit", '+{"verdict":["DROPPED","AUDIT"]}'],
  ["--drop-reason-desc POLICY_DENIED", '+{"drop_reason_desc":["POLICY_DENIED"]}'],
  ["-t l7", '+{"event_type":[{"type":129}]}'],
  [
    "-t trace:to-endpoint --type trace:from-stack",
    '+{"event_type":[{"type":4,"match_sub_type":true},{"type":4,"match_sub_type":true,"sub_type":8}]}',
  ],
  [
    "-t drop:133 -t 254 -t 255:127",
    '+{"event_type":[{"type":1,"match_sub_type":true,"sub_type":133},{"type":254},{"type":255,"match_sub_type":true,"sub_type":127}]}',
  ],
  [
    "-t policy-verdict -t trace-sock:post-xlate-fwd",
    '+{"event_type":[{"type":5},{"type":8,"match_sub_type":true,"sub_type":2}]}',
  ],
  [
    "-t agent:policy-updated -t agent:3",
    '+{"event_type":[{"type":130,"match_sub_type":true,"sub_type":5},{"type":130,"match_sub_type":true,"sub_type":3}]}',
  ],
  ["--protocol tcp --protocol http", '+{"protocol":["tcp","http"]}'],
  ["--tcp-flags syn,ack --tcp-flags FIN", '+{"tcp_flags":[{"SYN":true,"ACK":true},{"FIN":true}]}'],
  [
    "--traffic-direction INGRESS --traffic-direction EgrEss",
    '+{"traffic_direction":["INGRESS","EGRESS"]}',
  ],
  ["--reply", '+{"reply":[true]}'],
  ["--not --reply", '-{"reply":[true]}'],
  ["--ip-version none", '+{"ip_version":["IP_NOT_USED"]}'],
  ["-4 -6", '+{"ip_version":["IPv4","IPv6"]}'],
  ["--ipv6 --ip-version v4", '+{"ip_version":["IPv6","IPv4"]}'],
  ["--interface eth0", '+{"interface":[{"name":"eth0"}]}'],
  ["--encrypted", '+{"encrypted":[true]}'],
  ["--unencrypted", '+{"encrypted":[false]}'],
  ["--http-status 404 --http-status 5+", '+{"http_status_code":["404","5+"]}'],
  [
    "--http-method get --http-path /page/\\d+",
    '+{"http_method":["get"],"http_path":["/page/\\\\d+"]}',
  ],
  ["--http-url http://.*cilium\\.io/foo", '+{"http_url":["http://.*cilium\\\\.io/foo"]}'],
  [
    "--http-header foo:bar --http-header Foo:co:bar",
    '+{"http_header":[{"key":"foo","value":"bar"},{"key":"Foo","value":"co:bar"}]}',
  ],
  ["--dns-query cilium\\.io", '+{"dns_query":["cilium\\\\.io"]}'],
  [
    "--trace-id 5bd66ef5095369c7b0d1f8f4bd33716a",
    '+{"trace_id":["5bd66ef5095369c7b0d1f8f4bd33716a"]}',
  ],
  [
    "--ip-trace-id 1 --ip-trace-id 18446744073709551615",
    '+{"ip_trace_id":["1","18446744073709551615"]}',
  ],
  [
    "--node-name k8s* --node-label io.cilium.egress-gateway",
    '+{"node_name":["k8s*"],"node_labels":["io.cilium.egress-gateway"]}',
  ],
  [
    "--uuid b9fab269-04ae-495c-9d12-b6c36d41de0d",
    '+{"uuid":["b9fab269-04ae-495c-9d12-b6c36d41de0d"]}',
  ],
  [
    "--cel-expression _flow.verdict==Verdict.DROPPED",
    '+{"experimental":{"cel_expression":["_flow.verdict==Verdict.DROPPED"]}}',
  ],
  // Different flags all have to match, of either end.
  [
    "--pod cilium --to-identity 42",
    '+{"source_pod":["cilium"],"destination_identity":[42]}',
    '+{"destination_pod":["cilium"],"destination_identity":[42]}',
  ],
  [
    "--ip 1.2.3.4 --verdict DROPPED --not --pod deathstar --not --http-status 200 --http-method get --node-name k8s*",
    '+{"source_ip":["1.2.3.4"],"verdict":["DROPPED"],"http_method":["get"],"node_name":["k8s*"]}',
    '+{"destination_ip":["1.2.3.4"],"verdict":["DROPPED"],"http_method":["get"],"node_name":["k8s*"]}',
    '-{"source_pod":["deathstar"],"http_status_code":["200"]}',
    '-{"destination_pod":["deathstar"],"http_status_code":["200"]}',
  ],
  // --not is for the next filter alone.
  [
    "--from-ip 1.2.3.4 --not --to-ip 5.5.5.5 -t l7",
    '+{"source_ip":["1.2.3.4"],"event_type":[{"type":129}]}',
    '-{"destination_ip":["5.5.5.5"]}',
  ],
  [
    "--not -n kube-system --not -4",
    '-{"source_pod":["kube-system/"],"ip_version":["IPv4"]}',
    '-{"destination_pod":["kube-system/"],"ip_version":["IPv4"]}',
  ],
  // A list that is allowed and one that is denied do not conflict.
  [
    "--pod a --not --from-pod b",
    '+{"source_pod":["a"]}',
    '+{"destination_pod":["a"]}',
    '-{"source_pod":["b"]}',
  ],
];

for (const [line, ...filters] of rows) {
  test(`hubble observe ${line}`, () => {
    const list = (name: string, sign: string) => {
      const lines = filters.filter((filter) => filter.startsWith(sign));
      return lines.length === 0
        ? ""
        : `${name}:\n${lines.map((text) => `    - '${text.slice(1)}'\n`).join("")}`;
    };
    assert.equal(rawFilters(line), list("allowlist", "+") + list("denylist", "-") || "{}\n");
  });
}

const refused: readonly (readonly [string, RegExp])[] = [
  ["--from-ip 1.2.3.4 --not", /^--not has no filter behind it/],
  ["--not --not --pod a", /^one --not follows another/],
  ["--verdict dropt", /--verdict.*dropt.*One of FORWARDED, DROPPED/],
  ["-t some-invalid-type", /There is no type "some-invalid-type": capture, drop/],
  ["-t trace:nowhere", /"trace" has no subtype "nowhere": from-endpoint/],
  ["-t drop:some", /Subtypes of "drop" are numbers/],
  ["-t constructor", /There is no type "constructor"/],
  ["--tcp-flags syn,", /There is no TCP flag ""/],
  ["--tcp-flags syn,unknown", /There is no TCP flag "UNKNOWN"/],
  ["--identity bad", /An identity is a number, or one of host, world/],
  ["--identity 4294967296", /An identity is a number/],
  ["--traffic-direction up", /Either ingress or egress/],
  ["--ip-version 5", /One of none, v4, v6/],
  ["--http-header foobar", /Write it as "name:value"/],
  ["--ip-trace-id 0", /A whole number greater than 0/],
  ["--drop-reason-desc no-reason!", /A name such as "POLICY_DENIED"/],
  ["--to-namespace a --to-pod b/web", /^the destination cannot be "b\/web" and in namespace "a"/],
  ["--from-namespace a --from-service b/f", /^the source cannot be "b\/f" and in namespace "a"/],
  ["--from-service b/f --from-pod a/p", /^the source cannot be pod "a\/p" and service "b\/f"/],
];

for (const [line, message] of refused) {
  test(`refused: hubble observe ${line}`, () => assert.match(rawFilters(line), message));
}

const contradictions = [
  "port to-port",
  "port from-port",
  "identity to-identity",
  "identity from-identity",
  "workload to-workload",
  "workload from-workload",
  "fqdn from-fqdn",
  "fqdn to-fqdn",
  "ip from-ip",
  "ip to-ip",
  "label from-label",
  "label to-label",
  "service from-service",
  "service to-service",
  "pod from-pod",
  "pod to-pod",
  "namespace from-namespace",
  "namespace to-namespace",
  "all-namespaces from-all-namespaces",
  "all-namespaces to-all-namespaces",
  "ip fqdn",
  "ip from-fqdn",
  "ip to-fqdn",
  "from-ip from-fqdn",
  "from-ip fqdn",
  "to-ip fqdn",
  "to-ip to-fqdn",
  "ip pod",
  "ip from-pod",
  "ip to-pod",
  "from-ip from-pod",
  "from-ip pod",
  "to-ip pod",
  "to-ip to-pod",
  "ip namespace",
  "ip all-namespaces",
  "ip from-namespace",
  "ip to-namespace",
  "from-ip from-namespace",
  "from-ip from-all-namespaces",
  "from-ip namespace",
  "to-ip to-namespace",
  "to-ip to-all-namespaces",
  "to-ip namespace",
  "pod fqdn",
  "pod from-fqdn",
  "pod to-fqdn",
  "from-pod from-fqdn",
  "from-pod namespace",
  "from-pod all-namespaces",
  "to-pod to-fqdn",
  "to-pod namespace",
  "namespace fqdn",
  "namespace from-service",
  "namespace to-service",
  "namespace all-namespaces",
  "from-namespace from-all-namespaces",
  "to-namespace all-namespaces",
  "all-namespaces from-service",
  "encrypted unencrypted",
];

test("flags that ask for what no flow can be are refused together, on either list", () => {
  const word = (name: string) =>
    /namespaces$|encrypted$/.test(name)
      ? `--${name}`
      : `--${name} ${/identity|port/.test(name) ? 1 : "x"}`;
  for (const pair of contradictions) {
    const [one = "", other = ""] = pair.split(" ");
    const message = /^filters --[a-z-]+ and --[a-z-]+ cannot be combined/;
    assert.match(rawFilters(`${word(one)} ${word(other)}`), message, pair);
    assert.match(rawFilters(`--not ${word(one)} --not ${word(other)}`), message, pair);
  }
});

test("printed filters have nothing that YAML or a terminal would take for something else", () => {
  const text = filterListsText({
    allowlist: [{ http_path: ["it's\u001b[2J\u009b1m\u202e"] }],
    denylist: [],
  });
  assert.equal(text, `allowlist:\n    - '{"http_path":["it''s\\u001b[2J\\u009b1m\\u202e"]}'\n`);
});
