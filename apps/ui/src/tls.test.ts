// Certificates on both sides of the server: browsers', and relay's.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { serveGrpc } from "@tsilium/hubble/grpc/index.ts";
import { Observer, observerRoutes } from "@tsilium/hubble/observer/index.ts";
import { testAuthority } from "@tsilium/testkit/certificates.ts";
import { listenTls, loadConfig } from "./config.ts";
import { relayTls } from "./relay/tls.ts";
import { startHarness, testFlows } from "./testing/harness.ts";

type Client = { readonly cert?: Buffer; readonly key?: Buffer };

/** The answer's body, or the code of the error that the connection ended with. */
function ask(port: number, ca: Buffer, client: Client): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port,
        path: "/api/status",
        ca,
        ...client,
        servername: "localhost",
        headers: { host: `localhost:${port}` },
        agent: false,
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (part: string) => (body += part));
        response.on("end", () => resolve(body));
      },
    );
    sent.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sent.end();
  });
}

test("browsers need a certificate of the authority; relay is spoken to with ours", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-ui-tls-"));
  await using parts = new AsyncDisposableStack();
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const people = await testAuthority("people");
  const cluster = await testAuthority("cluster");
  const page = await people.issueFiles(join(folder, "page"), ["localhost"]);
  const person = await people.issueFiles(join(folder, "person"), ["somebody"]);
  const relay = await cluster.issueFiles(join(folder, "relay"), ["ui.hubble-relay.cilium.io"]);
  const own = await cluster.issueFiles(join(folder, "own"), ["ui"]);

  const observer = new Observer({ nodeName: "node-1" });
  observer.add(testFlows(1, 5));
  const server = parts.use(
    await serveGrpc({
      ...observerRoutes(observer, { version: "test" }),
      sockets: [{ host: "127.0.0.1", port: 0, tls: relay }],
    }),
  );
  const [address] = server.addresses;
  assert.ok(address && "port" in address);
  const config = loadConfig(
    [
      "--relay",
      `127.0.0.1:${address.port}`,
      "--tls-ca-cert-files",
      own.caFile,
      "--tls-client-cert-file",
      own.certFile,
      "--tls-client-key-file",
      own.keyFile,
      "--tls-server-name",
      "ui.hubble-relay.cilium.io",
      "--listen-tls-cert-file",
      page.certFile,
      "--listen-tls-key-file",
      page.keyFile,
      "--listen-tls-client-ca-files",
      page.caFile,
    ],
    {},
  );
  const harness = parts.use(
    await startHarness({
      relay: { address: config.relay, tls: relayTls(config) },
      tls: listenTls(config),
    }),
  );
  const ca = readFileSync(page.caFile);
  const material = (files: typeof person): Client => ({
    cert: readFileSync(files.certFile),
    key: readFileSync(files.keyFile),
  });
  const { relay: said } = JSON.parse(await ask(harness.port, ca, material(person))) as {
    relay: { error: string; seenFlows: number };
  };
  assert.deepEqual([said.error, said.seenFlows], ["", 5]);
  assert.match(await ask(harness.port, ca, {}), /CERTIFICATE_REQUIRED|ECONNRESET/);
  // Somebody whom another authority knows.
  assert.match(
    await ask(harness.port, ca, material(own)),
    /UNKNOWN_CA|ECONNRESET|CERTIFICATE|ALERT/i,
  );
});
