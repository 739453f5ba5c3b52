// The server between a real flow server and a client that reads lines.
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveGrpc } from "@tsilium/hubble/grpc/index.ts";
import { emptyFlow, type Flow, type FlowEndpoint, unknownEndpoint } from "@tsilium/hubble/model.ts";
import { Observer, observerRoutes } from "@tsilium/hubble/observer/index.ts";
import { createLog } from "@tsilium/runtime";
import type { Assets } from "../http/assets.ts";
import type { Line } from "../shared/stream.ts";
import { startUi, type UiOptions } from "../ui.ts";

export type Harness = AsyncDisposable & {
  readonly observer: Observer;
  readonly port: number;
  startRelay(): Promise<void>;
  stopRelay(): Promise<void>;
};

const asset = (type: string, text: string, immutable: boolean) => ({
  type,
  body: Buffer.from(text),
  gzipped: Buffer.from(text),
  immutable,
});
const page = asset("text/html; charset=utf-8", "<!doctype html>", false);
export const assets: Assets = {
  page,
  files: new Map([
    ["/index.html", page],
    ["/assets/main-abcdefgh.js", asset("text/javascript", "1", true)],
  ]),
};

export async function startHarness(options: Partial<UiOptions> = {}): Promise<Harness> {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-ui-"));
  await using parts = new AsyncDisposableStack();
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const observer = new Observer({ nodeName: "node-1", capacity: 16_383 });
  const unix = join(folder, "relay.sock");
  let server: Awaited<ReturnType<typeof serveGrpc>> | undefined;
  const startRelay = async () => {
    const routes = observerRoutes(observer, { version: "test 1" });
    server = await serveGrpc({ ...routes, sockets: [{ unix }] });
  };
  const stopRelay = async () => {
    await server?.close({ graceMs: 0 });
    server = undefined;
  };
  await startRelay();
  parts.defer(stopRelay);
  const ui = parts.use(
    await startUi({
      relay: { address: `unix://${unix}`, tls: undefined },
      client: undefined,
      assets,
      listen: { host: "127.0.0.1", port: 0 },
      names: [],
      tls: undefined,
      token: undefined,
      log: createLog({ level: "silent" }),
      ...options,
    }),
  );
  const started = parts.move();
  return {
    observer,
    port: ui.port,
    startRelay,
    stopRelay,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

const pod = (name: string): FlowEndpoint => ({
  ...unknownEndpoint,
  identity: 5_000,
  namespace: "shop",
  podName: `${name}-1`,
  labels: [`k8s:app=${name}`, "k8s:io.kubernetes.pod.namespace=shop"],
  workloads: [{ kind: "Deployment", name }],
});
const web = pod("web");
const db = pod("db");

/** Flow number `sequence`: a second apart from its neighbours, every tenth dropped. */
export function testFlow(sequence: number, startNs = 1_790_000_000_000_000_000n): Flow {
  const isDrop = sequence % 10 === 0;
  return {
    ...emptyFlow,
    sequence,
    timeNs: startNs + BigInt(sequence) * 1_000_000n,
    uuid: `00000000-0000-4000-8000-${String(sequence).padStart(12, "0")}`,
    verdict: isDrop ? 2 : 1,
    dropReason: isDrop ? 133 : 0,
    eventType: isDrop ? { type: 1, subType: 133 } : { type: 4, subType: 0 },
    ip: {
      source: "10.0.0.1",
      sourceXlated: "",
      destination: "10.0.0.2",
      version: 1,
      encrypted: false,
    },
    l4: { kind: "tcp", sourcePort: 40_000, destinationPort: 5432, flags: undefined },
    source: web,
    destination: db,
    type: 1,
    nodeName: "node-1",
  };
}

export function testFlows(first: number, count: number, startNs?: bigint): Flow[] {
  return Array.from({ length: count }, (_, at) => testFlow(first + at, startNs));
}

export type Answer = {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
};

export function get(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request(
    { host: "127.0.0.1", port, path, method, headers, agent: false },
    (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
      response.on("error", reject);
    },
  );
  sent.on("error", reject);
  sent.end();
  return promise;
}

/** Lines of a stream as they come. */
export class LineReader implements Disposable {
  readonly lines: Line[] = [];
  isEnded = false;
  #response: IncomingMessage | undefined;
  #changed = Promise.withResolvers<void>();
  readonly #request;

  constructor(port: number, path: string) {
    let begun = "";
    this.#request = request({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      this.#response = response;
      response.setEncoding("utf8").on("data", (text: string) => {
        const parts = (begun + text).split("\n");
        begun = parts.pop() as string;
        for (const part of parts) this.lines.push(JSON.parse(part) as Line);
        this.#change();
      });
      response.on("close", () => {
        this.isEnded = true;
        this.#change();
      });
      response.on("error", () => undefined);
    });
    this.#request.on("error", () => undefined);
    this.#request.end();
  }

  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  /** uuids of all flows, in order. */
  uuids(): string[] {
    return this.lines.flatMap((line) =>
      line.kind === "flows" ? (line.flows ?? []).map((flow) => String(flow["uuid"])) : [],
    );
  }

  async until(isThere: () => boolean, withinMs = 10_000): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    while (!isThere()) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`it did not come: ${JSON.stringify(this.lines.slice(-3))}`);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, leftMs);
      });
      await Promise.race([this.#changed.promise, late]);
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.#request.destroy();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
