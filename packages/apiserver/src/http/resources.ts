// Requests for resources, once it is clear that they may: one method per verb.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Verb } from "../auth/roles.ts";
import { ApiError, badRequest, notFound } from "../errors.ts";
import { apiVersionOf, versionOf, type Version } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { toObject, withApiVersion } from "../objects/object.ts";
import { jsonPatch, mergePatch } from "../objects/patch.ts";
import { strategicPatch } from "../objects/strategic.ts";
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
import { addWarning, sendJson, sendParts } from "./answer.ts";
import { mediaType, parseDocument, readBody, readDocument, unsupportedMediaType } from "./body.ts";

export type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
};

export class Resources {
  readonly #options: { readonly store: Store; readonly registry: Registry };
  readonly #lists: Lists;
  readonly #watches = new Set<Watch>();

  constructor(options: { readonly store: Store; readonly registry: Registry }) {
    this.#options = options;
    this.#lists = new Lists(options.store);
  }

  /** @throws ApiError what the verb refuses; nothing has been sent then. */
  async answer(verb: Verb, target: Target, exchange: Exchange): Promise<void> {
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

  /** Ends all watches, so that clients go elsewhere or come back. */
  stopWatches(): void {
    for (const watch of this.#watches) watch.stop();
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
    const context = this.#writeContext(exchange);
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

  /** Strategic merge patches need to know a kind's lists: only built-in kinds take them, as in Kubernetes. */
  #patchTypes({ kind }: Target): readonly string[] {
    return this.#options.registry.isBuiltin(kind.group, kind.plural)
      ? [...patchTypes, strategicType]
      : patchTypes;
  }

  async #change(target: Target, exchange: Exchange): Promise<void> {
    const context = this.#writeContext(exchange);
    const stored =
      exchange.request.method === "PUT"
        ? await replace(context, target, toObject(required(await readDocument(exchange.request))))
        : await patch(context, target, await readPatch(exchange.request, this.#patchTypes(target)));
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
    const context = this.#writeContext(exchange, Array.isArray(inBody) ? inBody : []);
    return { options, context };
  }

  #writeContext({ query, response }: Exchange, alsoDryRun: readonly unknown[] = []): WriteContext {
    const asked = [...query.getAll("dryRun").filter((value) => value !== ""), ...alsoDryRun];
    const unknown = asked.find((value) => value !== "All");
    if (unknown !== undefined)
      throw badRequest(`dryRun: Unsupported value: ${JSON.stringify(unknown)}: use "All"`);
    return {
      store: this.#options.store,
      registry: this.#options.registry,
      dryRun: asked.length > 0,
      warn: (text) => addWarning(response, text),
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

const patchTypes = ["application/merge-patch+json", "application/json-patch+json"] as const;
const strategicType = "application/strategic-merge-patch+json";

async function readPatch(
  request: IncomingMessage,
  supported: readonly string[],
): Promise<(current: unknown) => unknown> {
  const type = mediaType(request);
  if (!supported.includes(type)) throw unsupportedMediaType(type, supported);
  switch (type) {
    case "application/merge-patch+json": {
      const document = parseDocument(await readBody(request), "json");
      return (current) => mergePatch(current, document);
    }
    case "application/json-patch+json": {
      const document = parseDocument(await readBody(request), "json");
      return (current) => jsonPatch(current, document);
    }
    case strategicType: {
      const document = parseDocument(await readBody(request), "json");
      return (current) => strategicPatch(current, document);
    }
    default:
      throw unsupportedMediaType(type, supported);
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
