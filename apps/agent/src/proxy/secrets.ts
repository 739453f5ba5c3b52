// Secrets for L7 rules: those that rule sets name, each watched by its name, and no others. What is in them is in this
// process's memory and in the engine's; it is never logged, told or written.
import type { Secret } from "@tsilium/kube";
import { type KubeClient, reflect, resources } from "@tsilium/kube";
import { secretCopyName, secretCopyOf, type SecretRef } from "@tsilium/policy/model.ts";
import type { SecretStore } from "@tsilium/proxy/model.ts";
import { secretRefs } from "@tsilium/proxy/secrets/index.ts";
import type { Logger } from "@tsilium/runtime";
import type { WantedRules } from "./model.ts";

export type SecretsOptions = {
  readonly client: KubeClient;
  /** `policy-secrets-namespace` */
  readonly namespace: string;
  /**
   * `policy-secrets-only-from-secrets-namespace`: else who may write a policy can have the agent read any Secret of the
   * cluster, and send it to a server of theirs. A Secret of another namespace stands for its copy in `namespace`, named
   * "<its namespace>-<its name>" as Cilium's operator names it: who may make copies says what policies may use.
   */
  readonly onlyFromNamespace: boolean;
  readonly log: Logger;
};

type Data = Readonly<Record<string, string>>;
type Watched = {
  readonly stop: AbortController;
  readonly done: Promise<void>;
  /** undefined: not there, or not known yet. */
  data: Data | undefined;
  synced: boolean;
  /** The other Secret that what is in the copy's place is a copy of. */
  copyOf: string | undefined;
  /** Why it cannot be read; undefined: it can. */
  error: string | undefined;
};

/** More than this at once are not watched: each is a request of its own to the API server. */
const mostSecrets = 256;

export class PolicySecrets implements SecretStore, AsyncDisposable {
  readonly #options: SecretsOptions;
  readonly #named = new Map<number, readonly string[]>();
  readonly #watched = new Map<string, Watched>();
  readonly #listeners = new Set<(namespace: string, name: string) => void>();

  constructor(options: SecretsOptions) {
    this.#options = options;
  }

  /** Watches what these rule sets name and what others named before; nothing else. */
  want({ whole, listeners, removed }: WantedRules): void {
    if (whole) this.#named.clear();
    for (const port of removed) this.#named.delete(port);
    for (const { port, ruleSet } of listeners) {
      const keys = secretRefs(ruleSet).map(({ namespace, name }) => `${namespace}/${name}`);
      if (keys.length > 0) this.#named.set(port, keys);
      else this.#named.delete(port);
    }
    const wanted = new Set([...this.#named.values()].flat());
    for (const [key, { stop }] of this.#watched) {
      if (wanted.has(key)) continue;
      stop.abort();
      this.#watched.delete(key);
    }
    for (const key of wanted) if (!this.#watched.has(key)) this.#watch(key);
  }

  get(namespace: string, name: string): Data | undefined {
    return this.#watched.get(`${namespace}/${name}`)?.data;
  }

  reason(namespace: string, name: string): string | undefined {
    const watched = this.#watched.get(`${namespace}/${name}`);
    if (watched?.data !== undefined) return undefined;
    if (watched === undefined) return `is not read: more than ${mostSecrets} are named`;
    if (watched.error !== undefined) return `cannot be read: ${watched.error}`;
    const { namespace: at, name: as } = this.#place(namespace, name);
    if (watched.copyOf !== undefined)
      return `has no copy: ${at}/${as} is the copy of ${watched.copyOf}`;
    const copy = at === namespace ? "" : ` (what is read is its copy ${at}/${as})`;
    return watched.synced ? `is not there${copy}` : "is not known yet";
  }

  onChange(listener: (namespace: string, name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#watched.values()];
    this.#watched.clear();
    for (const { stop } of all) stop.abort();
    await Promise.all(all.map(({ done }) => done));
  }

  /** Where a Secret is read. */
  #place(namespace: string, name: string): SecretRef {
    const { namespace: home, onlyFromNamespace } = this.#options;
    if (!onlyFromNamespace || namespace === home) return { namespace, name };
    return { namespace: home, name: secretCopyName({ namespace, name }) };
  }

  #watch(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    if (this.#watched.size >= mostSecrets) return;
    const place = this.#place(namespace, name);
    const { client, log } = this.#options;
    const stop = new AbortController();
    const tell = (change: Partial<Pick<Watched, "data" | "synced" | "copyOf" | "error">>) => {
      if (this.#watched.get(key) !== watched) return;
      const before = JSON.stringify([watched.data, this.reason(namespace, name)]);
      Object.assign(watched, change);
      if (JSON.stringify([watched.data, this.reason(namespace, name)]) === before) return;
      for (const listener of this.#listeners) listener(namespace, name);
    };
    const done = reflect(client, resources.secrets, {
      namespace: place.namespace,
      fieldSelector: `metadata.name=${place.name}`,
      signal: stop.signal,
      trim: ({ metadata, data }): Secret => ({
        metadata: {
          ...place,
          ...(metadata.labels === undefined ? {} : { labels: metadata.labels }),
          ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
          ...(metadata.resourceVersion === undefined
            ? {}
            : { resourceVersion: metadata.resourceVersion }),
        },
        data: data ?? {},
      }),
      handlers: {
        upsert: ({ metadata, data }) => {
          // "a-b/c" and "a/b-c" have one copy name: what is there may be the other's.
          const owner = place.namespace === namespace ? undefined : secretCopyOf(metadata.labels);
          const isOthers = owner && (owner.namespace !== namespace || owner.name !== name);
          tell({
            data: isOthers ? undefined : (data ?? {}),
            copyOf: isOthers ? `${owner.namespace}/${owner.name}` : undefined,
            error: undefined,
          });
        },
        delete: () => tell({ data: undefined, copyOf: undefined }),
        synced: () => tell({ synced: true, error: undefined }),
        progress: () => tell({ error: undefined }),
        onError: (error) => {
          // What was read before holds until it is known to be gone.
          const reason = (error as Error).message;
          if (watched.error !== reason)
            log.warn({ secret: key, error }, "a policy's secret cannot be read");
          tell({ error: reason });
        },
      },
    });
    const watched: Watched = {
      stop,
      done,
      data: undefined,
      synced: false,
      copyOf: undefined,
      error: undefined,
    };
    this.#watched.set(key, watched);
  }
}
