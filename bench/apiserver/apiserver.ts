// The API server with 10,000 pods and 200 watchers: what lists, watches and writes take, and its memory.
import { setTimeout as sleep } from "node:timers/promises";
import { type KubeClient, type Pod, resources } from "@tsilium/kube";
import { eachOf } from "../lab/create.ts";
import type { Section } from "../report.ts";
import { median, quantile } from "../statistics.ts";
import { runningPod } from "../agent/pods.ts";
import { BenchServer } from "./server.ts";

export type ApiServerOptions = {
  readonly pods: number;
  readonly watchers: number;
  /** Changes whose way to every watcher is timed. */
  readonly samples: number;
};

const namespace = "default";
const lists = 5;

export async function benchApiServer(options: ApiServerOptions): Promise<Section[]> {
  await using server = await BenchServer.start();
  const bareBytes = server.bytes();
  const writes = await timed(server, () => createPods(server.client, options.pods));
  const filledBytes = server.bytes();
  const paged = await medianOf(server, () => countListed(server.client, 500));
  const whole = await medianOf(server, () => countListed(server.client, 0));
  await using one = await Watchers.start(server, 1);
  const alone = await one.delays(server.client, options.samples);
  await using many = await Watchers.start(server, options.watchers - 1);
  const crowded = await many.delays(server.client, options.samples);
  await sleep(2000);
  const { pods, watchers, samples } = options;
  const perSecond = (count: number, { ms }: Timed) => Math.round((count * 1000) / ms);
  return [
    {
      title: `the API server with ${pods.toLocaleString("en")} pods and ${watchers} watchers`,
      note: `A process of its own, clients in the bench's; over TLS. Pods of some 2 KB of JSON, created 16 at a time, each on the disk before it is acknowledged. Lists: medians of ${lists}, parsed by the client. From the start of a change to its arrival, ${samples} changes one after another: at one watcher, at the last of all.`,
      columns: ["", "", "CPU ms of the server"],
      rows: [
        ["pods created a second", perSecond(pods, writes), each(writes, pods)],
        ["list in pages of 500, ms", paged.ms.toFixed(0), paged.cpuMs.toFixed(0)],
        ["list in one, ms", whole.ms.toFixed(0), whole.cpuMs.toFixed(0)],
        ["change at one watcher, ms, p50", ms(median(alone.ms)), each(alone, samples)],
        ["change at one watcher, ms, p99", ms(quantile(alone.ms, 0.99)), ""],
        [`change at ${watchers}, ms, p50`, ms(median(crowded.ms)), each(crowded, samples)],
        [`change at ${watchers}, ms, p99`, ms(quantile(crowded.ms, 0.99)), ""],
        ["VmRSS MB, empty", megabytes(bareBytes), ""],
        ["VmRSS MB, with all pods", megabytes(filledBytes), ""],
        ["VmRSS MB, with all watchers", megabytes(server.bytes()), ""],
      ],
    },
  ];
}

type Timed = { readonly ms: number; readonly cpuMs: number };

const ms = (value: number): string => value.toFixed(1);
const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
const each = ({ cpuMs }: { readonly cpuMs: number }, count: number): string =>
  (cpuMs / count).toFixed(2);

async function timed(server: BenchServer, work: () => Promise<unknown>): Promise<Timed> {
  const [begun, cpuBefore] = [performance.now(), server.cpuMs()];
  await work();
  return { ms: performance.now() - begun, cpuMs: server.cpuMs() - cpuBefore };
}

async function medianOf(server: BenchServer, work: () => Promise<unknown>): Promise<Timed> {
  const all: Timed[] = [];
  for (let run = 0; run < lists; run++) all.push(await timed(server, work));
  return { ms: median(all.map((one) => one.ms)), cpuMs: median(all.map((one) => one.cpuMs)) };
}

async function createPods(client: KubeClient, count: number): Promise<void> {
  const pods = Array.from({ length: count }, (_, number) => runningPod(number, namespace));
  await eachOf(pods, (pod) =>
    client.create(resources.pods, pod, { signal: AbortSignal.timeout(30_000) }),
  );
}

/** @param pageSize 0: all at once */
async function countListed(client: KubeClient, pageSize: number): Promise<number> {
  let count = 0;
  const signal = AbortSignal.timeout(60_000);
  for await (const { items } of client.pages(resources.pods, { pageSize, signal }))
    count += items.length;
  return count;
}

type Arrivals = { readonly ms: readonly number[]; readonly cpuMs: number };

/** Watches of all pods, each on a connection of its own. */
class Watchers implements AsyncDisposable {
  readonly #server: BenchServer;
  readonly #stop = new AbortController();
  readonly #watches: Promise<void>[] = [];
  /** Called for each event that arrives, with its value of the label that changes. */
  #arrived: (value: string) => void = () => undefined;

  private constructor(server: BenchServer) {
    this.#server = server;
  }

  /** Resolves when every one of them has seen a change. */
  static async start(server: BenchServer, count: number): Promise<Watchers> {
    const watchers = new Watchers(server);
    const pages = server.client.pages(resources.pods, { pageSize: 1, signal: patience() });
    const { value } = await pages.next();
    const { resourceVersion = "" } = value?.metadata ?? {};
    for (let number = 0; number < count; number++)
      watchers.#watches.push(watchers.#watch(server.connect(), resourceVersion));
    const failed = Promise.race(watchers.#watches);
    await Promise.race([watchers.#change(server.client, `first-of-${count}`), failed]);
    return watchers;
  }

  /** How long changes take to all of these watchers, ms. */
  async delays(client: KubeClient, samples: number): Promise<Arrivals> {
    const taken: number[] = [];
    const cpuBefore = this.#server.cpuMs();
    for (let sample = 0; sample < samples; sample++) {
      const begun = performance.now();
      await this.#change(client, `v${sample}`);
      taken.push(performance.now() - begun);
    }
    return { ms: taken, cpuMs: this.#server.cpuMs() - cpuBefore };
  }

  /** Changes a pod; resolves when every watcher has seen it. */
  async #change(client: KubeClient, value: string): Promise<void> {
    let missing = this.#watches.length;
    const seen = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${missing} watchers saw nothing`)), 30_000);
      this.#arrived = (arrived) => {
        if (arrived !== value || --missing > 0) return;
        clearTimeout(timer);
        resolve();
      };
    });
    const patch = { metadata: { labels: { version: value } } };
    const change = { type: "merge", patch, namespace, signal: patience() } as const;
    await client.patch(resources.pods, podName, change);
    await seen;
  }

  async #watch(client: KubeClient, resourceVersion: string): Promise<void> {
    const { signal } = this.#stop;
    const events = client.watch<Pod>(resources.pods, { resourceVersion, signal });
    try {
      for await (const { object } of events)
        this.#arrived(object.metadata.labels?.["version"] ?? "");
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#watches);
  }
}

const podName = runningPod(0, namespace).metadata.name ?? "";
const patience = (): AbortSignal => AbortSignal.timeout(30_000);
