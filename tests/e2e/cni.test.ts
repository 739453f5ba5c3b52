// The CNI specification, command by command and version by version, against the installed plugin and a real
// agent; then bad input of every kind, which must answer with the right code and leave nothing behind.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CniRuntime, type Overrides } from "./cni-runtime.ts";
import { Lab, run } from "./harness.ts";
import { assertCensus, census } from "./census.ts";

type Interface = { name: string; mac: string; sandbox?: string; mtu?: number };
type EndpointRow = { container: { id: string; interface: string } };
type AddResult = {
  cniVersion: string;
  interfaces: Interface[];
  ips: { version?: string; address: string; gateway: string; interface: number }[];
  routes: { dst: string; gw?: string }[];
};

const initMaySpeak = JSON.stringify({
  apiVersion: "cilium.io/v2",
  kind: "CiliumClusterwideNetworkPolicy",
  metadata: { name: "init-may-speak" },
  spec: {
    endpointSelector: { matchLabels: { "reserved:init": "" } },
    egress: [{ toEntities: ["all"] }],
  },
});

let lab: Lab;
let runtime: CniRuntime;

before(async () => {
  lab = await Lab.up({ nodes: 1, name: `t${process.pid}cni` });
  runtime = new CniRuntime(lab, "node-1");
  // Containers without a pod are reserved:init, which is isolated whatever the configuration.
  await lab.apply(initMaySpeak);
  const wait = await lab.lab("wait", "--for", "policy");
  assert.equal(wait.status, 0, wait.stderr);
});
after(async () => {
  await runtime?.[Symbol.asyncDispose]();
  await lab?.[Symbol.asyncDispose]();
});

for (const version of ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
  test(`ADD answers in the format of cniVersion ${version}, and the interface works`, async () => {
    const netns = await runtime.makeNetns("format");
    const result = (await runtime.add("format", { cniVersion: version })) as AddResult;
    const old = version.startsWith("0.");
    assert.equal(result.cniVersion, version);
    const [host, container] = result.interfaces as [Interface, Interface];
    assert.match(host.name, /^lxc[0-9a-f]+$/);
    assert.deepEqual(
      { name: container.name, sandbox: container.sandbox },
      { name: "eth0", sandbox: netns },
    );
    assert.deepEqual(
      result.ips.map((ip) => [ip.version, ip.interface, ip.address.replace(/.*\//, "/")]),
      [
        [old ? "4" : undefined, 1, "/32"],
        [old ? "6" : undefined, 1, "/128"],
      ],
    );
    assert.deepEqual(
      result.routes.map(({ dst }) => dst).filter((dst) => dst.endsWith("/0")),
      ["0.0.0.0/0", "::/0"],
    );
    for (const { gateway } of result.ips) {
      const ping = await run("nsenter", [`--net=${netns}`, "ping", "-c", "1", "-W", "2", gateway]);
      assert.equal(ping.status, 0, ping.stdout);
    }
    await runtime.del("format", { cniVersion: version });
    const link = await run("nsenter", [`--net=${netns}`, "ip", "link", "show", "eth0"]);
    assert.notEqual(link.status, 0, "eth0 is gone after DEL");
    await runtime.removeNetns("format");
  });
}

test("VERSION names the versions spoken, in the version asked", async () => {
  const { status, json } = await runtime.command("VERSION", "any", { cniVersion: "0.4.0" });
  assert.equal(status, 0);
  assert.deepEqual(json, {
    cniVersion: "0.4.0",
    supportedVersions: ["0.3.1", "0.4.0", "1.0.0", "1.1.0"],
  });
});

test("STATUS of a ready agent is silent success", async () => {
  const { status, text } = await runtime.command("STATUS", "any", { cniVersion: "1.1.0" });
  assert.deepEqual([status, text], [0, ""]);
});

test("CHECK agrees with what ADD answered until somebody takes the interface", async () => {
  const netns = await runtime.makeNetns("check");
  const prevResult = await runtime.add("check");
  const good = await runtime.command("CHECK", "check", { config: { prevResult } });
  assert.equal(good.status, 0, good.text);
  await run("nsenter", [`--net=${netns}`, "ip", "address", "flush", "dev", "eth0"]);
  const bad = await runtime.command("CHECK", "check", { config: { prevResult } });
  assert.equal(bad.status, 1);
  assert.match(bad.text, /address/);
  await runtime.del("check");
  await runtime.removeNetns("check");
});

test("DEL is idempotent: twice, without a namespace, for what never was", async () => {
  await runtime.makeNetns("twice");
  await runtime.add("twice");
  await runtime.removeNetns("twice");
  await runtime.del("twice");
  await runtime.del("twice");
  await runtime.del("twice", { environment: { CNI_NETNS: "" } });
  await runtime.del("never", { environment: { CNI_NETNS: undefined } });
});

test("GC removes the attachments that are not named", async () => {
  const before = await census(lab, "node-1");
  for (const id of ["keep", "lose"]) {
    await runtime.makeNetns(id);
    await runtime.add(id);
  }
  const keep = { containerID: `tsit-${lab.name}-keep`, ifname: "eth0" };
  // The lab's own pods are attached too.
  const own = (await lab.json<EndpointRow[]>("--node", "node-1", "endpoint", "list"))
    .filter(({ container }) => !container.id.startsWith("tsit-"))
    .map(({ container }) => ({ containerID: container.id, ifname: container.interface }));
  const gc = await runtime.command("GC", "any", {
    cniVersion: "1.1.0",
    config: { "cni.dev/valid-attachments": [keep, ...own] },
  });
  assert.equal(gc.status, 0, gc.text);
  const left = await lab.json<EndpointRow[]>("--node", "node-1", "endpoint", "list");
  const ours = left.map(({ container }) => container.id).filter((id) => id.startsWith("tsit-"));
  assert.deepEqual(ours, [keep.containerID]);
  await runtime.del("keep");
  for (const id of ["keep", "lose"]) await runtime.removeNetns(id);
  await assertCensus(lab, "node-1", before);
});

test("64 ADDs at once give 64 pods different addresses", async () => {
  const before = await census(lab, "node-1");
  const ids = Array.from({ length: 64 }, (_, at) => `many${at}`);
  await Promise.all(ids.map((id) => runtime.makeNetns(id)));
  const results = (await Promise.all(ids.map((id) => runtime.add(id)))) as AddResult[];
  assert.equal(new Set(results.flatMap(({ ips }) => ips.map(({ address }) => address))).size, 128);
  await Promise.all(ids.map((id) => runtime.del(id)));
  await Promise.all(ids.map((id) => runtime.removeNetns(id)));
  await assertCensus(lab, "node-1", before);
});

test("a second ADD for the same attachment is refused and harms nothing", async () => {
  const netns = await runtime.makeNetns("again");
  const { ips } = (await runtime.add("again")) as AddResult;
  const second = await runtime.command("ADD", "again");
  assert.equal(second.status, 1);
  const gateway = ips[0]?.gateway as string;
  const ping = await run("nsenter", [`--net=${netns}`, "ping", "-c", "1", "-W", "2", gateway]);
  assert.equal(ping.status, 0, "the first attachment goes on working");
  await runtime.del("again");
  await runtime.removeNetns("again");
});

/** Bad input: what is sent, the code that must come back, and words that must be in the error. */
const refusals: [
  sentence: string,
  command: string,
  overrides: Overrides,
  code: number,
  words: RegExp,
][] = [
  ["stdin that is no JSON", "ADD", { stdin: "{ not json" }, 6, /JSON/i],
  ["an empty stdin", "ADD", { stdin: "" }, 6, /./],
  ["JSON that is no object", "ADD", { stdin: "[1,2]" }, 6, /object/],
  ["a megabyte of brackets", "ADD", { stdin: "[".repeat(1 << 19) }, 6, /./],
  ["a cniVersion of the future", "ADD", { cniVersion: "9.9.9" }, 1, /9\.9\.9/],
  ["a cniVersion of the past", "ADD", { cniVersion: "0.2.0" }, 1, /0\.2\.0/],
  ["no container ID", "ADD", { environment: { CNI_CONTAINERID: undefined } }, 4, /CNI_CONTAINERID/],
  [
    "a container ID with a slash",
    "ADD",
    { environment: { CNI_CONTAINERID: "../../etc" } },
    4,
    /CNI_CONTAINERID/,
  ],
  ["no interface name", "ADD", { environment: { CNI_IFNAME: undefined } }, 4, /CNI_IFNAME/],
  [
    "an interface name the kernel refuses",
    "ADD",
    { environment: { CNI_IFNAME: "much-too-long-a-name" } },
    4,
    /CNI_IFNAME/,
  ],
  ["no namespace", "ADD", { environment: { CNI_NETNS: undefined } }, 4, /CNI_NETNS/],
  [
    "a namespace that is gone",
    "ADD",
    { environment: { CNI_NETNS: "/var/run/netns/tsit-gone" } },
    3,
    /tsit-gone/,
  ],
  ["a namespace that is a file", "ADD", { environment: { CNI_NETNS: "/etc/passwd" } }, 8, /passwd/],
  ["a command that does not exist", "EAT", {}, 4, /EAT/],
  [
    "half a pod in CNI_ARGS",
    "ADD",
    { environment: { CNI_ARGS: "K8S_POD_NAME=a" } },
    4,
    /K8S_POD_NAMESPACE/,
  ],
  ["unknown CNI_ARGS", "ADD", { environment: { CNI_ARGS: "NONSENSE=1" } }, 4, /NONSENSE/],
  [
    "a pod that the API does not know",
    "ADD",
    { environment: { CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=ghost" } },
    102,
    /ghost/,
  ],
  ["CHECK before the version that has it", "CHECK", { cniVersion: "0.3.1" }, 1, /CHECK/],
  ["CHECK without prevResult", "CHECK", {}, 7, /prevResult/],
  ["GC without the list of what to keep", "GC", { cniVersion: "1.1.0" }, 7, /valid-attachments/],
];

test("bad input of every kind is refused with the right code and leaves nothing", async (t) => {
  const before = await census(lab, "node-1");
  await runtime.makeNetns("bad");
  for (const [sentence, command, overrides, code, words] of refusals) {
    await t.test(`${sentence} is refused with code ${code}`, async () => {
      const answer = await runtime.command(command, "bad", overrides);
      assert.equal(answer.status, 1, answer.text);
      assert.equal(answer.json?.["code"], code, answer.text);
      assert.match(answer.text, words);
    });
  }
  await runtime.removeNetns("bad");
  await assertCensus(lab, "node-1", before);
});
