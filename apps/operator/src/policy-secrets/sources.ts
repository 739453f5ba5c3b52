// The Secrets that policies name, each watched by its name, and no others.
import { type KubeClient, reflect, resources, type Secret } from "@tsilium/kube";
import type { SecretRef } from "@tsilium/policy/model.ts";
import { errorText } from "./error-text.ts";
import { secretKey, type Source } from "./model.ts";

export type SourcesOptions = {
  readonly client: KubeClient;
  readonly onChange: () => void;
  /** More are not watched: each is a connection to the API server. */
  readonly most?: number;
};

type Watched = {
  readonly stop: AbortController;
  readonly done: Promise<void>;
  secret: Secret | undefined;
  synced: boolean;
  error: string | undefined;
};

export class SecretSources implements AsyncDisposable {
  readonly #options: Required<SourcesOptions>;
  readonly #watched = new Map<string, Watched>();
  /** Watches that were told to end and have not yet. */
  readonly #ending = new Set<Promise<void>>();

  constructor(options: SourcesOptions) {
    this.#options = { most: 1_000, ...options };
  }

  /** Watches these, and nothing else. What is watched already comes before what is new. */
  want(refs: readonly SecretRef[]): void {
    const wanted = new Map(refs.map((ref) => [secretKey(ref), ref]));
    for (const [key, watched] of this.#watched) if (!wanted.has(key)) this.#end(key, watched);
    for (const [key, ref] of wanted)
      if (!this.#watched.has(key) && this.#watched.size < this.#options.most) this.#watch(key, ref);
  }

  /** What was read holds until it is known to be gone. */
  get(ref: SecretRef): Source {
    const watched = this.#watched.get(secretKey(ref));
    if (!watched)
      return {
        kind: "unreadable",
        reason: `policies name more than ${this.#options.most} Secrets`,
      };
    const { secret, synced, error } = watched;
    if (secret) {
      const { type = "Opaque", data = {}, metadata } = secret;
      const createdAt = metadata.creationTimestamp ?? "";
      return { kind: "present", createdAt, content: { type, data } };
    }
    if (synced) return { kind: "absent" };
    return error === undefined ? { kind: "unknown" } : { kind: "unreadable", reason: error };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [key, watched] of this.#watched) this.#end(key, watched);
    await Promise.all(this.#ending);
  }

  #end(key: string, { stop, done }: Watched): void {
    this.#watched.delete(key);
    stop.abort();
    this.#ending.add(done);
    void done.then(() => this.#ending.delete(done));
  }

  #watch(key: string, { namespace, name }: SecretRef): void {
    const stop = new AbortController();
    const tell = (change: Partial<Pick<Watched, "secret" | "synced" | "error">>) => {
      if (stop.signal.aborted) return;
      Object.assign(watched, change);
      this.#options.onChange();
    };
    const done = reflect(this.#options.client, resources.secrets, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
      signal: stop.signal,
      handlers: {
        upsert: (secret) => tell({ secret }),
        delete: () => tell({ secret: undefined }),
        synced: () => tell({ synced: true }),
        onError: (error) => {
          const text = errorText(error);
          if (text !== watched.error) tell({ error: text });
        },
      },
    });
    const watched: Watched = { stop, done, secret: undefined, synced: false, error: undefined };
    this.#watched.set(key, watched);
  }
}
