// A real Hubble server with flows of our choice.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GrpcServer, serveGrpc, type TlsFiles } from "@tsilium/hubble/grpc/index.ts";
import { emptyFlow, type Flow } from "@tsilium/hubble/model.ts";
import {
  HubblePeers,
  Observer,
  observerRoutes,
  peerRoutes,
} from "@tsilium/hubble/observer/index.ts";

export type TestServer = AsyncDisposable & {
  readonly observer: Observer;
  readonly peers: HubblePeers;
  /** "unix:///..." */
  readonly address: string;
  /** "127.0.0.1:PORT"; with `tls` alone. */
  readonly tcp: string;
  readonly folder: string;
  readonly grpc: GrpcServer;
  /** Flows that happen now, in this order. */
  add(...flows: readonly Partial<Flow>[]): void;
};

/** Serves a node "node-1" on a unix socket, and with `tls` on TCP. */
export async function testServer(tls?: TlsFiles): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), "hubble-cli-"));
  const observer = new Observer({ nodeName: "node-1" });
  const peers = new HubblePeers();
  const services = [
    observerRoutes(observer, { version: "tsilium v0.0.0-test" }),
    peerRoutes(peers),
  ];
  const unix = join(folder, "hubble.sock");
  const grpc = await serveGrpc({
    routes: (router) => services.forEach(({ routes }) => routes(router)),
    streams: services.flatMap(({ streams }) => streams),
    sockets: [{ unix }, ...(tls ? [{ host: "127.0.0.1", port: 0, tls }] : [])],
  });
  const [, tcp] = grpc.addresses;
  let sequence = 0;
  return {
    observer,
    peers,
    folder,
    grpc,
    address: `unix://${unix}`,
    tcp: tcp && "port" in tcp ? `127.0.0.1:${tcp.port}` : "",
    add(...flows) {
      observer.add(
        flows.map((flow) => ({ ...emptyFlow, nodeName: "node-1", ...flow, sequence: ++sequence })),
      );
    },
    async [Symbol.asyncDispose]() {
      await grpc.close({ graceMs: 0 });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
