// One request, from its first line to its answer: who, what, may they, do it.
import type { IncomingMessage, ServerResponse } from "node:http";
import { isAllowed, type Verb } from "../auth/roles.ts";
import { Authenticator, type TokenUser, type User } from "../auth/user.ts";
import { ApiError, forbidden, qualified } from "../errors.ts";
import { deletableTogether } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import type { Store } from "../store/store.ts";
import type { Target } from "../verbs/target.ts";
import { sendDocument, sendError, sendJson, sendText } from "./answer.ts";
import { coreVersions, group, groupList, resourceList, versionInfo } from "./discovery.ts";
import { openApi } from "./openapi.ts";
import { Resources, type Exchange } from "./resources.ts";
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

type Asked = Exchange & { readonly user: User };

export class Handler {
  readonly #options: HandlerOptions;
  readonly #authenticator: Authenticator;
  readonly #resources: Resources;
  #inFlight = 0;

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.#authenticator = new Authenticator(options.tokens);
    this.#resources = new Resources(options);
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
    }
  }

  /** Ends all watches, so that clients go elsewhere or come back. */
  stopWatches(): void {
    this.#resources.stopWatches();
  }

  async #go(destination: Route, exchange: Asked): Promise<void> {
    const { request, response, user } = exchange;
    if (destination.to === "resource") return this.#resource(destination.target, exchange);
    if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed();
    if (destination.to === "health") return sendText(response, 200, "ok");
    if (!user.groups.includes("system:authenticated")) throw unauthenticated();
    if (destination.to === "openapi")
      return sendDocument(response, openApi(destination.version, request.headers.accept));
    sendJson(response, 200, this.#describe(destination));
  }

  #describe(destination: Exclude<Route, { to: "resource" | "health" | "openapi" }>): object {
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
          paths: ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/readyz", "/version"],
        };
    }
  }

  async #resource(target: Target, exchange: Asked): Promise<void> {
    const { user } = exchange;
    const verb = verbOf(target, exchange);
    const resource = target.subresource
      ? `${target.kind.plural}/${target.subresource}`
      : target.kind.plural;
    const { namespace = "" } = target;
    if (!isAllowed(user, { verb, group: target.kind.group, resource, namespace })) {
      throw denied({ user, verb, resource }, target);
    }
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
      if (!one && !deletableTogether(target.kind)) throw methodNotAllowed();
      return one ? "delete" : "deletecollection";
    default:
      throw methodNotAllowed();
  }
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
