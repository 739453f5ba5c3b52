// One request, from its first line to its answer: who, what, may they, do it.
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { AuditedRequest, type AuditEvent } from "../audit/event.ts";
import { impersonated } from "../auth/impersonation.ts";
import { isAllowed, type Verb } from "../auth/roles.ts";
import { Authenticator, type TokenUser, type User } from "../auth/user.ts";
import { ApiError, forbidden, qualified } from "../errors.ts";
import { deletableTogether } from "../kinds/kind.ts";
import { isAboutSelf } from "../kinds/reviews.ts";
import type { Registry } from "../kinds/registry.ts";
import type { Store } from "../store/store.ts";
import type { Target } from "../verbs/target.ts";
import { sendDocument, sendError, sendJson, sendText } from "./answer.ts";
import { aggregatedDiscovery, aggregatedType, aggregatedVersion } from "./aggregated-discovery.ts";
import { coreVersions, group, groupList, resourceList, versionInfo } from "./discovery.ts";
import { OpenApi, type Document } from "./openapi.ts";
import { Resources, type Exchange } from "./resources.ts";
import { route, type Route } from "./route.ts";
import type { KubeletSocket } from "../streams/kubelet.ts";
import { isStream, PodStreams } from "../streams/pod-streams.ts";

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
  /** Told of every request when it is answered, and of one that lasts when its answer begins, too. */
  readonly audit?: ((event: AuditEvent) => void) | undefined;
  /** Where logs of pods come from and commands in them go. */
  readonly kubelet?: KubeletSocket | undefined;
};

/** Requests in work at once; more are told to come back. Watches do not count once they stream. */
const maxInFlight = 500;

type Described = Exclude<Route, { to: "resource" | "health" | "openapi-v2" | "openapi-v3" }>;

export class Handler {
  readonly #options: HandlerOptions;
  readonly #authenticator: Authenticator;
  readonly #resources: Resources;
  readonly #streams: PodStreams;
  readonly #openApi: OpenApi;
  #inFlight = 0;

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.#authenticator = new Authenticator(options.tokens);
    this.#resources = new Resources(options);
    this.#streams = new PodStreams(options);
    this.#openApi = new OpenApi(options.registry);
  }

  /** Never throws and never leaves a request without an answer. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    let user = "";
    const audited = new AuditedRequest(request);
    response.setHeader("Audit-Id", audited.id);
    this.#inFlight += 1;
    try {
      if (this.#inFlight > maxInFlight) throw tooManyRequests();
      const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
      const identified = this.#authenticator.identify(request);
      user = identified.name;
      audited.identified(identified);
      const acting = impersonated(request, identified);
      if (acting) audited.impersonating(acting);
      const destination = route(path, this.#options.registry);
      await this.#go(destination, {
        request,
        response,
        query: new URLSearchParams(search),
        user: acting ?? identified,
        audited,
      });
    } catch (error) {
      audited.failed(error);
      if (!(error instanceof ApiError)) this.#options.onFault?.(error);
      // What is left of a body nobody will read: the connection cannot be used again.
      if (!request.complete && !response.headersSent) response.setHeader("Connection", "close");
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
      this.#audit(audited, response);
    }
  }

  #audit(audited: AuditedRequest, response: ServerResponse): void {
    const { audit } = this.#options;
    if (!audit) return;
    if (response.writableEnded || response.closed || !response.headersSent)
      return audit(audited.event("ResponseComplete", response));
    audit(audited.event("ResponseStarted", response));
    response.once("close", () => audit(audited.event("ResponseComplete", response)));
  }

  /** Ends all watches, so that clients go elsewhere or come back. */
  stopWatches(): void {
    this.#resources.stopWatches();
    this.#streams.stop();
  }

  async #go(destination: Route, exchange: Exchange): Promise<void> {
    const { request, response, user } = exchange;
    if (destination.to === "resource") return this.#resource(destination.target, exchange);
    if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed();
    if (destination.to === "health") return sendText(response, 200, "ok");
    if (!user.groups.includes("system:authenticated")) throw unauthenticated();
    const { accept } = request.headers;
    if (destination.to === "openapi-v2")
      return sendDocument(request, response, this.#openApi.v2(accept));
    if (destination.to === "openapi-v3") {
      const { document } = destination;
      const found =
        document === undefined ? this.#openApi.v3Index(accept) : this.#openApi.v3(document, accept);
      return sendDocument(request, response, found);
    }
    const aggregated = this.#aggregated(destination, accept);
    if (aggregated) return sendDocument(request, response, aggregated);
    sendJson(response, 200, this.#describe(destination));
  }

  /** Of /api and /apis, all that is under them, for clients that ask for it. */
  #aggregated(destination: Route, accept: string | undefined): Document | undefined {
    const version = aggregatedVersion(accept);
    if (!version || (destination.to !== "core-versions" && destination.to !== "groups"))
      return undefined;
    const part = destination.to === "groups" ? "groups" : "core";
    const list = aggregatedDiscovery(this.#options.registry, part, version);
    const body = Buffer.from(JSON.stringify(list));
    const etag = `"${createHash("sha256").update(body).digest("hex").toUpperCase()}"`;
    return { type: aggregatedType(version), body, etag };
  }

  #describe(destination: Described): object {
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
      case "paths":
        return {
          paths: [
            "/api",
            "/apis",
            "/healthz",
            "/livez",
            "/openapi/v2",
            "/openapi/v3",
            "/readyz",
            "/version",
          ],
        };
    }
  }

  async #resource(target: Target, exchange: Exchange): Promise<void> {
    const { user, audited } = exchange;
    const verb = verbOf(target, exchange);
    audited.aimedAt(target, verb);
    const resource = target.subresource
      ? `${target.kind.plural}/${target.subresource}`
      : target.kind.plural;
    const { namespace = "" } = target;
    const about = isAboutSelf(target.kind) && user.groups.includes("system:authenticated");
    if (!about && !isAllowed(user, { verb, group: target.kind.group, resource, namespace })) {
      audited.decided("forbid");
      throw denied({ user, verb, resource }, target);
    }
    audited.decided("allow");
    if (isStream(target.subresource)) return this.#streams.answer(target, exchange);
    if (target.kind.review && verb !== "create") throw methodNotAllowed();
    await this.#resources.answer(verb, target, exchange);
  }
}

function verbOf(target: Target, { request, query }: Exchange): Verb {
  const watching = query.has("watch") && !["false", "0"].includes(query.get("watch") ?? "");
  const one = target.name !== "";
  switch (request.method) {
    case "GET":
    case "HEAD":
      if (watching && target.subresource === undefined) return "watch";
      if (isAction(target.subresource)) throw methodNotAllowed();
      return one ? "get" : "list";
    case "POST":
      if (one !== isPosted(target.subresource)) throw methodNotAllowed();
      if (target.kind.namespaced && target.namespace === "") throw methodNotAllowed();
      return "create";
    case "PUT":
    case "PATCH":
      if (!one || isAction(target.subresource) || isStream(target.subresource))
        throw methodNotAllowed();
      return request.method === "PUT" ? "update" : "patch";
    case "DELETE":
      if (target.subresource !== undefined) throw methodNotAllowed();
      if (!one && !deletableTogether(target.kind)) throw methodNotAllowed();
      return one ? "delete" : "deletecollection";
    default:
      throw methodNotAllowed();
  }
}

/** Subresources that one posts to, at an object that is there. */
function isPosted(subresource: string | undefined): boolean {
  return isAction(subresource) || (isStream(subresource) && subresource !== "log");
}

/** Subresources that something is done by, and that hold nothing. */
function isAction(subresource: string | undefined): boolean {
  return subresource === "binding" || subresource === "eviction";
}

function denied(
  asked: { readonly user: User; readonly verb: Verb; readonly resource: string },
  target: Target,
): ApiError {
  const { user, verb, resource } = asked;
  if (!user.groups.includes("system:authenticated")) return unauthenticated();
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

function unauthenticated(): ApiError {
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
