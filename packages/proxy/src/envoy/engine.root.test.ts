// The engine with a process that stands in for Envoy (testing/envoy-peer.ts: another xDS client, gRPC and API definitions
// of others), through the agent's whole way: launch, ADS, acknowledgement, listeners, records, kills.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RuleSet } from "@tsilium/policy/model.ts";
import { testAuthority } from "@tsilium/testkit/certificates.ts";
import type { ListenerProblem, ListenerRules, ProxyRecord } from "../model.ts";
import { EnvoyEngine, type EnvoyOptions } from "./engine.ts";
import { proxyUsers } from "../launch/index.ts";
import { header, httpRules, TestSecrets, tlsContext } from "./testing/rules.ts";

const testing = join(import.meta.dirname, "testing");
const built = mkdtempSync(join(tmpdir(), "tsilium-envoy-"));
const program = join(built, "envoy");
const define = (name: string, text: string) => `-D${name}=${JSON.stringify(text)}`;
execFileSync("clang-19", [
  "-O1",
  define("NODE", process.execPath),
  define("PEER", join(testing, "envoy-peer.ts")),
  "-o",
  program,
  join(testing, "as-envoy.c"),
]);
after(() => rmSync(built, { recursive: true }));

const signal = new AbortController().signal;
const canary = "c4n4ry-never-to-be-seen";

async function workshop(secrets = new TestSecrets()) {
  const runDir = mkdtempSync(join(tmpdir(), "tsilium-envoy-"));
  const command = join(runDir, "envoy");
  copyFileSync(program, command);
  chmodSync(command, 0o755);
  const records: ProxyRecord[] = [];
  const told: (readonly ListenerProblem[])[] = [];
  const ends: unknown[] = [];
  const makeEngine = (rest: Partial<EnvoyOptions> = {}) =>
    new EnvoyEngine({
      direction: "egress",
      command,
      runDir,
      node: "node-1",
      maxConnections: 1000,
      secrets,
      onRecords: (each) => records.push(...each),
      onProblems: (problems) => told.push(problems),
      onEnd: (how) => ends.push(how),
      timeouts: { acknowledgeMs: 3_000 },
      ...rest,
    });
  const engine = makeEngine();
  await engine.start(signal);
  return {
    engine,
    runDir,
    records,
    told,
    ends,
    secrets,
    makeEngine,
    folder: join(runDir, "proxy"),
    /** What the peer has in force. */
    state: () => {
      const [file] = globSync(join(runDir, "proxy/*.state"));
      return file === undefined
        ? {}
        : (JSON.parse(readFileSync(file, "utf8")) as Record<string, any>);
    },
    async [Symbol.asyncDispose]() {
      await engine.shutDown();
      rmSync(runDir, { recursive: true });
    },
  };
}

let versions = 0;
const listener = (port: number, ruleSet: RuleSet): ListenerRules => ({
  port,
  version: ++versions,
  ruleSet,
});
const apply = (
  engine: EnvoyEngine,
  listeners: readonly ListenerRules[],
  rest: { whole?: boolean; removed?: number[] } = {},
) =>
  engine.apply({
    kind: "apply",
    sequence: ++versions,
    whole: rest.whole ?? false,
    listeners,
    removed: rest.removed ?? [],
  });

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await sleep(5);
  }
}

function accepts(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

const rulesIn = (state: Record<string, any>, name: string): string[] =>
  state.routes?.[name]?.virtual_hosts[0].routes
    .map((route: { name: string }) => route.name)
    .filter((route: string) => route !== "malformed");

test("rules are in force, listened for and told of when apply resolves", async () => {
  await using it = await workshop();
  const { engine } = it;
  assert.deepEqual(
    await apply(engine, [listener(10_101, httpRules([{ path: "/a" }]))], { whole: true }),
    [],
  );
  assert(await accepts(10_101, "127.0.0.1"));
  assert(await accepts(10_101, "::1"));
  assert.deepEqual(rulesIn(it.state(), "http/10101"), ["rule/11", "deny/9"]);

  assert.deepEqual(
    await apply(engine, [
      listener(10_102, httpRules([{}, {}])),
      listener(10_101, httpRules([{ path: "/b" }, {}])),
    ]),
    [],
  );
  assert.deepEqual(rulesIn(it.state(), "http/10101"), ["rule/11", "rule/12", "deny/9"]);
  assert(await accepts(10_102, "::1"));

  assert.deepEqual(await apply(engine, [], { removed: [10_101] }), []);
  await until("the listener goes", async () => !(await accepts(10_101, "127.0.0.1")));
  const { engine: name, listeners, notes } = await engine.status();
  assert.equal(name, "envoy 1.99.7");
  assert.deepEqual(
    listeners.map(({ port, kind, rules }) => [port, kind, rules]),
    [[10_102, "http", 2]],
  );
  assert.match(notes?.[0] ?? "", /never run/);
});

test("sockets and files are the owner's alone, and hold no rules", async () => {
  await using it = await workshop();
  const modes = Object.fromEntries(
    readdirSync(it.folder).map((name) => [
      name.replace(/-[0-9a-f]{12}/, "-HASH"),
      (statSync(join(it.folder, name)).mode & 0o777).toString(8),
    ]),
  );
  assert.deepEqual(modes, {
    "engine-egress.pid": "600",
    "envoy-egress-HASH.json": "644",
    "envoy-egress.log": "600",
    "envoy-egress.sock": "600",
  });
  const config = readFileSync(globSync(join(it.folder, "*.json"))[0] as string, "utf8");
  assert.doesNotMatch(config, /"admin"/);
});

test("what Envoy refuses lets nothing through and says why; the rest is in force", async () => {
  await using it = await workshop();
  const rules = [
    listener(10_103, httpRules([{ path: "/good" }])),
    listener(10_104, httpRules([{ path: "/(bad" }])),
  ];
  const problems = await apply(it.engine, rules, { whole: true });
  assert.deepEqual(
    problems.map(({ port }) => port),
    [10_104],
  );
  assert.match(
    problems[0]?.reason ?? "",
    /^Envoy refused routes: Error adding\/updating routes http\/10104: bad regex/,
  );
  assert.deepEqual(rulesIn(it.state(), "http/10103"), ["rule/11", "deny/9"]);
  assert.deepEqual(rulesIn(it.state(), "http/10104"), ["deny/9"]);
  const { listeners } = await it.engine.status();
  assert.deepEqual(
    listeners.map(({ port, problem }) => [port, problem]),
    [
      [10_103, undefined],
      [10_104, problems[0]?.reason],
    ],
  );
  // It does not stand in the way of others, and is forgiven when it is right.
  assert.deepEqual(await apply(it.engine, [listener(10_105, httpRules([{}]))]), problems);
  assert.deepEqual(await apply(it.engine, [listener(10_104, httpRules([{ path: "/now" }]))]), []);
  assert.deepEqual(rulesIn(it.state(), "http/10104"), ["rule/11", "deny/9"]);
});

test("of several that Envoy may mean, those that it takes are in force", async () => {
  await using it = await workshop();
  const rules = [10_114, 10_115, 10_116].map((port) =>
    listener(port, httpRules([{ path: port === 10_115 ? "/(unnamed" : "/good" }])),
  );
  const problems = await apply(it.engine, rules, { whole: true });
  assert.deepEqual(problems, [{ port: 10_115, reason: "Envoy refused routes: something is bad" }]);
  assert.deepEqual(rulesIn(it.state(), "http/10114"), ["rule/11", "deny/9"]);
  assert.deepEqual(rulesIn(it.state(), "http/10115"), ["deny/9"]);
  assert.deepEqual(rulesIn(it.state(), "http/10116"), ["rule/11", "deny/9"]);
});

test("Envoy's user reads its bootstrap and reaches the socket, which is its own", async () => {
  await using it = await workshop();
  await it.engine.shutDown();
  chmodSync(it.runDir, 0o711);
  const user = proxyUsers.engine.egress;
  const engine = it.makeEngine({ user });
  await engine.start(signal);
  const status = readFileSync(`/proc/${(await engine.status()).pid}/status`, "utf8");
  assert.match(status, new RegExp(`Uid:\\t${user.uid}`));
  const { uid, mode } = statSync(join(it.folder, "envoy-egress.sock"));
  assert.deepEqual([uid, mode & 0o777], [user.uid, 0o600]);
  assert.deepEqual(await apply(engine, [listener(10_117, httpRules([{}]))], { whole: true }), []);
  assert.equal((await engine.status()).connections, 0);
  await engine.shutDown();
});

test("a Secret that comes, changes and goes is followed, and its content is told nobody", async () => {
  const authority = await testAuthority("test");
  const [first, second] = [
    await authority.issue(["a.example"]),
    await authority.issue(["a.example"]),
  ];
  const asData = ({ certificate, privateKey }: typeof first) => ({
    "tls.crt": certificate,
    "tls.key": privateKey,
  });
  await using it = await workshop();
  const ruleSet = httpRules(
    [
      {
        headers: [
          header("x-token", {
            secret: { namespace: "cilium-secrets", name: "token", key: undefined },
          }),
        ],
      },
    ],
    { tls: { terminating: tlsContext("web"), originating: undefined } },
  );
  const missing = await apply(it.engine, [listener(10_106, ruleSet)], { whole: true });
  assert.deepEqual(missing, [{ port: 10_106, reason: "secret cilium-secrets/web is not there" }]);
  assert.deepEqual(it.state().routes, {});

  it.secrets.set("cilium-secrets/token", { value: canary });
  it.secrets.set("cilium-secrets/web", asData(first));
  await until("the problem is over", () => it.told.at(-1)?.length === 0);
  const name = "certificate/terminating/cilium-secrets/web/,,";
  const served = () =>
    Buffer.from(
      it.state().secrets[name]?.tls_certificate.certificate_chain.inline_bytes ?? "",
      "base64",
    ).toString();
  await until("the certificate is there", () => served() === first.certificate);
  assert.match(JSON.stringify(it.state().routes), new RegExp(canary));

  it.secrets.set("cilium-secrets/web", asData(second));
  await until("the new certificate is there", () => served() === second.certificate);

  // Its regular expression is refused: Envoy's words, which quote the route, stay unsaid.
  const bad = httpRules([{ path: "/(bad", headers: ruleSet.rules[0]?.match.headers ?? [] }]);
  const refused = await apply(it.engine, [listener(10_107, bad)]);
  assert.deepEqual(
    refused.map(({ port }) => port),
    [10_107],
  );
  assert.match(refused[0]?.reason ?? "", /reason is withheld/);

  it.secrets.set("cilium-secrets/web", undefined);
  await until(
    "the problem is back",
    () => it.told.at(-1)?.some(({ port }) => port === 10_106) ?? false,
  );
  await until(
    "nothing of it is served",
    () =>
      it.state().secrets !== undefined &&
      !JSON.stringify(it.state().listeners).includes("cilium-secrets/web"),
  );

  const outputs = JSON.stringify([await it.engine.status(), it.told, refused, missing]);
  const logs = readFileSync(join(it.folder, "envoy-egress.log"), "utf8");
  const argv = readFileSync(`/proc/${(await it.engine.status()).pid}/cmdline`, "utf8");
  for (const secret of [canary, "PRIVATE KEY", first.privateKey.split("\n")[1] as string])
    for (const output of [outputs, logs, argv]) assert(!output.includes(secret), output);
});

test("what Envoy tells of requests becomes records, each of its listener", async () => {
  await using it = await workshop();
  await apply(
    it.engine,
    [listener(10_108, httpRules([{}])), listener(10_109, httpRules([{}], { denyRule: 4 }))],
    { whole: true },
  );
  process.kill(it.state().pid, "SIGUSR2");
  await until("records", () => it.records.length === 8);
  assert.deepEqual(
    it.records
      .map(({ port, verdict, rule, l7 }) => `${port} ${verdict} ${rule} ${l7.type}`)
      .toSorted(),
    [
      "10108 denied 9 1",
      "10108 forwarded 0 2",
      "10108 forwarded 11 1",
      "10108 forwarded 11 2",
      "10109 denied 4 1",
      "10109 forwarded 0 2",
      "10109 forwarded 11 1",
      "10109 forwarded 11 2",
    ],
  );
  assert.deepEqual((await it.engine.status()).requests, { forwarded: 2, denied: 2, errors: 0 });
});

test("an agent that comes back adopts Envoy and says nothing until it knows everything", async () => {
  await using it = await workshop();
  const rules = [listener(10_110, httpRules([{}])), listener(10_111, httpRules([{}]))];
  await apply(it.engine, rules, { whole: true });
  const { pid } = await it.engine.status();
  await it.engine[Symbol.asyncDispose]();
  assert(await accepts(10_110, "127.0.0.1"), "Envoy goes on without an agent");

  await using next = it.makeEngine();
  await assert.rejects(apply(next, rules), /whole/);
  await next.start(signal);
  assert.equal((await next.status()).pid, pid);
  await sleep(100);
  assert.deepEqual(Object.keys(it.state().listeners), ["http/10110", "http/10111"]);
  assert.deepEqual(await apply(next, [listener(10_111, httpRules([{}, {}]))], { whole: true }), []);
  assert.deepEqual(rulesIn(it.state(), "http/10111"), ["rule/11", "rule/12", "deny/9"]);
  await until("the listener goes", async () => !(await accepts(10_110, "127.0.0.1")));
});

test("one that was started otherwise is ended, and another takes its place", async () => {
  await using it = await workshop();
  const { pid } = await it.engine.status();
  await it.engine[Symbol.asyncDispose]();
  await using next = it.makeEngine({ maxConnections: 2000 });
  await next.start(signal);
  assert.notEqual((await next.status()).pid, pid);
  assert.equal(existsSync(`/proc/${pid}`), false);
  assert.equal(globSync(join(it.folder, "*.json")).length, 1);
  await next.shutDown();
});

test("a killed Envoy is told of, and started again with the same rules", async () => {
  await using it = await workshop();
  const rules = [listener(10_112, httpRules([{ path: "/a" }]))];
  await apply(it.engine, rules, { whole: true });
  process.kill((await it.engine.status()).pid, "SIGKILL");
  await until("its end", () => it.ends.length === 1);
  await until("nobody listens", async () => !(await accepts(10_112, "127.0.0.1")));
  await it.engine.start(signal);
  assert.deepEqual(await apply(it.engine, rules, { whole: true }), []);
  assert(await accepts(10_112, "127.0.0.1"));
});

test("a connection that would follow other rules is ended; one that keeps its own is not", async () => {
  await using it = await workshop();
  await apply(it.engine, [listener(10_113, httpRules([{}]))], { whole: true });
  const open = async () => {
    const socket = connect({ host: "127.0.0.1", port: 10_113 });
    await new Promise((resolve) => socket.once("connect", resolve));
    const ended = new Promise<string>((resolve) => {
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"));
      socket.once("close", () => resolve("closed"));
    });
    return {
      socket,
      ended,
      moved: {
        protocol: 6,
        client: { address: "127.0.0.1", port: socket.localPort ?? 0 },
        server: { address: "127.0.0.1", port: 10_113 },
        from: 10_113,
      },
    };
  };
  const [stays, goes] = [await open(), await open()];
  await it.engine.move([
    { ...stays.moved, to: 10_113 },
    { ...goes.moved, to: 0 },
  ]);
  assert.match(await goes.ended, /ECONNRESET|closed/);
  assert.equal(await Promise.race([stays.ended, sleep(50, "open")]), "open");
  assert.equal((await it.engine.status()).connections >= 1, true);
  stays.socket.destroy();
});

test("an Envoy that is not installed is said to be missing", async () => {
  const runDir = mkdtempSync(join(tmpdir(), "tsilium-envoy-"));
  const options = {
    direction: "egress",
    runDir,
    node: "n",
    maxConnections: 1,
    secrets: new TestSecrets(),
    onRecords: () => undefined,
  } as const;
  for (const command of ["no-such-envoy", "/no/such/envoy"]) {
    const engine = new EnvoyEngine({ ...options, command });
    await assert.rejects(engine.start(signal), {
      code: "failed",
      message: new RegExp(`there is no program ${command}`),
    });
    await engine[Symbol.asyncDispose]();
  }
  rmSync(runDir, { recursive: true });
});
