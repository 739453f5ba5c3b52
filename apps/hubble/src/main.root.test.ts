// The command line as a process, against a real server.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { EventType, type Flow, FlowType, unknownEndpoint, Verdict } from "@tsilium/hubble/model.ts";
import { testAuthority, type TestFiles } from "@tsilium/testkit/certificates.ts";
import { type CommandLine, commandLine } from "./testing/process.ts";
import { type TestServer, testServer } from "./testing/server.ts";

const at = (second: number) => BigInt(Date.UTC(2026, 10, 26, 10, 0, second, 123)) * 1_000_000n;

const web = {
  ...unknownEndpoint,
  identity: 300,
  namespace: "shop",
  podName: "web-0",
  labels: ["k8s:app=web"],
};
const db = {
  ...unknownEndpoint,
  identity: 301,
  namespace: "shop",
  podName: "db-0",
  labels: ["k8s:app=db"],
};

const syn: Partial<Flow> = {
  timeNs: at(0),
  uuid: "b9fab269-04ae-495c-9d12-b6c36d41de0d",
  verdict: Verdict.forwarded,
  type: FlowType.l3l4,
  ip: {
    source: "10.244.0.1",
    sourceXlated: "",
    destination: "10.244.0.2",
    version: 1,
    encrypted: false,
  },
  source: web,
  destination: db,
  l4: { kind: "tcp", sourcePort: 40_000, destinationPort: 5432, flags: undefined },
  eventType: { type: EventType.trace, subType: 0 },
  isReply: false,
  summary: "TCP Flags: SYN",
};
const reply: Partial<Flow> = {
  ...syn,
  timeNs: at(1),
  source: db,
  destination: web,
  l4: { kind: "tcp", sourcePort: 5432, destinationPort: 40_000, flags: undefined },
  isReply: true,
  summary: "TCP Flags: SYN, ACK",
};
const drop: Partial<Flow> = {
  ...syn,
  timeNs: at(2),
  verdict: Verdict.dropped,
  dropReason: 133,
  destination: { ...unknownEndpoint, identity: 2 },
  ip: {
    source: "10.244.0.1",
    sourceXlated: "",
    destination: "203.0.113.10",
    version: 1,
    encrypted: false,
  },
  eventType: { type: EventType.drop, subType: 133 },
  egressDeniedBy: [
    { kind: "CiliumNetworkPolicy", namespace: "shop", name: "web", labels: [], revision: 3 },
  ],
};

const synLine =
  "Nov 26 10:00:00.123: shop/web-0:40000 (ID:300) -> shop/db-0:5432 (ID:301) to-endpoint FORWARDED (TCP Flags: SYN)\n";
const replyLine =
  "Nov 26 10:00:01.123: shop/web-0:40000 (ID:300) <- shop/db-0:5432 (ID:301) to-endpoint FORWARDED (TCP Flags: SYN, ACK)\n";
const dropLine =
  "Nov 26 10:00:02.123: shop/web-0:40000 (ID:300) -> 203.0.113.10:5432 (world) Policy denied DROPPED (TCP Flags: SYN) denied by CiliumNetworkPolicy shop/web (default deny)\n";

let folder: string;
let cli: CommandLine;
let server: TestServer;
let serverFiles: TestFiles;
let clientFiles: TestFiles;
let strangersFiles: TestFiles;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "hubble-cli-files-"));
  const authority = await testAuthority("lab");
  serverFiles = await authority.issueFiles(join(folder, "server"), [
    "instance.hubble-relay.cilium.io",
  ]);
  clientFiles = await authority.issueFiles(join(folder, "client"), ["client"]);
  strangersFiles = await (
    await testAuthority("stranger")
  ).issueFiles(join(folder, "stranger"), ["stranger"]);
  cli = await commandLine(join(folder, "js"));
  server = await testServer(serverFiles);
  server.add(syn, reply, drop);
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const hubble: CommandLine["run"] = (words, options) => cli.run(words, options);
const start: CommandLine["start"] = (words, options) => cli.start(words, options);
const ask = (...words: string[]) => hubble([...words, "--server", server.address]);

test("observe prints what the server keeps, oldest first, by whatever asks for it", async () => {
  const [plain, variable, before, last, first, all] = await Promise.all([
    ask("observe"),
    hubble(["observe", "flows"], { env: { HUBBLE_SERVER: server.address } }),
    hubble(["--server", server.address, "observe", "--follow=false"]),
    ask("observe", "--last", "1"),
    ask("observe", "--first=2"),
    ask("observe", "--all", "--until", "2026-11-26T10:00:01.5Z", "--print-node-name"),
  ]);
  const three = { stdout: synLine + replyLine + dropLine, stderr: "", code: 0 };
  assert.deepEqual(plain, three);
  assert.deepEqual(variable, three);
  assert.deepEqual(before, three);
  assert.equal(last.stdout, dropLine);
  assert.equal(first.stdout, synLine + replyLine);
  assert.equal(all.stdout, (synLine + replyLine).replaceAll(".123: ", ".123 [node-1]: "));
});

test("filters reach the server", async () => {
  const rows: readonly (readonly [string, string])[] = [
    ["--verdict DROPPED", dropLine],
    ["--not --verdict DROPPED --reply", replyLine],
    ["-n shop --port 5432 --from-identity world", ""],
    ['--denylist {"verdict":["DROPPED"]} --allowlist {"source_label":["app=db"]}', replyLine],
  ];
  const runs = await Promise.all(rows.map(([line]) => ask("observe", ...line.split(" "))));
  rows.forEach(([line, stdout], row) =>
    assert.deepEqual(runs[row], { stdout, stderr: "", code: 0 }, line),
  );
});

test("JSON goes out, and comes back in from a file or stdin with the same filters", async () => {
  const { stdout: json } = await ask("observe", "-o", "jsonpb");
  const [line] = json.split("\n");
  const { flow, ...origin } = JSON.parse(line as string);
  assert.deepEqual(origin, { node_name: "node-1", time: "2026-11-26T10:00:00.123Z" });
  assert.equal(flow.source.pod_name, "web-0");
  assert.equal(flow.IP.ipVersion, "IPv4");
  const file = join(folder, "flows.json");
  writeFileSync(file, json);
  const fromFile = (...words: string[]) => hubble(["observe", "--input-file", file, ...words]);
  const [again, dropped, last, first, since, stdin, broken] = await Promise.all([
    fromFile("-o", "json"),
    fromFile("--verdict", "DROPPED"),
    fromFile("--last", "2"),
    fromFile("--first", "1"),
    fromFile("--since", "2026-11-26T10:00:01Z", "--until", "2026-11-26T10:00:02Z", "--follow"),
    hubble(["observe", "--input-file", "-"], { stdin: json.replaceAll("\n", "\r\n") }),
    hubble(["observe", "--input-file", "-"], {
      stdin: `{"flow":\n\n${json}{"flow":{"verdict":"NO_SUCH","new_field":1}}\n[]\nx\n{"node_name":"n"}`,
    }),
  ]);
  assert.equal(again.stdout, json);
  assert.deepEqual(dropped, { stdout: dropLine, stderr: "", code: 0 });
  assert.equal(last.stdout, replyLine + dropLine);
  assert.equal(first.stdout, synLine);
  assert.equal(since.stdout, replyLine);
  assert.equal(stdin.stdout, synLine + replyLine + dropLine);
  assert.match(broken.stdout, new RegExp(`^${synLine.replaceAll(/[().>-]/g, "\\$&")}`));
  assert.match(broken.stderr, /^warning: line 1 of stdin is no flow: /);
  assert.match(broken.stderr, /line 7 of stdin is no flow/);
  assert.equal(broken.code, 0);
});

test("a field mask is the server's to apply", async () => {
  const [masked, shown, refused] = await Promise.all([
    ask("observe", "--last=1", "-o", "jsonpb", "--field-mask", "time,source.pod_name,verdict"),
    ask("observe", "--experimental-use-default-field-masks"),
    ask("observe", "-o", "jsonpb", "--experimental-field-mask", "source.nose"),
  ]);
  assert.deepEqual(JSON.parse(masked.stdout).flow, {
    time: "2026-11-26T10:00:02.123Z",
    verdict: "DROPPED",
    source: { pod_name: "web-0" },
  });
  assert.equal(shown.stdout, synLine + replyLine + dropLine);
  assert.deepEqual(refused, {
    stdout: "",
    stderr:
      'error: --field-mask: flow.Flow has no field "source.nose"\nFields are those of message Flow in Cilium\'s flow.proto: time,source.pod_name,verdict\n',
    code: 1,
  });
});

test("what is followed comes as it happens, and Ctrl-C ends it at once with status 0", async () => {
  const running = start(["observe", "-f", "--verdict", "ERROR", "--server", server.address]);
  const late = {
    ...syn,
    timeNs: at(3),
    verdict: Verdict.error,
    eventType: { type: EventType.drop, subType: 154 },
  };
  // Until the server has the follower, what is added is past.
  const adding = setInterval(() => server.add(late), 50);
  try {
    await running.shows("Error while correcting L4 checksum ERROR");
  } finally {
    clearInterval(adding);
  }
  const before = performance.now();
  running.kill("SIGINT");
  const { code, stderr } = await running.done;
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.ok(performance.now() - before < 1_000, "it took a second to end");
});

test("--debug says what is asked of whom", async () => {
  const { stderr } = await ask("observe", "-D", "--last", "1", "--to-port", "1");
  assert.equal(
    stderr,
    `debug: request {"number":"1","whitelist":[{"destination_port":["1"]}]}\ndebug: asking ${server.address}\n`,
  );
});

test("a server that goes is a failure, after what came before", async () => {
  const own = await testServer();
  own.add(syn);
  const running = start(["observe", "-f", "--last", "1", "--server", own.address]);
  await running.shows(synLine);
  await own[Symbol.asyncDispose]();
  const { stdout, stderr, code } = await running.done;
  assert.deepEqual({ stdout, code }, { stdout: synLine, code: 1 });
  assert.match(stderr, /^error: unix:.*hubble.sock: .*\n/);
});

test("losses are told between the flows", async () => {
  await using own = await testServer();
  own.add(syn);
  own.observer.lost({ source: 1, count: 7, cpu: 2, firstNs: at(0), lastNs: at(1) });
  own.add(reply);
  const { stdout } = await hubble(["observe", "--server", own.address, "--since", "2026-11-26"]);
  assert.equal(
    stdout,
    `${synLine}Nov 26 10:00:01.123 EVENTS LOST: PERF_EVENT_RING_BUFFER CPU(2) 7 (first: Nov 26 10:00:00.123, last: Nov 26 10:00:01.123)\n${replyLine}`,
  );
});

test("a reader that closes early ends it quietly; one that is stuck does not keep Ctrl-C from ending it", async () => {
  await using own = await testServer();
  own.add(...Array.from({ length: 4_000 }, () => syn));
  const running = start(["observe", "--all", "--server", own.address], { stuck: true });
  await running.fills();
  running.kill("SIGINT");
  assert.equal((await running.done).code, 0);
  const early = start(["observe", "--all", "-f", "--server", own.address], { stuck: true });
  await early.fills();
  early.hangUp();
  const { code, stderr } = await early.done;
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
});

test("status, nodes, namespaces", async () => {
  const [status, dict, json, nodes, wide, namespaces] = await Promise.all([
    ask("status"),
    ask("status", "-o", "dict"),
    ask("status", "-o", "json"),
    ask("list", "nodes", "-o", "json"),
    ask("list", "nodes", "-o", "wide"),
    ask("list", "namespaces"),
  ]);
  assert.match(
    status.stdout,
    /^Healthcheck \(via unix:\/\/.*hubble.sock\): Ok\nCurrent\/Max Flows: \d+\/4,095 \(\d\.\d\d%\)\nFlows\/s: \d+\.\d\d\n$/,
  );
  assert.match(dict.stdout, /\n {12}VERSION: tsilium v0\.0\.0-test\n$/);
  assert.equal(JSON.parse(json.stdout).max_flows, "4095");
  assert.equal(JSON.parse(nodes.stdout)[0].state, "NODE_CONNECTED");
  assert.match(wide.stdout, /^NAME .*\nnode-1   Connected .* tsilium v0\.0\.0-test +N\/A\n$/);
  assert.equal(namespaces.stdout, "NAMESPACE\nshop\n");
});

test("peers are watched until Ctrl-C", async () => {
  server.peers.set([
    {
      name: "node-1",
      address: "172.18.0.2:4244",
      tlsServerName: "node-1.default.hubble-grpc.cilium.io",
    },
  ]);
  const running = start(["watch", "peers", "--server", server.address]);
  await running.shows(
    "PEER_ADDED   172.18.0.2:4244 node-1 (TLS.ServerName: node-1.default.hubble-grpc.cilium.io)\n",
  );
  server.peers.set([]);
  await running.shows("PEER_DELETED 172.18.0.2:4244 node-1");
  running.kill("SIGINT");
  assert.equal((await running.done).code, 0);
});

test("agent events; debug events that the server does not know", async () => {
  server.observer.addAgentEvent({
    timeNs: at(0),
    type: 7,
    notification: {
      kind: "endpointUpdate",
      id: 5,
      labels: [],
      error: "",
      podName: "web-0",
      namespace: "shop",
    },
  });
  const [agent, json, debug] = await Promise.all([
    ask("observe", "agent-events"),
    ask("observe", "agent-events", "-o", "json"),
    ask("observe", "debug-events"),
  ]);
  assert.equal(
    agent.stdout,
    "Nov 26 10:00:00.123: ENDPOINT_CREATED (id: 5, namespace: shop, pod name: web-0)\n",
  );
  assert.equal(JSON.parse(json.stdout).agent_event.type, "ENDPOINT_CREATED");
  assert.match(
    debug.stderr,
    /^error: unix:.* does not know this call: debug events are not recorded\n/,
  );
  assert.equal(debug.code, 1);
});

test("the server's API describes itself", async () => {
  const { stdout } = await ask("reflect");
  const names = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).name);
  assert.deepEqual(new Set(names).size, names.length);
  for (const name of [
    "observer/observer.proto",
    "flow/flow.proto",
    "peer/peer.proto",
    "relay/relay.proto",
  ])
    assert.ok(names.includes(name), name);
});

test("mutual TLS: with a certificate of the same authority, under the name that it has", async () => {
  const { caFile, certFile, keyFile } = clientFiles;
  const tls = [
    "--tls-ca-cert-files",
    caFile,
    "--tls-client-cert-file",
    certFile,
    "--tls-client-key-file",
    keyFile,
  ];
  const named = [...tls, "--tls-server-name", "instance.hubble-relay.cilium.io"];
  const observe = (...words: string[]) => hubble(["observe", "--last", "1", ...words]);
  const [good, flag, unnamed, stranger, none, plain, overUnix, untrusted] = await Promise.all([
    observe("--server", `tls://${server.tcp}`, ...named),
    observe("--server", server.tcp, "--tls", ...named),
    observe("--server", `tls://${server.tcp}`, ...tls),
    observe(
      "--server",
      `tls://${server.tcp}`,
      ...named,
      "--tls-client-cert-file",
      strangersFiles.certFile,
      "--tls-client-key-file",
      strangersFiles.keyFile,
    ),
    observe(
      "--server",
      `tls://${server.tcp}`,
      "--tls-ca-cert-files",
      caFile,
      "--tls-server-name",
      "instance.hubble-relay.cilium.io",
    ),
    observe("--server", server.tcp),
    observe("--server", `tls://${server.tcp}`, ...named, "--server", server.address, "--tls"),
    observe(
      "--server",
      `tls://${server.tcp}`,
      ...named,
      "--tls-ca-cert-files",
      strangersFiles.caFile,
    ),
  ]);
  const { stderr, code } = good;
  assert.deepEqual({ stderr, code }, { stderr: "", code: 0 });
  assert.deepEqual(flag.stdout, good.stdout);
  assert.match(
    unnamed.stderr,
    /its certificate is for another name\nSay which name to expect: --tls-server-name/,
  );
  // OpenSSL tells its client why, or the connection just ends.
  const unwanted =
    /take this client's certificate[^]*--tls-client-cert-file FILE --tls-client-key-file FILE\n$/;
  assert.match(stranger.stderr, unwanted);
  assert.match(none.stderr, unwanted);
  assert.match(plain.stderr, /it may want TLS/);
  assert.match(overUnix.stderr, /unix sockets have no TLS/);
  for (const { code: failed } of [unnamed, stranger, none, plain, overUnix])
    assert.equal(failed, 1);
  // Files of several uses add up: the right authority is among them.
  assert.equal(untrusted.code, 0);
});

test("what cannot work says what it is and what to do, with status 1", async () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    [
      "observe --server unix:///nonexistent.sock",
      /^error: cannot reach unix:\/\/\/nonexistent.sock: there is no such socket\nIs the server up\?/,
    ],
    [
      "status --server 127.0.0.1:1",
      /^error: cannot reach 127.0.0.1:1: nobody listens there\nIs it up\?/,
    ],
    ["list nodes --server nothing:here:1", /^error: not a server's address: .*\nWrite unix:/],
    [
      "observe --server tls://a:1 --tls-ca-cert-files /nonexistent.pem",
      /^error: --tls-ca-cert-files: ENOENT/,
    ],
    [
      "observe --drop-reason-desc policy_denyed",
      /^error: there is no drop reason "POLICY_DENYED"\nDid you mean POLICY_DEN/,
    ],
    [
      "observe --verdict dropt",
      /^error: option '--verdict <filter>' argument 'dropt' is invalid. One of FORWARDED/,
    ],
    [
      "observe --tls-allow-insecure=true",
      /^error: there is no --tls-allow-insecure here\nCertificates are always verified/,
    ],
    ["observe --input-file /nonexistent", /^error: cannot read \/nonexistent: ENOENT/],
    [
      "observe --nose",
      /^error: unknown option '--nose'\n\(Did you mean --not\?\)\n\(hubble observe --help/,
    ],
  ];
  const runs = await Promise.all(rows.map(([line]) => hubble(line.split(" "))));
  rows.forEach(([line, message], row) => {
    const { stderr, stdout, code } = runs[row] as Awaited<ReturnType<typeof hubble>>;
    assert.match(stderr, message, line);
    assert.deepEqual({ stdout, code }, { stdout: "", code: 1 }, line);
  });
});

test("no server named: the lab of TSILIUM_LAB, or a word about labs", async () => {
  const [unnamed, named] = await Promise.all([
    hubble(["observe", "--timeout", "1s"], { env: { TSILIUM_LAB: "no-such-lab-of-hubble-cli" } }),
    hubble(["config", "get", "server"], {
      env: { HUBBLE_SERVER: "dns:///relay.example:4245", HUBBLE_TLS: "true" },
    }),
  ]);
  assert.match(unnamed.stderr, /lab "no-such-lab-of-hubble-cli"/);
  assert.equal(unnamed.code, 1);
  assert.equal(named.stdout, "tls://relay.example:4245\n");
});

test("a server that takes the connection and says nothing is given up", async () => {
  const silent: Server = createServer(() => {}).listen(join(folder, "silent.sock"));
  try {
    const { stderr, code } = await hubble([
      "status",
      "--server",
      join(folder, "silent.sock"),
      "--request-timeout",
      "300ms",
      "--timeout",
      "300ms",
    ]);
    assert.match(stderr, /silent.sock gave no answer in time\n|cannot reach .*silent.sock/);
    assert.equal(code, 1);
  } finally {
    silent.close();
  }
});

test("a server whose bytes are no HTTP/2 is an error in a line, not a stack", async () => {
  const garbage: Server = createServer((socket) => {
    socket.on("error", () => {}).write(Buffer.alloc(1000, 0xa5));
  }).listen(join(folder, "garbage.sock"));
  try {
    const { stderr, code } = await hubble(["status", "--server", join(folder, "garbage.sock")]);
    assert.match(stderr, /^error: .*\n.*\n?$/);
    assert.equal(code, 1);
  } finally {
    garbage.close();
  }
});

test("configuration is set, seen and reset in the file", async () => {
  const env = { HUBBLE_CONFIG: join(folder, "config.yaml") };
  const config = (...words: string[]) => hubble(["config", ...words], { env });
  assert.deepEqual(await config("set", "server", server.address), {
    stdout: "",
    stderr: "",
    code: 0,
  });
  await config("set", "tls-ca-cert-files", "a.pem,b.pem");
  const [one, all, observed, refused] = await Promise.all([
    config("get", "server"),
    config("view"),
    hubble(["observe", "--first", "1"], { env }),
    config("set", "timeout", "soon"),
  ]);
  assert.equal(one.stdout, `${server.address}\n`);
  assert.match(all.stdout, /\ntls-ca-cert-files:\n {2}- a.pem\n {2}- b.pem\n/);
  assert.equal(observed.stdout, synLine);
  assert.match(refused.stderr, /^error: timeout: "soon" is no duration/);
  await config("reset", "server");
  assert.doesNotMatch((await config("get")).stdout, /hubble.sock/);
  await config("reset");
  assert.match((await config("view")).stdout, /\ntls-ca-cert-files: \[\]\n/);
});

test("filters that are printed are read again, from a flag and from a configuration file", async () => {
  const { stdout } = await hubble([
    "observe",
    "--print-raw-filters",
    "--to-pod",
    "shop/db",
    "--not",
    "--reply",
  ]);
  assert.equal(
    stdout,
    `allowlist:\n    - '{"destination_pod":["shop/db"]}'\ndenylist:\n    - '{"reply":[true]}'\n`,
  );
  const file = join(folder, "filters.yaml");
  writeFileSync(file, stdout);
  const { stdout: flows } = await ask(
    "observe",
    "--first",
    "10",
    "--config",
    file,
    "--not",
    "--verdict",
    "ERROR",
  );
  assert.equal(flows, synLine);
});

test("docs/hubble-cli.md shows what really is printed", async () => {
  const root = join(import.meta.dirname, "../../..");
  const page = readFileSync(join(root, "docs/hubble-cli.md"), "utf8");
  const examples = [...page.matchAll(/^\$ hubble (.*)\n((?:(?!\$ |```).*\n)*)/gm)]
    .map(([, line = "", shown = ""]) => [line, shown.replace(/\n+$/, "\n")] as const)
    // Those that need nothing but this repository.
    .filter(([line]) => /docs\/examples|--print-raw-filters/.test(line) && !/[|>]/.test(line));
  assert.ok(examples.length >= 5, `only ${examples.length} examples`);
  const runs = await Promise.all(
    examples.map(([line]) => hubble(line.replace("docs/", `${root}/docs/`).split(" "))),
  );
  examples.forEach(([line, shown], row) => assert.equal(runs[row]?.stdout, shown, line));
});
