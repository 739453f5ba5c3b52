// ip-masq-agent's configuration in a lab: whom a server outside the cluster sees, as the file changes.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { echoPod, isAgentWell, Lab, manifests, namespaceManifest, until } from "./harness.ts";

const folder = mkdtempSync(join(tmpdir(), "tsit-masq-"));
const file = join(folder, "ip-masq-agent");
const namespace = "masq";
const world = { 4: "203.0.113.10", 6: "2001:db8:113::10" } as const;
let lab: Lab;
let pod: readonly string[];
before(async () => {
  write("nonMasqueradeCIDRs: []");
  lab = await Lab.up({
    nodes: 1,
    set: { "enable-ip-masq-agent": "true", "ip-masq-agent-config-path": file },
  });
  await lab.apply(
    manifests(namespaceManifest(namespace), echoPod({ name: "client", namespace, node: "node-1" })),
  );
  await lab.wait(namespace);
  const [client] = await lab.pods(namespace);
  pod = (client?.status.podIPs ?? []).map(({ ip }) => ip);
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test("what the file does not name sees the node's address", async () => {
  assert.deepEqual(await exempt(), ["169.254.0.0/16", "fe80::/10"]);
  assert.deepEqual(await seenBy(), ["172.18.0.2", "fc00:18::2"]);
});

test("what it names from now on sees the pod's", async () => {
  write("nonMasqueradeCIDRs: [203.0.113.0/24, '2001:db8:113::/48']\nmasqLinkLocal: true");
  await until(
    "the kernel knows",
    async () => (await exempt()).join() === "203.0.113.0/24,2001:db8:113::/48,fe80::/10",
  );
  assert.deepEqual(await seenBy(), pod);
});

test("a file that says nonsense changes nothing and is told of; without one the defaults count", async () => {
  write("nonMasqueradeCIDRs: [203.0.113.0/99]");
  await until("status tells", async () => !(await isAgentWell(lab, "node-1")));
  const { stdout } = await lab.tsilium(["--node", "node-1", "status"]);
  assert.match(stdout, /ip-masq-agent +degraded +what was in force stays: .*length 99/);
  assert.deepEqual(await seenBy(), pod);
  rmSync(file);
  await until("the defaults are in force", async () => (await exempt()).length === 13);
  assert.deepEqual(await seenBy(), [pod[0], "fc00:18::2"]);
  assert.ok(await isAgentWell(lab, "node-1"));
});

function write(text: string): void {
  writeFileSync(file, text);
}

async function exempt(): Promise<string[]> {
  const rows = await lab.json<{ cidr: string }[]>("--node", "node-1", "bpf", "ipmasq", "list");
  return rows.map(({ cidr }) => cidr);
}

/** Whose addresses, IPv4 and IPv6, datagrams from the pod have in the world, which has no way back to pods. */
async function seenBy(): Promise<string[]> {
  const listen = `import socket
def bound(family, any):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.settimeout(5)
    s.bind((any, 7007))
    return s
both = [bound(socket.AF_INET, "0.0.0.0"), bound(socket.AF_INET6, "::")]
for s in both: print(s.recvfrom(9)[1][0])`;
  const send = `import socket, time
for _ in range(15):
    for family, world in ((socket.AF_INET, "${world[4]}"), (socket.AF_INET6, "${world[6]}")):
        socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", (world, 7007))
    time.sleep(0.1)`;
  const [heard] = await Promise.all([
    lab.worldExec(["python3", "-c", listen]),
    lab.exec(namespace, "client", ["python3", "-c", send]),
  ]);
  return heard.stdout.trim().split("\n");
}
