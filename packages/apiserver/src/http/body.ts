// Request bodies: bounded in size, JSON or YAML, checked before anything looks into them.
import type { IncomingMessage } from "node:http";
import { JSON_SCHEMA, load } from "js-yaml";
import { ApiError, badRequest } from "../errors.ts";
import { treeFault } from "../objects/json.ts";

/** Kubernetes' own limit of a request, bytes. */
const maxBodyBytes = 3 * 1024 * 1024;

/** The media type without its parameters; "" when there is none. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** @throws ApiError RequestEntityTooLarge; BadRequest when the client leaves in between. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > maxBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBodyBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw badRequest("the request's body ended early");
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLarge(): ApiError {
  return new ApiError(
    413,
    "RequestEntityTooLarge",
    `Request entity too large: limit is ${maxBodyBytes}`,
  );
}

/** The document in a body, undefined for an empty one. @throws ApiError BadRequest, UnsupportedMediaType */
export async function readDocument(request: IncomingMessage): Promise<unknown> {
  const type = mediaType(request);
  const yaml = type === "application/yaml";
  if (!yaml && type !== "" && type !== "application/json") {
    throw unsupportedMediaType(type, ["application/json", "application/yaml"]);
  }
  const text = await readBody(request);
  if (text.trim() === "") return undefined;
  return parseDocument(text, yaml ? "yaml" : "json");
}

export function parseDocument(text: string, format: "json" | "yaml"): unknown {
  let value: unknown;
  try {
    value = format === "json" ? JSON.parse(text) : load(text, { schema: JSON_SCHEMA });
  } catch (error) {
    throw badRequest(`the body is not valid ${format.toUpperCase()}: ${(error as Error).message}`);
  }
  const fault = treeFault(value);
  if (fault) throw badRequest(`the body is refused: ${fault}`);
  return value;
}

export function unsupportedMediaType(type: string, supported: readonly string[]): ApiError {
  const hint =
    type === "application/vnd.kubernetes.protobuf"
      ? "; this server does not speak protobuf, use JSON"
      : "";
  return new ApiError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${supported.join(", ")}${hint}`,
  );
}
