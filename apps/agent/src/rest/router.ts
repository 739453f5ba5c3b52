// One table of routes: requests are answered from it and the OpenAPI document is made from it.
import { ApiError } from "./error.ts";

/** A JSON Schema, as far as OpenAPI 3.1 shows it. */
export type Schema = { readonly [keyword: string]: unknown };

export type Parameter = {
  readonly in: "path" | "query";
  readonly description: string;
  readonly schema: Schema;
  readonly required?: boolean;
};

/** A request that was matched to its route. */
export type Call = {
  /** Path and query parameters by name, decoded; absent ones are undefined. */
  readonly parameters: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
  /** Fires when the client goes away before it has its whole answer. */
  readonly signal: AbortSignal;
};

export type Answer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, of `contentType`. */
  readonly text?: string;
  /** Sent line by line as it comes, until it ends or the client goes away. */
  readonly lines?: AsyncIterable<string>;
};

export type Route = {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** "/v1/endpoint/{id}" */
  readonly path: string;
  readonly summary: string;
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** The body, for POST and PATCH; text where it has no schema. */
  readonly request?: {
    readonly contentType: string;
    readonly description: string;
    readonly schema?: Schema;
  };
  readonly responses: Readonly<
    Record<number, { description: string; contentType?: string; schema?: Schema }>
  >;
  readonly handle: (call: Call) => Answer | Promise<Answer>;
};

export type Match = { readonly route: Route; readonly parameters: Call["parameters"] };

/**
 * The route for a method and a request target ("/v1/ip/10.0.0.1?x=y").
 * @throws ApiError 400 on a malformed target or query, 404 on an unknown path, 405 on a wrong method.
 */
export function matchRoute(routes: readonly Route[], method: string, target: string): Match {
  const [path, query] = splitTarget(target);
  const onPath = routes.flatMap((route) => {
    const found = matchPath(route.path, path);
    return found ? [{ route, found }] : [];
  });
  if (onPath.length === 0) throw new ApiError(404, "not_found", `nothing lives at ${path}`);
  const match = onPath.find(({ route }) => route.method === method);
  if (!match) {
    const allowed = onPath.map(({ route }) => route.method).join(", ");
    throw new ApiError(405, "method_not_allowed", `${path} takes ${allowed}, not ${method}`);
  }
  return { route: match.route, parameters: { ...readQuery(match.route, query), ...match.found } };
}

function splitTarget(target: string): [string, URLSearchParams] {
  const at = target.indexOf("?");
  const path = at < 0 ? target : target.slice(0, at);
  if (!path.startsWith("/")) throw new ApiError(400, "bad_request", "the target is no path");
  return [path, new URLSearchParams(at < 0 ? "" : target.slice(at + 1))];
}

function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] as string;
    const name = /^\{(.*)\}$/.exec(part)?.[1];
    if (name === undefined) {
      if (part !== value) return undefined;
    } else {
      parameters[name] = decodePart(value);
    }
  }
  return parameters;
}

function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiError(400, "bad_request", `"${text}" is not percent-encoded text`);
  }
}

function readQuery(route: Route, query: URLSearchParams): Record<string, string> {
  const known = Object.entries(route.parameters ?? {}).filter(([, { in: at }]) => at === "query");
  const values: Record<string, string> = {};
  for (const [name, value] of query) {
    if (!known.some(([key]) => key === name)) {
      throw new ApiError(400, "unknown_parameter", `${route.path} has no parameter "${name}"`);
    }
    values[name] = value;
  }
  for (const [name, { required }] of known) {
    if (required && values[name] === undefined) {
      throw new ApiError(400, "missing_parameter", `${route.path} needs the parameter "${name}"`);
    }
  }
  return values;
}
