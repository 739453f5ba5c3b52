// A cluster for the page's tests: the real flow server with traffic put into it, the real API server with objects, and
// the page's own server between them and a browser.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveGrpc } from "@tsilium/hubble/grpc/index.ts";
import type { Flow } from "@tsilium/hubble/model.ts";
import { Observer, observerRoutes } from "@tsilium/hubble/observer/index.ts";
import { createLog } from "@tsilium/runtime";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { buildPage } from "../../build.ts";
import { loadAssets } from "../../src/http/assets.ts";
import { startUi, type Ui, type UiOptions } from "../../src/ui.ts";
import { putShopObjects } from "./objects.ts";
import { type Scene, Traffic } from "./scene.ts";

export type TestCluster = AsyncDisposable & {
  readonly url: string;
  readonly observer: Observer;
  readonly api: TestApi | undefined;
  readonly folder: string;
  /** Flows between two times, put into the server. */
  add(fromMs: number, toMs: number, count: number): void;
  /** Traffic from now on; ends with the cluster, or when what is answered is called. */
  run(perSecond: number): () => void;
  /** Flows as `add` would put them there. */
  make(atMs: number, count: number): Flow[];
  /** Flows are numbered from here on. */
  skipTo(sequence: number): void;
  stopRelay(): Promise<void>;
  startRelay(): Promise<void>;
};

export type TestClusterOptions = {
  readonly scene: Scene;
  readonly objects?: boolean;
  readonly ui?: Partial<UiOptions>;
};

let page: Promise<string> | undefined;

/** The page, built once for all tests of a process. */
export function builtPage(): Promise<string> {
  page ??= (async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "tsilium-page-")), "page");
    process.once("exit", () => rmSync(join(folder, ".."), { recursive: true, force: true }));
    await buildPage(folder);
    return folder;
  })();
  return page;
}

export async function startCluster(options: TestClusterOptions): Promise<TestCluster> {
  const { scene, objects = true } = options;
  const folder = mkdtempSync(join(tmpdir(), "tsilium-ui-"));
  await using parts = new AsyncDisposableStack();
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const observer = new Observer({ nodeName: "node-1", capacity: 65_535 });
  const socket = join(folder, "relay.sock");
  let server: Awaited<ReturnType<typeof serveGrpc>> | undefined;
  const startRelay = async () => {
    server = await serveGrpc({
      ...observerRoutes(observer, { version: "tsilium 0.1.0" }),
      sockets: [{ unix: socket }],
    });
  };
  const stopRelay = async () => {
    await server?.close({ graceMs: 0 });
    server = undefined;
  };
  await startRelay();
  parts.defer(stopRelay);
  const api = objects ? parts.use(await startTestApi()) : undefined;
  if (api) await putShopObjects(api.client, scene);
  const ui: Ui = parts.use(
    await startUi({
      relay: { address: `unix://${socket}`, tls: undefined },
      client: api?.connect(),
      assets: loadAssets(await builtPage()),
      listen: { host: "127.0.0.1", port: 0 },
      names: [],
      tls: undefined,
      token: undefined,
      log: createLog({ level: "silent" }),
      ...options.ui,
    }),
  );
  const traffic = new Traffic(scene);
  const add: TestCluster["add"] = (fromMs, toMs, count) =>
    observer.add(traffic.between(fromMs, toMs, count));
  const timers = new Set<NodeJS.Timeout>();
  parts.defer(() => {
    for (const timer of timers) clearInterval(timer);
  });
  const run: TestCluster["run"] = (perSecond) => {
    let lastMs = Date.now();
    const timer = setInterval(() => {
      const nowMs = Date.now();
      const count = Math.round(((nowMs - lastMs) * perSecond) / 1000);
      if (count === 0) return;
      add(lastMs, nowMs, count);
      lastMs = nowMs;
    }, 20);
    timers.add(timer);
    return () => clearInterval(timer);
  };
  const started = parts.move();
  return {
    url: `http://127.0.0.1:${ui.port}`,
    observer,
    api,
    folder,
    add,
    run,
    make: (atMs, count) => traffic.between(atMs - 1, atMs, count),
    skipTo: (sequence) => traffic.skipTo(sequence),
    stopRelay,
    startRelay,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
