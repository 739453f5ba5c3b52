// TLS of policies end to end, with HAProxy, curl and certificates of authorities of our own: what clients are shown, what
// servers see, whom the proxy believes, and what becomes of all that when a Secret changes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { HttpRuleSet, TlsRules } from "@tsilium/policy/model.ts";
import { type TestAuthority, type TestLeaf, testAuthority } from "@tsilium/testkit/certificates.ts";
import { TestSecrets, httpRules, tlsContext } from "./envoy/testing/rules.ts";
import { HaproxyEngine } from "./haproxy/index.ts";
import { launch, type RunningProcess } from "./launch/index.ts";
import type { ListenerProblem } from "./model.ts";
import { type TransparentNode, transparentNode } from "./testing/transparent-node.ts";

/** Server's port -> listener's: servers of the public authority, of a wrong one, one that asks for certificates, plain. */
const servers = { good: 443, wrong: 444, mutual: 445, plain: 80 } as const;
const listener = 10_001;
const folder = mkdtempSync(join(tmpdir(), "tsilium-tls-"));
const secrets = new TestSecrets();
const told: (readonly ListenerProblem[])[] = [];
let net: TransparentNode;
let engine: HaproxyEngine;
let inside: TestAuthority;
let outside: TestAuthority;
const leaves: Record<"shown" | "shownNext" | "server" | "stranger" | "client", TestLeaf> =
  {} as never;
let sequence = 0;

before(async () => {
  inside = await testAuthority("inside");
  outside = await testAuthority("outside");
  const other = await testAuthority("other");
  leaves.shown = await inside.issue(["shop.example"]);
  leaves.shownNext = await inside.issue(["shop.example", "next.example"]);
  leaves.server = await outside.issue(["shop.example"]);
  leaves.stranger = await other.issue(["shop.example"]);
  leaves.client = await outside.issue(["frontend"]);
  const write = (name: string, text: string) =>
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  write("inside.pem", inside.certificate);
  write("outside.pem", outside.certificate);
  for (const [name, leaf] of Object.entries(leaves)) {
    write(`${name}.crt`, leaf.certificate);
    write(`${name}.key`, leaf.privateKey);
  }
  net = await transparentNode(new Map(Object.values(servers).map((port) => [port, listener])));
  await serve(servers.good, "server", "-");
  await serve(servers.wrong, "stranger", "-");
  await serve(servers.mutual, "server", "outside.pem");
  await serve(servers.plain, undefined, "-");
  engine = new HaproxyEngine({
    direction: "egress",
    command: "/usr/sbin/haproxy",
    runDir: folder,
    maxConnections: 500,
    secrets,
    onRecords: () => undefined,
    onProblems: (problems) => told.push(problems),
    launch: (options) => {
      // The process is made before the first wait.
      const started: Promise<RunningProcess>[] = [];
      net.node.run(() => void started.push(launch(options)));
      return started[0] as Promise<RunningProcess>;
    },
  });
  await engine.start(new AbortController().signal);
});

after(async () => {
  await engine?.shutDown();
  net?.[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

async function serve(port: number, leaf: string | undefined, authority: string): Promise<void> {
  const pem = (kind: string) => (leaf === undefined ? "-" : join(folder, `${leaf}.${kind}`));
  const script = join(import.meta.dirname, "testing/tls-server.mjs");
  const ca = authority === "-" ? "-" : join(folder, authority);
  const child = net.server.spawn(
    process.execPath,
    [script, String(port), pem("crt"), pem("key"), ca],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  await once(child.stdout as NonNullable<typeof child.stdout>, "data");
}

async function rules(tls: Partial<TlsRules>, rest: Partial<HttpRuleSet> = {}) {
  const both: TlsRules = { terminating: undefined, originating: undefined, ...tls };
  const ruleSet = httpRules([{ path: "/allowed.*" }], { tls: both, ...rest });
  const listeners = [{ port: listener, version: ++sequence, ruleSet }];
  return engine.apply({ kind: "apply", sequence, whole: true, listeners, removed: [] });
}

type Answer = {
  readonly status: string;
  readonly body: Record<string, unknown> | string;
  readonly error: number | null;
};

/** What the client's curl gets: of `name` at the server's address. */
async function ask(
  url: string,
  options: {
    readonly args?: readonly string[];
    readonly address?: string;
    readonly authority?: string;
  } = {},
): Promise<Answer> {
  const { args = [], address = "10.2.0.2", authority = "inside.pem" } = options;
  const { hostname, port, protocol } = new URL(url);
  const at = port || (protocol === "https:" ? "443" : "80");
  const shown = address.includes(":") ? `[${address}]` : address;
  const { stdout, status } = await net.client.exec("curl", [
    "-sS",
    "-m",
    "5",
    "-w",
    "\n%{http_code}",
    "--cacert",
    join(folder, authority),
    "--resolve",
    `${hostname}:${at}:${shown}`,
    ...args,
    url,
  ]);
  const lines = stdout.split("\n");
  const code = lines.pop() ?? "";
  const text = lines.join("\n");
  return { status: code, body: text.startsWith("{") ? JSON.parse(text) : text, error: status };
}

const asSecret = ({ certificate, privateKey }: TestLeaf) => ({
  "tls.crt": certificate,
  "tls.key": privateKey,
});
const both: TlsRules = { terminating: tlsContext("shown"), originating: tlsContext("trusted") };

test("rules see requests within TLS that ends at the proxy, and the server gets TLS again", async () => {
  secrets.set("cilium-secrets/shown", asSecret(leaves.shown));
  secrets.set("cilium-secrets/trusted", { "ca.crt": outside.certificate });
  assert.deepEqual(await rules(both), []);
  for (const [version, flag] of [
    ["1.1", "--http1.1"],
    ["2.0", "--http2"],
  ] as const) {
    const answer = await ask("https://shop.example/allowed?x=1", { args: [flag] });
    assert.deepEqual(answer, {
      status: "200",
      error: 0,
      body: {
        version,
        url: "/allowed?x=1",
        host: "shop.example",
        serverName: "shop.example",
        client: "10.1.0.2",
        peer: null,
      },
    });
    assert.equal((await ask("https://shop.example/denied", { args: [flag] })).status, "403");
  }
});

test("so they do over IPv6", async () => {
  const answer = await ask("https://shop.example/allowed", { address: "fd02::2" });
  assert.equal(answer.status, "200");
  assert.equal((answer.body as { client: string }).client, "fd01::2");
});

test("the certificate that clients are shown is the Secret's, not the server's", async () => {
  assert.equal((await ask("https://shop.example/allowed", { authority: "outside.pem" })).error, 60);
});

test("a server that the trusted authority does not know, or another's name, gets no request", async () => {
  assert.match((await ask("https://shop.example:444/allowed")).status, /^50[23]$/);
  const other = await ask("https://next.example/allowed", { args: ["--insecure"] });
  assert.match(other.status, /^50[23]$/);
});

test("without originatingTLS the server is spoken to in plain", async () => {
  assert.deepEqual(await rules({ terminating: tlsContext("shown") }), []);
  const answer = await ask("https://shop.example:80/allowed");
  assert.equal(answer.status, "200");
  assert.equal((answer.body as { serverName: null }).serverName, null);
});

test("without terminatingTLS the client speaks in plain, and the server gets TLS", async () => {
  assert.deepEqual(await rules({ originating: tlsContext("trusted") }), []);
  const answer = await ask("http://shop.example:443/allowed");
  assert.equal(answer.status, "200");
  assert.equal((answer.body as { serverName: string }).serverName, "shop.example");
  assert.equal((await ask("http://shop.example:443/denied")).status, "403");
});

test("a server that asks for a certificate is shown the Secret's", async () => {
  secrets.set("cilium-secrets/mutual", {
    ...asSecret(leaves.client),
    "ca.crt": outside.certificate,
  });
  assert.deepEqual(await rules({ originating: tlsContext("mutual") }), []);
  const answer = await ask("http://shop.example:445/allowed");
  assert.equal(answer.status, "200");
  assert.equal((answer.body as { peer: string }).peer, "frontend");
});

test("clients need a certificate where trustedCA is named, and there alone", async () => {
  secrets.set("cilium-secrets/asking", {
    ...asSecret(leaves.shown),
    "ca.crt": outside.certificate,
  });
  assert.deepEqual(await rules({ terminating: tlsContext("asking", { trustedCa: "ca.crt" }) }), []);
  const bare = await ask("https://shop.example:80/allowed");
  assert.notEqual(bare.status, "200");
  const args = ["--cert", join(folder, "client.crt"), "--key", join(folder, "client.key")];
  assert.equal((await ask("https://shop.example:80/allowed", { args })).status, "200");
  assert.deepEqual(await rules({ terminating: tlsContext("asking") }), []);
  assert.equal((await ask("https://shop.example:80/allowed")).status, "200");
});

test("with serverNames, only connections that asked for one of them are served", async () => {
  assert.deepEqual(await rules(both, { serverNames: ["shop.example"] }), []);
  assert.equal((await ask("https://shop.example/allowed")).status, "200");
  const other = await ask("https://next.example/allowed", {
    args: ["--insecure", "-H", "Host: shop.example"],
  });
  assert.notEqual(other.status, "200");
});

test("a Secret that changes is shown to the next client; one that goes lets nothing through", async () => {
  assert.deepEqual(await rules({ terminating: tlsContext("shown") }), []);
  assert.equal((await ask("https://next.example:80/allowed")).error, 60);
  secrets.set("cilium-secrets/shown", asSecret(leaves.shownNext));
  await until(
    "the new certificate",
    async () => (await ask("https://next.example:80/allowed")).status === "200",
  );
  secrets.set("cilium-secrets/shown", undefined);
  await until(
    "the end of it",
    async () => (await ask("https://shop.example:80/allowed")).status !== "200",
  );
  // Told once it is done, which clients may see before.
  const missing = { port: listener, reason: "secret cilium-secrets/shown is not there" };
  await until("it is told", async () => isDeepStrictEqual(told.at(-1), [missing]));
  secrets.set("cilium-secrets/shown", asSecret(leaves.shown));
  await until(
    "its return",
    async () => (await ask("https://shop.example:80/allowed")).status === "200",
  );
  await until("the return is told", async () => isDeepStrictEqual(told.at(-1), []));
});

test("keys are in no log, status, file or argument of the proxy's", async () => {
  const status = await engine.status();
  const canaries = Object.values(leaves).map(
    ({ privateKey }) => privateKey.split("\n")[1] as string,
  );
  const outputs = [
    JSON.stringify([status, told]),
    readFileSync(`/proc/${status.pid}/cmdline`, "utf8"),
    readFileSync(`/proc/${status.pid}/environ`, "utf8"),
    ...filesBelow(join(folder, "proxy")),
  ];
  assert(outputs.length > 10);
  for (const canary of canaries) for (const output of outputs) assert(!output.includes(canary));
});

function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await sleep(20);
  }
}
