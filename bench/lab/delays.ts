// How long after a write to the API something is so on every node, beside when a bare watcher hears of the write.
import { setTimeout as sleep } from "node:timers/promises";
import { type KubeObject, reflect, type KubeClient, type Resource } from "@tsilium/kube";
import type { Entry, MapWatch } from "./map-watch.ts";

/** Of one write, milliseconds. */
export type Delay = {
  /** From its being sent to its being accepted: the answer has come. */
  readonly acceptedMs: number;
  /** From its being sent to a watcher of this process having it. */
  readonly heardMs: number;
  /** From its being sent to every entry having changed. */
  readonly enforcedMs: number;
};

export type Trial<T extends KubeObject> = {
  readonly resource: Resource<T>;
  readonly samples: number;
  /** Entries of the nodes' maps that a write changes. */
  entries(sample: number): readonly Entry[];
  write(sample: number): Promise<T>;
};

const timeoutMs = 20_000;
/** Between writes, so that one's work is over before the next. */
const pauseMs = 40;

/** One write after the other. @throws Error when one is not enforced in time */
export async function measureDelays<T extends KubeObject>(
  client: KubeClient,
  watch: MapWatch,
  trial: Trial<T>,
): Promise<Delay[]> {
  await using heard = await Heard.start(client, trial.resource);
  const delays: Delay[] = [];
  for (let sample = 0; sample < trial.samples; sample++) {
    const { seen } = await watch.watch(trial.entries(sample), timeoutMs);
    const sentAt = process.hrtime.bigint();
    const { metadata } = await trial.write(sample);
    const acceptedAt = process.hrtime.bigint();
    const heardAt = await heard.of(metadata.resourceVersion ?? "");
    const enforcedAt = (await seen).reduce((last, at) => (at > last ? at : last));
    const ms = (at: bigint) => Number(at - sentAt) / 1e6;
    delays.push({
      acceptedMs: ms(acceptedAt),
      heardMs: ms(heardAt),
      enforcedMs: ms(enforcedAt),
    });
    await sleep(pauseMs * (0.5 + Math.random()));
  }
  return delays;
}

/** When this process heard of each version of the objects of a kind. */
class Heard implements AsyncDisposable {
  readonly #at = new Map<string, bigint>();
  readonly #waiting = new Map<string, (at: bigint) => void>();
  readonly #stop = new AbortController();
  #done: Promise<void> = Promise.resolve();

  static async start<T extends KubeObject>(
    client: KubeClient,
    resource: Resource<T>,
  ): Promise<Heard> {
    const heard = new Heard();
    const { promise, resolve } = Promise.withResolvers<void>();
    const upsert = ({ metadata }: T) => heard.#note(metadata.resourceVersion ?? "");
    const handlers = { upsert, delete: () => {}, synced: resolve };
    heard.#done = reflect(client, resource, { signal: heard.#stop.signal, handlers });
    await promise;
    return heard;
  }

  of(version: string): Promise<bigint> {
    const at = this.#at.get(version);
    if (at !== undefined) return Promise.resolve(at);
    return new Promise((resolve) => this.#waiting.set(version, resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  #note(version: string): void {
    const at = process.hrtime.bigint();
    this.#at.set(version, at);
    this.#waiting.get(version)?.(at);
  }
}
