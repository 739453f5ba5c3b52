// One request, from its first line to its answer: who, what, may they, do it.
import type { IncomingMessage, ServerResponse } from "node:http";
import { isAllowed, type Verb } from "../auth/roles.ts";
import { Authenticator, type TokenUser, type User } from "../auth/user.ts";
import { ApiError, badRequest, forbidden, notFound, qualified } from "../errors.ts";
import { apiVersionOf, versionOf, type Version } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { jsonPatch, mergePatch } from "../objects/patch.ts";
import { toObject, withApiVersion } from "../objects/object.ts";
import type { Store, Stored } from "../store/store.ts";
import { tableFormat, tableParts, type TableFormat } from "../table/table.ts";
import { bind } from "../verbs/bind.ts";
import { create, type WriteContext } from "../verbs/create.ts";
import { Lists } from "../verbs/list.ts";
import { remove, toDeleteOptions } from "../verbs/remove.ts";
import { selectionOf } from "../verbs/select.ts";
import { placeOf, type Target } from "../verbs/target.ts";
import { patch, replace } from "../verbs/update.ts";
import { Watch } from "../verbs/watch.ts";
import { sendError, sendJson, sendParts, sendText } from "./answer.ts";
import { mediaType, parseDocument, readBody, readDocument, unsupportedMediaType } from "./body.ts";
import { coreVersions, group, groupList, resourceList, versionInfo } from "./discovery.ts";
import { openApi } from "./openapi.ts";
import { route, type Route } from "./route.ts";

export type RequestLog = {
  readonly method: string;
  readonly path: string;
  readonly user: string;
  readonly status: number;
  readonly durationMs: number;
};

export type HandlerOptions = {
  readonly store: Store;
  readonly registry: Registry;
  readonly tokens: readonly TokenUser[];
  readonly log?: ((request: RequestLog) => void) | undefined;
  readonly onFault?: ((error: unknown) => void) | undefined;
};

/** Requests in work at once; more are told to come back. Watches do not count once they stream. */
const maxInFlight = 500;

type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly user: User;
};

export class Handler {
  readonly #options: HandlerOptions;
  readonly #authenticator: Authenticator;
  readonly #lists: Lists;
  readonly #watches = new Set<Watch>();
  #inFlight = 0;

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.#authenticator = new Authenticator(options.tokens);
    this.#lists = new Lists(options.store);
  }

  /** Never throws and never leaves a request without an answer. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    let user = "";
    this.#inFlight += 1;
    try {
      if (this.#inFlight > maxInFlight) throw tooManyRequests();
      const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
      const identified = this.#authenticator.identify(request);
      user = identified.name;
      const destination = route(path, this.#options.registry);
      await this.#go(destination, {
        request,
        response,
        query: new URLSearchParams(search),
        user: identified,
      });
    } catch (error) {
      if (!(error instanceof ApiError)) this.#options.onFault?.(error);
      // What is left of a body nobody will read: the connection cannot be used again.
      if (!request.complete) response.setHeader("Connection", "close");
      sendError(response, error);
    } finally {
      this.#inFlight -= 1;
      this.#options.log?.({
        method: request.method ?? "",
        path: request.url ?? "",
        user,
        status: response.statusCode,
        durationMs: performance.now() - startedAt,
      });
    }
  }

  /** Ends all watches, so that clients go elsewhere or come back. */
  stopWatches(): void {
    for (const watch of this.#watches) watch.stop();
  }

  async #go(destination: Route, exchange: Exchange): Promise<void> {
    const { request, response, user } = exchange;
    if (destination.to === "resource") return this.#resource(destination.target, exchange);
    if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed();
    if (destination.to === "health") return sendText(response, 200, "ok");
    if (!user.groups.includes("system:authenticated")) throw unauthenticated(user);
    const answer = this.#describe(destination, exchange);
    sendJson(response, 200, answer);
  }

  #describe(
    destination: Exclude<Route, { to: "resource" | "health" }>,
    { request }: Exchange,
  ): object {
    const { registry } = this.#options;
    switch (destination.to) {
      case "version":
        return versionInfo;
      case "core-versions":
        return coreVersions();
      case "groups":
        return groupList(registry);
      case "group":
        return group(destination.group, registry);
      case "resources":
        return resourceList(destination.group, destination.version, registry);
      case "openapi":
        return openApi(destination.version, request.headers.accept);
      case "paths":
        return {
          paths: ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/readyz", "/version"],
        };
    }
  }

  async #resource(target: Target, exchange: Exchange): Promise<void> {
    const { user } = exchange;
    const verb = verbOf(target, exchange);
    const resource = target.subresource
      ? `${target.kind.plural}/${target.subresource}`
      : target.kind.plural;
    if (!isAllowed(user, { verb, group: target.kind.group, resource })) {
      throw denied({ user, verb, resource }, target);
    }
    switch (verb) {
      case "get":
        return this.#get(target, exchange);
      case "list":
        return this.#list(target, exchange);
      case "watch":
        return this.#watch(target, exchange);
      case "create":
        return this.#create(target, exchange);
      case "update":
      case "patch":
        return this.#change(target, exchange);
      case "delete":
        return this.#delete(target, exchange);
      case "deletecollection":
        return this.#deleteCollection(target, exchange);
    }
  }

  async #get(target: Target, exchange: Exchange): Promise<void> {
    const stored = this.#options.store.get(placeOf(target));
    if (!stored) throw notFound(target.kind, target.name);
    await this.#sendObject(target, exchange, { status: 200, stored });
  }

  async #list(target: Target, exchange: Exchange): Promise<void> {
    const page = this.#lists.page(target, exchange.query);
    const metadata = {
      resourceVersion: String(page.revision),
      ...(page.next ? { continue: page.next, remainingItemCount: page.remaining } : {}),
    };
    const format = tableFormat(exchange.request.headers.accept, exchange.query);
    const documents = versioned(target, page.objects);
    const parts = format
      ? tableParts(documents, { version: servedVersion(target), format, metadata, columns: true })
      : listParts(target, metadata, documents);
    await sendParts(exchange.response, parts);
  }

  #watch(target: Target, exchange: Exchange): void {
    const { request, response, query } = exchange;
    const format = tableFormat(request.headers.accept, query);
    const watch = new Watch({
      store: this.#options.store,
      target,
      query,
      response,
      render: format ? tableRender(servedVersion(target), format) : (json) => json,
    });
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
    watch.start();
  }

  async #create(target: Target, exchange: Exchange): Promise<void> {
    const context = this.#writeContext(exchange.query);
    const object = toObject(required(await readDocument(exchange.request)));
    if (target.subresource === "binding") {
      await bind(context, target, object);
      sendJson(exchange.response, 201, {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Success",
        code: 201,
      });
      return;
    }
    const stored = await create(context, target, object);
    await this.#sendObject(target, exchange, { status: 201, stored });
  }

  async #change(target: Target, exchange: Exchange): Promise<void> {
    const context = this.#writeContext(exchange.query);
    const stored =
      exchange.request.method === "PUT"
        ? await replace(context, target, toObject(required(await readDocument(exchange.request))))
        : await patch(context, target, await readPatch(exchange.request));
    await this.#sendObject(target, exchange, { status: 200, stored });
  }

  async #delete(target: Target, exchange: Exchange): Promise<void> {
    const deletion = await this.#readDeletion(exchange);
    const { object, gone } = await remove(deletion.context, target, deletion.options);
    // Kubernetes answers the object, and for most kinds a Status once it is gone; clients take either.
    if (!gone) return this.#sendObject(target, exchange, { status: 200, stored: object });
    const { kind } = target;
    const uid = (JSON.parse(object.json) as { metadata: { uid?: string } }).metadata.uid;
    sendJson(exchange.response, 200, {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: {
        name: target.name,
        ...(kind.group ? { group: kind.group } : {}),
        kind: kind.plural,
        uid,
      },
    });
  }

  async #deleteCollection(target: Target, exchange: Exchange): Promise<void> {
    const deletion = await this.#readDeletion(exchange);
    const selection = selectionOf(target, exchange.query);
    const all = this.#options.store.collection(placeOf(target).resource).list();
    const chosen = selection ? all.filter(selection) : all;
    await Promise.all(
      chosen.map(async ({ namespace, name }) => {
        try {
          await remove(deletion.context, { ...target, namespace, name }, deletion.options);
        } catch (error) {
          if (!(error instanceof ApiError && error.status === 404)) throw error;
        }
      }),
    );
    const metadata = { resourceVersion: String(this.#options.store.revision) };
    await sendParts(exchange.response, listParts(target, metadata, versioned(target, chosen)));
  }

  /** DeleteOptions come in the body, in the query, or in both. */
  async #readDeletion(exchange: Exchange): Promise<{
    readonly options: ReturnType<typeof toDeleteOptions>;
    readonly context: WriteContext;
  }> {
    const body = await readDocument(exchange.request);
    const { query } = exchange;
    const grace = query.get("gracePeriodSeconds");
    const policy = query.get("propagationPolicy");
    const options = toDeleteOptions({
      ...(grace ? { gracePeriodSeconds: Number(grace) } : {}),
      ...(policy ? { propagationPolicy: policy } : {}),
      ...(body as object | undefined),
    });
    const inBody = (body as { dryRun?: unknown } | undefined)?.dryRun;
    const context = this.#writeContext(query, Array.isArray(inBody) ? inBody : []);
    return { options, context };
  }

  #writeContext(query: URLSearchParams, alsoDryRun: readonly unknown[] = []): WriteContext {
    const asked = [...query.getAll("dryRun").filter((value) => value !== ""), ...alsoDryRun];
    const unknown = asked.find((value) => value !== "All");
    if (unknown !== undefined)
      throw badRequest(`dryRun: Unsupported value: ${JSON.stringify(unknown)}: use "All"`);
    return {
      store: this.#options.store,
      registry: this.#options.registry,
      dryRun: asked.length > 0,
    };
  }

  async #sendObject(
    target: Target,
    { request, response, query }: Exchange,
    answer: { readonly status: number; readonly stored: Stored },
  ): Promise<void> {
    const [json = ""] = versioned(target, [answer.stored]);
    const format = tableFormat(request.headers.accept, query);
    if (!format) return sendJson(response, answer.status, json);
    const metadata = { resourceVersion: String(answer.stored.revision) };
    const parts = tableParts([json], {
      version: servedVersion(target),
      format,
      metadata,
      columns: true,
    });
    sendJson(response, answer.status, [...parts].join(""));
  }
}

function verbOf(target: Target, { request, query }: Exchange): Verb {
  const watching = query.has("watch") && !["false", "0"].includes(query.get("watch") ?? "");
  const one = target.name !== "";
  switch (request.method) {
    case "GET":
    case "HEAD":
      if (watching && target.subresource === undefined) return "watch";
      return one ? "get" : "list";
    case "POST":
      if (one !== (target.subresource === "binding")) throw methodNotAllowed();
      if (target.kind.namespaced && target.namespace === "") throw methodNotAllowed();
      return "create";
    case "PUT":
    case "PATCH":
      if (!one || target.subresource === "binding") throw methodNotAllowed();
      return request.method === "PUT" ? "update" : "patch";
    case "DELETE":
      if (target.subresource !== undefined) throw methodNotAllowed();
      return one ? "delete" : "deletecollection";
    default:
      throw methodNotAllowed();
  }
}

const patchTypes = ["application/merge-patch+json", "application/json-patch+json"] as const;

async function readPatch(request: IncomingMessage): Promise<(current: unknown) => unknown> {
  const type = mediaType(request);
  switch (type) {
    case "application/merge-patch+json": {
      const document = parseDocument(await readBody(request), "json");
      return (current) => mergePatch(current, document);
    }
    case "application/json-patch+json": {
      const document = parseDocument(await readBody(request), "json");
      return (current) => jsonPatch(current, document);
    }
    default:
      throw unsupportedMediaType(type, patchTypes);
  }
}

function* listParts(
  target: Target,
  metadata: object,
  documents: Iterable<string>,
): Generator<string> {
  const apiVersion = apiVersionOf(target.kind, target.version);
  const head = JSON.stringify({ kind: target.kind.listKind, apiVersion, metadata });
  yield `${head.slice(0, -1)},"items":[`;
  let separator = "";
  for (const json of documents) {
    yield separator + json;
    separator = ",";
  }
  yield "]}";
}

function versioned(target: Target, objects: readonly Stored[]): string[] {
  const apiVersion = apiVersionOf(target.kind, target.version);
  return objects.map((object) => withApiVersion(object.json, apiVersion));
}

function servedVersion(target: Target): Version {
  return versionOf(target.kind, target.version) as Version;
}

/** Watch events as Tables of one row; only the first carries the columns. */
function tableRender(version: Version, format: TableFormat): (json: string) => string {
  let columns = true;
  return (json) => {
    const parts = tableParts([json], { version, format, metadata: {}, columns });
    columns = false;
    return [...parts].join("");
  };
}

function required(document: unknown): unknown {
  if (document === undefined) throw badRequest("the request has no body");
  return document;
}

function denied(
  asked: { readonly user: User; readonly verb: Verb; readonly resource: string },
  target: Target,
): ApiError {
  const { user, verb, resource } = asked;
  if (!user.groups.includes("system:authenticated")) return unauthenticated(user);
  const where = target.namespace
    ? `in the namespace "${target.namespace}"`
    : "at the cluster scope";
  const why = `User "${user.name}" cannot ${verb} resource "${resource}" in API group "${target.kind.group}" ${where}`;
  if (target.name !== "") return forbidden(target.kind, target.name, why);
  return new ApiError(403, "Forbidden", `${qualified(target.kind)} is forbidden: ${why}`, {
    ...(target.kind.group ? { group: target.kind.group } : {}),
    kind: target.kind.plural,
  });
}

function unauthenticated(_user: User): ApiError {
  return new ApiError(401, "Unauthorized", "Unauthorized");
}

function methodNotAllowed(): ApiError {
  return new ApiError(
    405,
    "MethodNotAllowed",
    "the server does not allow this method on the requested resource",
  );
}

function tooManyRequests(): ApiError {
  return new ApiError(429, "TooManyRequests", "too many requests in work, please try again later", {
    retryAfterSeconds: 1,
  });
}
