import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { readFileSync } from "node:fs";
import { type TestFiles, testAuthority } from "@tsilium/testkit/certificates.ts";
import { Observer } from "../gen/observer/observer_pb.ts";
import {
  type ClientTls,
  Code,
  type ServerIncident,
  connectTo,
  createClient,
  serveGrpc,
  type TlsFiles,
} from "./index.ts";

const nodeName = "node-1.default.hubble-grpc.cilium.io";
let folder = "";
let server: TestFiles;
let client: TestFiles;
let stranger: TestFiles;
let wildcard: TestFiles;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsilium-tls-"));
  const ours = await testAuthority("ours");
  server = await ours.issueFiles(join(folder, "server"), [nodeName]);
  wildcard = await ours.issueFiles(join(folder, "wildcard"), ["*.hubble-relay.cilium.io"]);
  client = await ours.issueFiles(join(folder, "client"), ["ui.hubble-relay.cilium.io"]);
  stranger = await (await testAuthority("theirs")).issueFiles(join(folder, "theirs"), [nodeName]);
});
after(() => rmSync(folder, { recursive: true }));

type Case = {
  readonly sentence: string;
  readonly served?: () => Partial<TlsFiles>;
  readonly used: () => ClientTls | undefined;
  readonly works: boolean;
};
const cases: readonly Case[] = [
  {
    sentence: "its name in the certificate",
    used: () => ({ ...client, serverName: nodeName }),
    works: true,
  },
  {
    sentence: "another name",
    used: () => ({ ...client, serverName: "node-2.default.hubble-grpc.cilium.io" }),
    works: false,
  },
  { sentence: "no name but the address", used: () => client, works: false },
  {
    sentence: "a wildcard's name",
    served: () => wildcard,
    used: () => ({ ...client, serverName: "any.hubble-relay.cilium.io" }),
    works: true,
  },
  {
    sentence: "two labels under a wildcard",
    served: () => wildcard,
    used: () => ({ ...client, serverName: "a.b.hubble-relay.cilium.io" }),
    works: false,
  },
  {
    sentence: "no client certificate",
    used: () => ({ caFile: client.caFile, serverName: nodeName }),
    works: false,
  },
  {
    sentence: "a stranger's client certificate",
    used: () => ({ ...stranger, caFile: client.caFile, serverName: nodeName }),
    works: false,
  },
  {
    sentence: "a server of strangers",
    served: () => ({ ...stranger, caFile: server.caFile }),
    used: () => ({ ...client, serverName: nodeName }),
    works: false,
  },
  {
    sentence: "one of several authorities",
    served: () => ({ caFile: [stranger.caFile, server.caFile] }),
    used: () => ({ ...client, serverName: nodeName }),
    works: true,
  },
  { sentence: "plain text to TLS", used: () => undefined, works: false },
  {
    sentence: "certificates that are not there",
    used: () => ({ ...client, keyFile: "/nowhere/tls.key", serverName: nodeName }),
    works: false,
  },
];
for (const { sentence, served, used, works } of cases) {
  test(`mutual TLS with ${sentence} ${works ? "works" : "fails, with UNAVAILABLE"}`, async () => {
    await using grpc = await serve({ ...server, ...served?.() });
    const tls = used();
    using connection = connectTo(`127.0.0.1:${grpc.port}`, tls === undefined ? {} : { tls });
    const answer = status(connection);
    if (works) assert.equal(await answer, "tls");
    else await assert.rejects(answer, { code: Code.Unavailable });
    if (!works && tls !== undefined)
      await assert.rejects(
        connection.connect().then(() => status(connection)),
        { code: Code.Unavailable },
      );
  });
}

test("TLS 1.2 is refused, unless it is asked for", async () => {
  for (const minVersion of ["TLSv1.3", "TLSv1.2"] as const) {
    await using grpc = await serve({ ...server, minVersion });
    assert.equal(await handshake(grpc.port, { maxVersion: "TLSv1.2" }), minVersion === "TLSv1.2");
    assert.equal(await handshake(grpc.port, { maxVersion: "TLSv1.3" }), true);
  }
});

test("other protocols than HTTP/2 are refused", async () => {
  await using grpc = await serve(server);
  assert.equal(await handshake(grpc.port, { ALPNProtocols: ["http/1.1"] }), false);
});

test("new certificates are used without a restart, by both sides; broken ones are not", async () => {
  const home = join(folder, "rotated");
  const first = await testAuthority("first");
  const files = await first.issueFiles(join(home, "live"), [nodeName]);
  const old = await first.issueFiles(join(home, "old"), ["client"]);
  const next = await (await testAuthority("second")).issueFiles(join(home, "next"), [nodeName]);
  const incidents: ServerIncident[] = [];
  await using grpc = await serve(files, incidents);
  const ask = async (used: TestFiles) => {
    const tls = { ...used, serverName: nodeName };
    using connection = connectTo(`127.0.0.1:${grpc.port}`, { tls });
    return await status(connection);
  };
  const warned = () => incidents.map(({ message }) => message).includes(keptOld);
  assert.equal(await ask(files), "tls");

  copyFileSync(next.certFile, files.certFile);
  assert.equal(await ask(old), "tls", "in the midst of it, the server goes on with what it had");
  assert(warned());
  await assert.rejects(ask(files), { code: Code.Unavailable }, "a key that does not fit");
  copyFileSync(next.keyFile, files.keyFile);
  copyFileSync(next.caFile, files.caFile);
  // Another authority altogether: whoever kept the old one cannot talk any more.
  assert.equal(await ask(files), "tls");
  await assert.rejects(ask(old), { code: Code.Unavailable });

  incidents.length = 0;
  writeFileSync(files.certFile, "rubbish");
  assert.equal(await ask(next), "tls");
  rmSync(files.certFile);
  assert.equal(await ask(next), "tls");
  assert(warned());
});

const keptOld = "new certificates cannot be used, the old ones are";

test("a server does not start with certificates that are none", async () => {
  for (const files of [
    { ...server, keyFile: client.keyFile },
    { ...server, certFile: "/nowhere" },
  ]) {
    await assert.rejects(serve(files));
  }
});

async function serve(tls: TlsFiles, incidents: ServerIncident[] = []) {
  const grpc = await serveGrpc({
    routes: (router) => router.service(Observer, { serverStatus: () => ({ version: "tls" }) }),
    sockets: [{ host: "127.0.0.1", port: 0, tls }],
    onIncident: (incident) => incidents.push(incident),
  });
  const [address] = grpc.addresses;
  assert(address !== undefined && "port" in address);
  return { port: address.port, [Symbol.asyncDispose]: () => grpc.close({ graceMs: 200 }) };
}

async function status(connection: ReturnType<typeof connectTo>): Promise<string> {
  return (await createClient(Observer, connection.transport).serverStatus({})).version;
}

/** Whether the server finishes a handshake and then sends its settings. */
function handshake(port: number, options: object): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTls({
      host: "127.0.0.1",
      port,
      ca: readFileSync(server.caFile),
      cert: readFileSync(client.certFile),
      key: readFileSync(client.keyFile),
      checkServerIdentity: () => undefined,
      ALPNProtocols: ["h2"],
      ...options,
    });
    socket.once("data", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
    socket.once("data", () => socket.destroy());
  });
}

test("Hubble's ports: who shakes hands for ever keeps nobody with a certificate out", async () => {
  const grpc = await serveGrpc({
    routes: () => undefined,
    sockets: [{ host: "127.0.0.1", port: 0, tls: server }],
    limits: { maxConnections: 30 },
  });
  const port = grpc.addresses.map((address) => ("port" in address ? address.port : 0))[0] as number;
  const host = "127.0.0.1";
  const silent = Array.from({ length: 100 }, () =>
    connectPlain({ host, port, localAddress: "127.0.0.2" }),
  );
  for (const socket of silent) socket.on("error", () => undefined);
  try {
    await sleep(300);
    const socket = connectTls({
      host,
      port,
      servername: nodeName,
      ALPNProtocols: ["h2"],
      ca: readFileSync(client.caFile),
      cert: readFileSync(client.certFile),
      key: readFileSync(client.keyFile),
    });
    // HTTP/2's greeting: it was let in.
    assert.equal(
      await Promise.race([once(socket, "data").then(() => "greeted"), sleep(5_000)]),
      "greeted",
    );
    socket.destroy();
    assert.equal(silent.filter(({ destroyed }) => !destroyed).length, 32);
  } finally {
    for (const socket of silent) socket.destroy();
    await grpc.close({ graceMs: 0 });
  }
});
