// Requests for resources, once it is clear that they may: one method per verb.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuditedRequest } from "../audit/event.ts";
import type { Verb } from "../auth/roles.ts";
import type { User } from "../auth/user.ts";
import { ApiError, badRequest, notFound } from "../errors.ts";
import { apiVersionOf, versionOf, type Alias, type Version } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { cloneJson } from "../objects/json.ts";
import { toObject, withApiVersion, type ApiObject, type Fields } from "../objects/object.ts";
import { jsonPatch, mergePatch } from "../objects/patch.ts";
import { strategicPatch } from "../objects/strategic.ts";
import { structureOf } from "../objects/structure.ts";
import type { Store, Stored } from "../store/store.ts";
import { tableFormat, tableParts, type TableFormat } from "../table/table.ts";
import { apply } from "../verbs/apply.ts";
import { bind } from "../verbs/bind.ts";
import { create, type WriteContext } from "../verbs/create.ts";
import { Lists } from "../verbs/list.ts";
import { remove, toDeleteOptions } from "../verbs/remove.ts";
import { selectionOf } from "../verbs/select.ts";
import { adoptBody, placeOf, type Target } from "../verbs/target.ts";
import { scaleOf } from "../verbs/scale.ts";
import { patch, replace } from "../verbs/update.ts";
import { Watch } from "../verbs/watch.ts";
import { admitted, type Admitted } from "./webhooks/admitted.ts";
import { Webhooks } from "./webhooks/webhooks.ts";
import { checkDocument, checkPatched, fieldValidation } from "./field-validation.ts";
import { applyType, checkApplied, checkForce, fieldManager } from "./field-manager.ts";
import { addWarning, sendJson, sendParts } from "./answer.ts";
import { mediaType, parseDocument, readBody, readDocument, unsupportedMediaType } from "./body.ts";

export type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly user: User;
  readonly audited: AuditedRequest;
  /** The form in which the client knows the objects, where that is not the one they are stored in. */
  readonly alias?: { readonly asked: Target; readonly form: Alias } | undefined;
};

type Deletion = {
  readonly options: ReturnType<typeof toDeleteOptions>;
  readonly context: WriteContext;
};

export class Resources {
  readonly #options: { readonly store: Store; readonly registry: Registry };
  readonly #lists: Lists;
  readonly #webhooks: Webhooks;
  readonly #watches = new Set<Watch>();

  constructor(options: { readonly store: Store; readonly registry: Registry }) {
    this.#options = options;
    this.#lists = new Lists(options.store);
    this.#webhooks = new Webhooks(options.store);
  }

  /** @throws ApiError what the verb refuses; nothing has been sent then. */
  async answer(verb: Verb, asked: Target, given: Exchange): Promise<void> {
    const { target, exchange } = this.#stored(asked, given);
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

  /** What is stored of a kind that is another one by other names. */
  #stored(asked: Target, exchange: Exchange): { target: Target; exchange: Exchange } {
    const form = asked.kind.alias;
    const kind = form && this.#options.registry.find(form.group, form.plural);
    if (!form || !kind) return { target: asked, exchange };
    return {
      target: { ...asked, kind, version: form.version },
      exchange: { ...exchange, alias: { asked, form } },
    };
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
    const { alias } = exchange;
    const parts = format
      ? tableParts(documents, { version: servedVersion(target), format, metadata, columns: true })
      : listParts(alias?.asked ?? target, metadata, shown(exchange, documents));
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
      render: format
        ? tableRender(servedVersion(target), format)
        : (json) => shownOne(exchange, json),
    });
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
    watch.start();
  }

  async #create(target: Target, exchange: Exchange): Promise<void> {
    const context = this.#writeContext(exchange);
    const object = await this.#readObject(target, exchange);
    if (target.kind.review) {
      adoptBody(object, target);
      sendJson(exchange.response, 201, target.kind.review(object, exchange.user));
      return;
    }
    if (target.subresource === "binding") {
      await bind(context, target, object);
      return sendDone(exchange.response);
    }
    if (target.subresource === "eviction") {
      await this.#evict(target, exchange, object);
      return sendDone(exchange.response);
    }
    const stored = await this.#admitted(target, exchange, {
      operation: "create",
      context,
      work: async (within) => {
        const made = await create(within, target, cloneJson(object));
        // The name that the server makes up is the one that was shown around.
        object.metadata.name ??= made.name;
        return made;
      },
      outcome: (made) => made,
    });
    exchange.audited.named(stored.name);
    await this.#sendObject(target, exchange, { status: 201, stored });
  }

  /** A deletion that a disruption budget could refuse; there are none here. */
  async #evict(target: Target, exchange: Exchange, eviction: ApiObject): Promise<void> {
    const { name, namespace } = eviction.metadata;
    if (
      (name ?? target.name) !== target.name ||
      (namespace ?? target.namespace) !== target.namespace
    )
      throw badRequest("name in URL does not match name in Eviction object");
    const deletion = this.#deletionOf(exchange, eviction["deleteOptions"] ?? {});
    await this.#remove({ ...target, subresource: undefined }, exchange, deletion);
  }

  /** Strategic merge patches need to know a kind's lists: only built-in kinds take them, as in Kubernetes. */
  #patchTypes({ kind }: Target): readonly string[] {
    return this.#options.registry.isBuiltin(kind.group, kind.plural)
      ? [...patchTypes, strategicType, applyType]
      : [...patchTypes, applyType];
  }

  async #change(target: Target, exchange: Exchange): Promise<void> {
    const context = this.#writeContext(exchange);
    const { request } = exchange;
    const applies = request.method === "PATCH" && mediaType(request) === applyType;
    const force = request.method === "PATCH" && checkForce(exchange, applies);
    if (applies && exchange.alias) throw unsupportedMediaType(applyType, patchTypes);
    if (applies) return this.#apply(target, exchange, { ...context, force });
    const work = await this.#readChange(target, exchange);
    const stored = await this.#admitted(target, exchange, {
      operation: "write",
      context,
      work,
      outcome: (made) => made,
    });
    await this.#sendObject(target, exchange, { status: 200, stored });
  }

  async #apply(
    target: Target,
    exchange: Exchange,
    context: WriteContext & { readonly force: boolean },
  ): Promise<void> {
    const document = parseDocument(await readBody(exchange.request), "yaml");
    checkApplied(target, document);
    const { stored, created } = await this.#admitted(target, exchange, {
      operation: "write",
      context,
      work: (within) => apply({ ...within, force: context.force }, target, document),
      outcome: (result) => result.stored,
    });
    await this.#sendObject(target, exchange, { status: created ? 201 : 200, stored });
  }

  /** Webhooks are asked about a write before it is done. */
  #admitted<T>(
    target: Target,
    { user }: Exchange,
    write: Pick<Admitted<T>, "operation" | "context" | "work" | "outcome">,
  ): Promise<T> {
    const { store } = this.#options;
    return admitted({ store, webhooks: this.#webhooks, user, target, ...write });
  }

  async #readChange(
    target: Target,
    exchange: Exchange,
  ): Promise<(context: WriteContext) => Promise<Stored>> {
    if (exchange.request.method === "PUT") {
      const object = await this.#readObject(target, exchange);
      return (context) => replace(context, target, cloneJson(object));
    }
    const change = await this.#readPatch(target, exchange);
    return (context) => patch(context, target, change);
  }

  async #readObject(
    target: Target,
    { request, response, query, alias }: Exchange,
  ): Promise<ApiObject> {
    const validation = fieldValidation(query, (text) => addWarning(response, text));
    const document = required(await readDocument(request));
    if (!alias) {
      checkDocument(target, document, validation);
      return toObject(document);
    }
    checkDocument(alias.asked, document, validation);
    if (request.method === "POST") alias.form.checkNew(document);
    return toObject(alias.form.toStored(document));
  }

  async #readPatch(
    target: Target,
    { request, response, query, alias }: Exchange,
  ): Promise<(current: unknown) => unknown> {
    const validation = fieldValidation(query, (text) => addWarning(response, text));
    const { patch: sent, change } = await readPatch(request, this.#patchTypes(target), target);
    return (current) => {
      const changed = change(alias ? alias.form.toShown(current as Fields) : current);
      checkPatched(alias?.asked ?? target, changed, { ...validation, patch: sent });
      return alias ? alias.form.toStored(changed) : changed;
    };
  }

  async #delete(target: Target, exchange: Exchange): Promise<void> {
    const deletion = await this.#readDeletion(exchange);
    const { object, gone } = await this.#remove(target, exchange, deletion);
    const { kind } = target;
    if (!gone || kind.strategy.answersDeleted)
      return this.#sendObject(target, exchange, { status: 200, stored: object });
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

  #remove(
    target: Target,
    exchange: Exchange,
    { context, options }: Deletion,
  ): ReturnType<typeof remove> {
    return this.#admitted(target, exchange, {
      operation: "delete",
      context,
      work: (within) => remove(within, target, options),
      outcome: ({ object }) => object,
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
          await this.#remove({ ...target, namespace, name }, exchange, deletion);
        } catch (error) {
          if (!(error instanceof ApiError && error.status === 404)) throw error;
        }
      }),
    );
    const metadata = { resourceVersion: String(this.#options.store.revision) };
    await sendParts(
      exchange.response,
      listParts(
        exchange.alias?.asked ?? target,
        metadata,
        shown(exchange, versioned(target, chosen)),
      ),
    );
  }

  /** DeleteOptions come in the body, in the query, or in both. */
  async #readDeletion(exchange: Exchange): Promise<Deletion> {
    return this.#deletionOf(exchange, await readDocument(exchange.request));
  }

  #deletionOf(exchange: Exchange, body: unknown): Deletion {
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

  #writeContext(exchange: Exchange, alsoDryRun: readonly unknown[] = []): WriteContext {
    const { query, response } = exchange;
    const asked = [...query.getAll("dryRun").filter((value) => value !== ""), ...alsoDryRun];
    const unknown = asked.find((value) => value !== "All");
    if (unknown !== undefined)
      throw badRequest(`dryRun: Unsupported value: ${JSON.stringify(unknown)}: use "All"`);
    return {
      store: this.#options.store,
      registry: this.#options.registry,
      dryRun: asked.length > 0,
      manager: fieldManager(exchange),
      warn: (text) => addWarning(response, text),
    };
  }

  async #sendObject(
    target: Target,
    exchange: Exchange,
    answer: { readonly status: number; readonly stored: Stored },
  ): Promise<void> {
    const { request, response, query } = exchange;
    const [json = ""] = versioned(target, [answer.stored]);
    if (target.subresource === "scale")
      return sendJson(response, answer.status, scaleOf(target, JSON.parse(json) as ApiObject));
    const format = tableFormat(request.headers.accept, query);
    if (!format) return sendJson(response, answer.status, shownOne(exchange, json));
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
  target: Target,
): Promise<{ readonly patch: unknown; readonly change: (current: unknown) => unknown }> {
  const type = mediaType(request);
  if (!supported.includes(type)) throw unsupportedMediaType(type, supported);
  const document = parseDocument(await readBody(request), "json");
  switch (type) {
    case "application/merge-patch+json":
      return { patch: document, change: (current) => mergePatch(current, document) };
    case "application/json-patch+json":
      return { patch: document, change: (current) => jsonPatch(current, document) };
    case strategicType: {
      const structure = structureOf(target.kind, servedVersion(target));
      return { patch: document, change: (current) => strategicPatch(current, document, structure) };
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

/** Objects in the form in which the client knows them. */
function shown(exchange: Exchange, documents: string[]): string[] {
  return exchange.alias ? documents.map((json) => shownOne(exchange, json)) : documents;
}

function shownOne({ alias }: Exchange, json: string): string {
  return alias ? JSON.stringify(alias.form.toShown(JSON.parse(json) as Fields)) : json;
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

function sendDone(response: ServerResponse): void {
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
  sendJson(response, 201, status);
}

function required(document: unknown): unknown {
  if (document === undefined) throw badRequest("the request has no body");
  return document;
}
