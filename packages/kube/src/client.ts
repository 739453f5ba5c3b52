// A typed client of the Kubernetes API: one method per verb, each bound to a Resource and a signal.
import { connectionFromKubeconfig, connectionInCluster, type ConnectionOptions } from "./config.ts";
import { KubeError } from "./errors.ts";
import { apiVersionOf, resourcePath, resources, type Resource } from "./resources.ts";
import type {
  CallOptions,
  DeleteOptions,
  ListOptions,
  ObjectOptions,
  PatchOptions,
  SelectOptions,
  WatchOptions,
  WriteOptions,
} from "./options.ts";
import { selectors, withQuery, writeQuery } from "./query.ts";
import { Transport, type Call } from "./transport.ts";
import type { KubeList, KubeObject, WatchEvent } from "./types/meta.ts";
import { readWatch } from "./watch.ts";

const patchTypes = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;

/** Every method rejects with KubeError, or with the signal's reason once that is aborted. */
export class KubeClient implements Disposable {
  readonly server: string;
  readonly #transport: Transport;

  constructor(options: ConnectionOptions) {
    this.server = options.server;
    this.#transport = new Transport(options);
  }

  static fromKubeconfig(
    path: string,
    options: Pick<ConnectionOptions, "userAgent"> = {},
  ): KubeClient {
    return new KubeClient({ ...connectionFromKubeconfig(path), ...options });
  }

  static inCluster(options: Pick<ConnectionOptions, "userAgent"> = {}): KubeClient {
    return new KubeClient({ ...connectionInCluster(), ...options });
  }

  /** @throws KubeError "NotFound" */
  async get<T extends KubeObject>(
    resource: Resource<T>,
    name: string,
    options: ObjectOptions & { readonly subresource?: string },
  ): Promise<T> {
    const { namespace, subresource } = options;
    const path = resourcePath(resource, { namespace, name, subresource });
    return this.#json<T>({ method: "GET", target: path, signal: options.signal });
  }

  /** The whole collection, fetched page by page, all of one resource version. */
  async list<T extends KubeObject>(
    resource: Resource<T>,
    options: ListOptions,
  ): Promise<KubeList<T>> {
    const items: T[] = [];
    let metadata: KubeList<T>["metadata"] = { resourceVersion: "" };
    for await (const page of this.pages(resource, options)) {
      for (const item of page.items) items.push(item);
      metadata = { resourceVersion: page.metadata.resourceVersion };
    }
    return { metadata, items };
  }

  /** Pages of a list. A list that outlives the server's snapshot throws KubeError "Expired". */
  async *pages<T extends KubeObject>(
    resource: Resource<T>,
    options: ListOptions,
  ): AsyncGenerator<KubeList<T>> {
    let token: string | undefined;
    do {
      const page: KubeList<T> = await this.#json<KubeList<T>>({
        method: "GET",
        target: withQuery(resourcePath(resource, { namespace: options.namespace }), {
          ...selectors(options),
          limit: options.pageSize ?? 500,
          continue: token,
        }),
        signal: options.signal,
      });
      yield page;
      token = page.metadata.continue;
    } while (token);
  }

  /** Creates in the object's own namespace unless `namespace` is given. @throws KubeError "AlreadyExists", "Invalid" */
  async create<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions,
  ): Promise<T> {
    const path = resourcePath(resource, {
      namespace: options.namespace ?? object.metadata.namespace,
    });
    return this.#json<T>({
      method: "POST",
      target: withQuery(path, writeQuery(options)),
      body: typed(resource, object),
      signal: options.signal,
    });
  }

  /** Replaces by the object's own name; with a resourceVersion in it only if unchanged. @throws KubeError "Conflict" */
  async replace<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions,
  ): Promise<T> {
    const path = resourcePath(resource, {
      namespace: options.namespace ?? object.metadata.namespace,
      name: object.metadata.name ?? "",
      subresource: options.subresource,
    });
    return this.#json<T>({
      method: "PUT",
      target: withQuery(path, writeQuery(options)),
      body: typed(resource, object),
      signal: options.signal,
    });
  }

  async patch<T extends KubeObject>(
    resource: Resource<T>,
    name: string,
    options: PatchOptions,
  ): Promise<T> {
    const { namespace, subresource } = options;
    const path = resourcePath(resource, { namespace, name, subresource });
    return this.#json<T>({
      method: "PATCH",
      target: withQuery(path, { ...writeQuery(options), force: options.force }),
      body: options.patch,
      contentType: patchTypes[options.type],
      signal: options.signal,
    });
  }

  /** Replaces the status alone. */
  async updateStatus<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions,
  ): Promise<T> {
    return this.replace(resource, object, { ...options, subresource: "status" });
  }

  /** Merge-patches the status alone. */
  async patchStatus<T extends KubeObject>(
    resource: Resource<T>,
    name: string,
    options: WriteOptions & { readonly status: unknown },
  ): Promise<T> {
    const { status, ...rest } = options;
    return this.patch(resource, name, {
      ...rest,
      type: "merge",
      subresource: "status",
      patch: { status },
    });
  }

  /** True if the object was there (it may live on until its finalizers are done), false if it was gone already. */
  async delete<T extends KubeObject>(
    resource: Resource<T>,
    name: string,
    options: DeleteOptions,
  ): Promise<boolean> {
    const { signal, namespace, ...body } = options;
    const target = resourcePath(resource, { namespace, name });
    try {
      await this.#transport.text({
        method: "DELETE",
        target,
        body: {
          kind: "DeleteOptions",
          apiVersion: "v1",
          ...body,
          ...(body.dryRun ? { dryRun: [body.dryRun] } : {}),
        },
        signal,
      });
      return true;
    } catch (error) {
      if (KubeError.isNotFound(error)) return false;
      throw error;
    }
  }

  /** Deletes every object of a collection that is selected; what finalizers hold is only marked. */
  async deleteCollection<T extends KubeObject>(
    resource: Resource<T>,
    options: SelectOptions,
  ): Promise<void> {
    await this.#transport.text({
      method: "DELETE",
      target: withQuery(
        resourcePath(resource, { namespace: options.namespace }),
        selectors(options),
      ),
      signal: options.signal,
    });
  }

  /** Binds a pod to a node, as schedulers do. @throws KubeError "Conflict" when it is bound already */
  async bindPod(
    pod: { readonly namespace: string; readonly name: string },
    node: string,
    options: CallOptions,
  ): Promise<void> {
    await this.#transport.text({
      method: "POST",
      target: resourcePath(resources.pods, { ...pod, subresource: "binding" }),
      body: {
        apiVersion: "v1",
        kind: "Binding",
        metadata: pod,
        target: { apiVersion: "v1", kind: "Node", name: node },
      },
      signal: options.signal,
    });
  }

  /**
   * Events after `resourceVersion`, in order, bookmarks included. Ends when the server ends it (by its
   * time-out); throws KubeError "Expired" when the version is too old, "ConnectionFailed" when the server
   * goes away.
   */
  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const timeoutSeconds = options.timeoutSeconds ?? 290;
    // A server that vanished without a word is noticed when its own time-out has passed.
    const silent = AbortSignal.timeout((timeoutSeconds + 30) * 1000);
    const target = withQuery(resourcePath(resource, { namespace: options.namespace }), {
      ...selectors(options),
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: options.resourceVersion,
      timeoutSeconds,
    });
    const signal = AbortSignal.any([options.signal, silent]);
    try {
      const response = await this.#transport.stream({ method: "GET", target, signal });
      yield* readWatch<T>(response);
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof KubeError) throw error;
      throw new KubeError("ConnectionFailed", `watch ${target}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Any path with its query, "/version" or a list as a Table: the answer as text. */
  async raw(path: string, options: CallOptions & { readonly accept?: string }): Promise<string> {
    return this.#transport.text({ method: "GET", target: path, ...options });
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  async #json<T>(call: Call): Promise<T> {
    const text = await this.#transport.text(call);
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new KubeError("BadAnswer", `${call.method} ${call.target}: not JSON`, {
        status: 200,
        cause,
      });
    }
  }
}

function typed<T extends KubeObject>(resource: Resource<T>, object: T): T {
  return { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
}
