import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError } from "@tsilium/runtime/config.ts";
import { loadConfig } from "./load.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-config-"));
after(() => rmSync(folder, { recursive: true }));

function folderOf(files: Record<string, string>): string {
  const path = mkdtempSync(join(folder, "dir-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

function problemsOf(args: string[], environment: Record<string, string> = {}): string {
  try {
    loadConfig(args, environment);
    return "";
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.join("\n");
  }
}

test("without settings every key has its default", () => {
  const { values, sources } = loadConfig([], {});
  assert.equal(values["routing-mode"], "tunnel");
  assert.equal(values["tunnel-port"], 8472);
  assert.ok(Object.values(sources).every((source) => source === "default"));
});

test("a flag beats the environment, which beats the folder, which beats the default", () => {
  const dir = folderOf({ "tunnel-port": "1\n", mtu: "1400", "cluster-name": "from-dir" });
  const { values, sources } = loadConfig(["--config-dir", dir, "--tunnel-port=3"], {
    TSILIUM_TUNNEL_PORT: "2",
    TSILIUM_MTU: "1300",
  });
  assert.deepEqual(
    (["tunnel-port", "mtu", "cluster-name", "devices"] as const).map((key) => [
      key,
      values[key],
      sources[key],
    ]),
    [
      ["tunnel-port", 3, "flag"],
      ["mtu", 1300, "environment"],
      ["cluster-name", "from-dir", "config-dir"],
      ["devices", [], "default"],
    ],
  );
});

test("Cilium's variables and the manifests' K8S_NODE_NAME are understood", () => {
  const { values } = loadConfig([], { CILIUM_ENABLE_IPV6: "false", K8S_NODE_NAME: "node-7" });
  assert.deepEqual([values["enable-ipv6"], values["k8s-node-name"]], [false, "node-7"]);
});

test("a switch needs no value, and the last of two equal flags counts", () => {
  const { values } = loadConfig(
    ["--enable-ipv6", "false", "--mtu", "1400", "--enable-ipv6", "--mtu", "1500"],
    {},
  );
  assert.deepEqual([values["enable-ipv6"], values.mtu], [true, 1500]);
});

test("a mounted ConfigMap's own folders and Kubernetes' service variables are no keys", () => {
  const dir = folderOf({ ipam: "cluster-pool" });
  mkdirSync(join(dir, "..data"));
  const environment = {
    TSILIUM_OPERATOR_SERVICE_HOST: "10.96.0.7",
    TSILIUM_OPERATOR_PORT: "tcp://x",
  };
  assert.equal(problemsOf(["--config-dir", dir], environment), "");
});

const rows: readonly (readonly [string, string[], string])[] = [
  [
    "an unknown key",
    ["--routing-mod", "native"],
    '--routing-mod: unknown key "routing-mod", did you mean "routing-mode"?',
  ],
  ["an unknown key like no other", ["--xyzzyxyzzy=1"], '--xyzzyxyzzy: unknown key "xyzzyxyzzy"'],
  [
    "part of a key",
    ["--masquerade=1"],
    '--masquerade: unknown key "masquerade", did you mean "enable-ipv4-masquerade"?',
  ],
  ["a word that is no flag", ["native"], '"native" is not a flag: wanted --key value'],
  ["a flag without a value", ["--mtu"], "--mtu has no value"],
  [
    "a flag that takes the next flag for its value",
    ["--mtu", "--tunnel-protocol=x"],
    '--mtu has no value\n--tunnel-protocol: tunnel-protocol: wanted vxlan, got "x"',
  ],
  [
    "a mode that does not exist",
    ["--routing-mode=bridge"],
    '--routing-mode: routing-mode: wanted tunnel or native, got "bridge"',
  ],
  [
    "a port out of range",
    ["--tunnel-port=70000"],
    '--tunnel-port: tunnel-port: wanted a whole number from 1 to 65535, got "70000"',
  ],
  [
    "a switch that is neither on nor off",
    ["--enable-ipv4=maybe"],
    '--enable-ipv4: enable-ipv4: wanted true or false, got "maybe"',
  ],
  [
    "a CIDR of the wrong family",
    ["--ipv4-native-routing-cidr=fd00::/8"],
    '--ipv4-native-routing-cidr: ipv4-native-routing-cidr: wanted an IPv4 CIDR, got "fd00::/8"',
  ],
  [
    "a time without a unit",
    ["--conntrack-gc-interval=30"],
    '--conntrack-gc-interval: conntrack-gc-interval: wanted a time such as 90s or 5m, got "30"',
  ],
  [
    "a way to match CIDRs that does not exist",
    ["--policy-cidr-match-mode=nodes,world"],
    '--policy-cidr-match-mode: policy-cidr-match-mode: wanted words of nodes and pods, got "nodes,world"',
  ],
  [
    "ports the wrong way round",
    ["--node-port-range=9,8"],
    '--node-port-range: node-port-range: wanted two ports, first,last, got "9,8"',
  ],
  [
    "no family",
    ["--enable-ipv4=false", "--enable-ipv6=false"],
    "enable-ipv4 and enable-ipv6 are both false: pods would have no address",
  ],
  [
    "direct routes through a tunnel",
    ["--auto-direct-node-routes"],
    "auto-direct-node-routes needs routing-mode native",
  ],
  [
    "XDP and nothing that is served from outside",
    ["--bpf-lb-acceleration=native"],
    "bpf-lb-acceleration native needs one of enable-node-port, enable-external-ips, enable-host-port",
  ],
  [
    "direct answers and nothing that is served from outside",
    ["--kube-proxy-replacement", "--enable-node-port=false", "--enable-external-ips=false"].concat([
      "--enable-host-port=false",
      "--bpf-lb-mode=dsr",
    ]),
    "bpf-lb-mode dsr needs one of enable-node-port, enable-external-ips, enable-host-port",
  ],
  [
    "the node's sockets alone, and no sockets",
    ["--bpf-lb-sock-hostns-only"],
    "bpf-lb-sock-hostns-only needs bpf-lb-sock",
  ],
  [
    "kube-proxy's /healthz beside a kube-proxy",
    ["--kube-proxy-replacement-healthz-bind-address=:10256"],
    "kube-proxy-replacement-healthz-bind-address needs kube-proxy-replacement: kube-proxy's /healthz is kube-proxy's",
  ],
  [
    "a way to tell of the frontend that there is not",
    ["--bpf-lb-dsr-dispatch=geneve"],
    '--bpf-lb-dsr-dispatch: bpf-lb-dsr-dispatch: wanted opt or ipip, got "geneve"',
  ],
  [
    "a Maglev table whose size is no such prime",
    ["--bpf-lb-maglev-table-size=16380"],
    '--bpf-lb-maglev-table-size: bpf-lb-maglev-table-size: wanted 251 or 509 or 1021 or 2039 or 4093 or 8191 or 16381 or 32749 or 65521 or 131071, got "16380"',
  ],
  [
    "a seed that is too short",
    ["--bpf-lb-maglev-hash-seed=JLfvgnHc"],
    'bpf-lb-maglev-hash-seed: wanted 12 bytes in base64, got "JLfvgnHc"',
  ],
  [
    "addresses for node ports that are none",
    ["--nodeport-addresses=172.18.0.0/16,eth0"],
    '--nodeport-addresses: nodeport-addresses: wanted CIDRs (not a prefix: "eth0"), got "172.18.0.0/16,eth0"',
  ],
  [
    "a buffer of flows of a size that rings do not have",
    ["--hubble-event-buffer-capacity=4096"],
    '--hubble-event-buffer-capacity: hubble-event-buffer-capacity: wanted one less than a power of two, such as 4095, got "4096"',
  ],
  [
    "a TCP flag that is none",
    ["--monitor-aggregation-flags=syn,xyz"],
    '--monitor-aggregation-flags: monitor-aggregation-flags: wanted words of fin and syn and rst and psh and ack, got "syn,xyz"',
  ],
  [
    "flows served to other nodes and no certificates",
    ["--hubble-listen-address=:4244", "--hubble-tls-cert-file=/c"],
    "hubble-listen-address needs hubble-tls-key-file, or hubble-disable-tls\nhubble-listen-address needs hubble-tls-client-ca-files, or hubble-disable-tls",
  ],
  [
    "a metric of flows that there is not",
    ["--hubble-metrics=tcp dropp"],
    'hubble-metrics: "dropp" is no metric: wanted dns, drop, flow, flows-to-world, http, httpV2, icmp, kafka, policy, port-distribution, tcp',
  ],
  [
    "headers that are kept and headers that are not",
    [
      "--hubble-redact-enabled",
      "--hubble-redact-http-headers-allow=a",
      "--hubble-redact-http-headers-deny=b",
    ],
    "hubble-redact-http-headers-allow and hubble-redact-http-headers-deny exclude each other",
  ],
  [
    "secrets to be left out and nothing that does it",
    ["--hubble-redact-http-urlquery", "--hubble-redact-http-headers-deny=b"],
    "hubble-redact-http-urlquery needs hubble-redact-enabled\nhubble-redact-http-headers-deny needs hubble-redact-enabled",
  ],
  [
    "metrics of flows that nobody could read",
    ["--hubble-metrics=tcp"],
    "hubble-metrics needs hubble-metrics-server, such as :9965",
  ],
  [
    "an option of metrics that there is not",
    ["--hubble-metrics=dns:rcode", "--hubble-metrics-server=:9965"],
    'hubble-metrics: dns: "rcode" is no option: wanted sourceContext, sourceEgressContext, sourceIngressContext, destinationContext, destinationEgressContext, destinationIngressContext, labelsContext, query, ignoreAAAA',
  ],
  [
    "a history that would keep nothing",
    ["--hubble-history-max-age=0s"],
    "hubble-history-max-age: wanted more than 0, or hubble-history=false",
  ],
  [
    "paths that begin nowhere",
    ["--hubble-export-file-path=flows.log", "--hubble-socket-path=hubble.sock"],
    'hubble-socket-path: wanted an absolute path, got "hubble.sock"\nhubble-export-file-path: wanted an absolute path or stdout, got "flows.log"',
  ],
  [
    "filters and fields of exported flows that there are not",
    [
      '--hubble-export-allowlist={"source_ip":["10.0.0.0/33"]}',
      "--hubble-export-denylist={verdict",
      "--hubble-export-fieldmask=time,nosuch",
    ],
    'hubble-export-allowlist: invalid filter whitelist[0].source_ip "10.0.0.0/33": not a CIDR prefix\nhubble-export-denylist: not a filter in JSON: {verdict\nhubble-export-fieldmask: flow.Flow has no field "nosuch"',
  ],
  [
    "an address that is none",
    ["--hubble-metrics-server=9965"],
    'hubble-metrics-server: "9965" is no listen address: wanted host:port',
  ],
  [
    "exemptions from masquerading that nobody does",
    ["--enable-ip-masq-agent", "--enable-ipv4-masquerade=false", "--enable-ipv6-masquerade=false"],
    "enable-ip-masq-agent says what is not masqueraded, and nothing is: set enable-ipv4-masquerade or enable-ipv6-masquerade",
  ],
  [
    "an ip-masq-agent file that is looked for from nowhere",
    ["--enable-ip-masq-agent", "--ip-masq-agent-config-path=config"],
    'ip-masq-agent-config-path: wanted an absolute path, got "config"',
  ],
  [
    "an engine that is looked for from nowhere",
    ["--haproxy-path=haproxy"],
    'haproxy-path: wanted an absolute path, got "haproxy"',
  ],
  [
    "Envoy, and no program for it",
    ["--l7-engine=envoy", "--envoy-path="],
    "l7-engine envoy needs envoy-path",
  ],
  [
    "a folder that is not there",
    ["--config-dir", "/nowhere"],
    "--config-dir: ENOENT: no such file or directory, scandir '/nowhere'",
  ],
];

for (const [name, args, expected] of rows) {
  test(`a configuration with ${name} is refused with the reason`, () => {
    assert.equal(problemsOf(args), expected);
  });
}

test("every problem is reported at once, with where it is", () => {
  const dir = folderOf({ mtuu: "1" });
  assert.equal(
    problemsOf(["--config-dir", dir], { TSILIUM_IPAMM: "x" }),
    `$TSILIUM_IPAMM: unknown key "ipamm", did you mean "ipam"?\n${dir}/mtuu: unknown key "mtuu", did you mean "mtu"?`,
  );
});

test("the parts of kube-proxy's work are as a whole unless they are set, and can be had on their own", () => {
  const parts = ["bpf-lb-sock", "enable-node-port", "enable-external-ips", "enable-host-port"];
  const read = (...args: string[]) => {
    const values: Readonly<Record<string, unknown>> = loadConfig(args, {}).values;
    return parts.map((key) => values[key]).join(" ");
  };
  assert.equal(read(), "false false false false");
  assert.equal(read("--kube-proxy-replacement"), "true true true true");
  assert.equal(
    read("--kube-proxy-replacement", "--enable-host-port=false"),
    "true true true false",
  );
  assert.equal(read("--enable-node-port"), "false true false false");
});

test("times are read as Go writes them", () => {
  const ms = (text: string) =>
    loadConfig([`--conntrack-gc-interval=${text}`], {}).values["conntrack-gc-interval"];
  assert.deepEqual(
    ["5m0s", "1h30m", "100ms", "1.5s", "0"].map(ms),
    [300_000, 5_400_000, 100, 1500, 0],
  );
});
