import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createPki } from "@tsilium/apiserver/pki.ts";
import { connectTo, serveGrpc } from "@tsilium/hubble/grpc/index.ts";
import { hubbleServerName as nameOfServers } from "@tsilium/hubble/observer/index.ts";
import { labLayout } from "../layout.ts";
import {
  type CertificateFiles,
  hubbleFiles,
  hubbleServerName,
  makeHubbleCertificates,
} from "./hubble-certificates.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-hubble-"));
const lab = { ...labLayout("certs"), hubble: join(folder, "hubble") };
const files = hubbleFiles(lab);
before(() => makeHubbleCertificates(lab, [lab.node(1), lab.node(2)], "default"));
after(() => rmSync(folder, { recursive: true }));

/** How a client fares with a node's server. */
async function dial(client: CertificateFiles | undefined, serverName: string): Promise<string> {
  const { cert: certFile, key: keyFile } = files.server("node-1");
  await using server = await serveGrpc({
    routes: () => undefined,
    sockets: [{ host: "127.0.0.1", port: 0, tls: { certFile, keyFile, caFile: files.ca } }],
  });
  const [address] = server.addresses;
  const port = address && "port" in address ? address.port : 0;
  using connection = connectTo(`127.0.0.1:${port}`, {
    tls: {
      caFile: files.ca,
      serverName,
      ...(client ? { certFile: client.cert, keyFile: client.key } : {}),
    },
  });
  try {
    const stream = connection.streamRaw(
      "/none.None/None",
      new Uint8Array(),
      AbortSignal.timeout(5000),
    );
    for await (const _ of stream) return "an answer";
    return "an end";
  } catch (error) {
    // With a certificate that is taken, the server answers that there is no such method.
    return /no method/.test((error as Error).message) ? "taken" : "refused";
  }
}

test("everything is its owner's alone, and the authority's key is nowhere", () => {
  assert.equal(statSync(lab.hubble).mode & 0o777, 0o700);
  const found = readdirSync(lab.hubble);
  for (const name of found)
    assert.equal(statSync(join(lab.hubble, name)).mode & 0o777, 0o600, name);
  assert.ok(found.includes("ca.crt") && !found.includes("ca.key"), found.join(" "));
});

test("a node's server takes the relay and people, by the name that servers have", async () => {
  const name = hubbleServerName("node-1", "default");
  assert.equal(await dial(files.relayClient, name), "taken");
  assert.equal(await dial(files.client, name), "taken");
});

test("it takes nobody without a certificate, nor another server's, nor a user of the API server", async () => {
  const name = hubbleServerName("node-1", "default");
  const pki = await createPki(join(folder, "pki"));
  const admin = await pki.client("admin", ["system:masters"]);
  const user = { cert: join(folder, "admin.crt"), key: join(folder, "admin.key") };
  writeFileSync(user.cert, admin.cert);
  writeFileSync(user.key, admin.key, { mode: 0o600 });
  assert.equal(await dial(undefined, name), "refused");
  assert.equal(await dial(files.server("node-2"), name), "refused");
  assert.equal(await dial(user, name), "refused");
});

test("another node's name is not this one's", async () => {
  assert.equal(await dial(files.relayClient, hubbleServerName("node-2", "default")), "refused");
});

test("servers are called here as Hubble calls them", () => {
  for (const [node, cluster] of [
    ["node-1", "default"],
    ["a.b.example", "blue.green"],
  ] as const)
    assert.equal(hubbleServerName(node, cluster), nameOfServers(node, cluster));
});
