// hubble-metrics-server: GET /metrics, in Prometheus' format, or in OpenMetrics' for who asks for it (exemplars are
// in that one only).
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parseListenAddress } from "@tsilium/runtime";
import { type Metric, Registry } from "prom-client";

// Not by import, which costs 15 MB: see runtime's pages.ts.
const { createServer } = process.getBuiltinModule("node:http");

export type MetricsServerOptions = {
  /** "host:port", ":port" for every interface. */
  readonly address: string;
  readonly registry: Registry;
  /** Answer in OpenMetrics to who asks for it. */
  readonly openMetrics: boolean;
  /** undefined: plain HTTP, as in Cilium. PEM; `clientCa`: who has no certificate of it is refused. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
};

export class MetricsServer implements AsyncDisposable {
  readonly #server: Server;
  readonly port: number;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** @throws Error when the address is malformed or cannot be had, or the certificate cannot be read. */
  static async listen(options: MetricsServerOptions): Promise<MetricsServer> {
    const { host, port } = parseListenAddress(options.address);
    const server = makeServer(options);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    // A scraper that keeps its connection must not keep the process.
    server.unref();
    return new MetricsServer(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }
}

function makeServer({ registry, openMetrics, tls }: MetricsServerOptions): Server {
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    if ((request.url ?? "").split("?")[0] !== "/metrics") return void response.writeHead(404).end();
    if (request.method !== "GET") return void response.writeHead(405).end();
    const wantsOpen = (request.headers.accept ?? "").includes("application/openmetrics-text");
    const asked = openMetrics && wantsOpen ? asOpenMetrics(registry) : registry;
    asked.metrics().then(
      (body) => response.writeHead(200, { "content-type": asked.contentType }).end(body),
      (error: Error) =>
        response.writeHead(500, { "content-type": "text/plain" }).end(error.message),
    );
  };
  if (!tls) return createServer(handle);
  const { cert, key, clientCa } = tls;
  return process.getBuiltinModule("node:https").createServer(
    {
      cert,
      key,
      minVersion: "TLSv1.2",
      ...(clientCa === undefined
        ? {}
        : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
    },
    handle,
  );
}

/** The same metrics, printed otherwise: a registry of the other format renames the counters that it is given. */
function asOpenMetrics(registry: Registry): Registry {
  const open = new Registry();
  open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  for (const metric of registry.getMetricsAsArray() as unknown as Printable[]) {
    const { name, type } = metric;
    const bare = type === "counter" ? name.replace(/_total$/, "") : name;
    const view: Printable = {
      name,
      type,
      get: async () => ({ ...(await metric.get()), name: bare }),
    };
    open.registerMetric(view as unknown as Metric);
  }
  return open;
}

type Printable = {
  readonly name: string;
  readonly type: string;
  get(): Promise<{ name: string }>;
};
