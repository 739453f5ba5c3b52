// The OpenAPI document of a table of routes.
import type { Route, Schema } from "./router.ts";

const failure: Schema = {
  type: "object",
  required: ["code", "message"],
  properties: { code: { type: "string" }, message: { type: "string" } },
};

/** An OpenAPI 3.1 document that describes exactly these routes. */
export function openApiDocument(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const item = (paths[route.path] ??= {});
    item[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Tsilium agent",
      version,
      description: "The agent's API on its unix socket. It serves one node and trusts root alone.",
    },
    paths,
    components: { schemas: { Failure: failure } },
  };
}

function operation(route: Route): object {
  const responses = Object.entries(route.responses).map(([status, response]) => {
    const { description, contentType, schema } = response;
    const type = contentType ?? (schema ? "application/json" : undefined);
    return [
      status,
      { description, ...(type ? { content: { [type]: { schema: schema ?? {} } } } : {}) },
    ];
  });
  return {
    operationId: operationId(route),
    summary: route.summary,
    ...(route.parameters ? { parameters: parametersOf(route) } : {}),
    ...(route.request
      ? {
          requestBody: {
            required: true,
            description: route.request.description,
            content: {
              [route.request.contentType]: { schema: route.request.schema ?? { type: "string" } },
            },
          },
        }
      : {}),
    responses: {
      ...Object.fromEntries(responses),
      default: {
        description: "it could not be done",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Failure" } } },
      },
    },
  };
}

function parametersOf(route: Route): object[] {
  return Object.entries(route.parameters ?? {}).map(([name, parameter]) => ({
    name,
    in: parameter.in,
    description: parameter.description,
    required: parameter.in === "path" || parameter.required === true,
    schema: parameter.schema,
  }));
}

/** "GET /v1/endpoint/{id}" -> "getEndpointId" */
function operationId(route: Route): string {
  const words = route.path.split(/[^a-zA-Z]+/).filter((word) => word !== "" && word !== "v");
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  return route.method.toLowerCase() + words.map(capital).join("");
}
