// A minimal OpenAPI document: kubectl asks for one before it creates or applies, and lets pass what the document
// does not describe. The server judges objects by itself.
import { ApiError } from "../errors.ts";
import { versionInfo } from "./discovery.ts";

/** A document in the form that the client takes. */
export type Document = { readonly type: string; readonly body: Uint8Array };

/**
 * gnostic's OpenAPIv2.Document: all that kubectl (seen: 1.20) accepts for its checks. The name with "@" is asked for
 * by every version, and is no media type by RFC 2045: what is sent is the other one.
 */
const protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const protobufAsAsked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const json = "application/json";

/** @throws ApiError NotAcceptable when the client takes neither JSON nor, of version 2, protobuf. */
export function openApi(version: "v2" | "v3", accept: string | undefined): Document {
  const types = (accept ?? "*/*").split(",").map((type) => type.split(";", 1)[0]?.trim());
  if (types.some((type) => type === "*/*" || type === "application/*" || type === json))
    return { type: json, body: Buffer.from(JSON.stringify(inJson(version))) };
  if (version === "v2" && (types.includes(protobuf) || types.includes(protobufAsAsked)))
    return { type: protobuf, body: inProtobuf() };
  throw new ApiError(406, "NotAcceptable", `only ${json} is served, and of v2 protobuf`);
}

const title = "Tsilium";

function inJson(version: "v2" | "v3"): object {
  const info = { title, version: versionInfo.gitVersion };
  return version === "v2" ? { swagger: "2.0", info, paths: {}, definitions: {} } : { paths: {} };
}

/** Fields by their numbers: swagger 1, info 2 (title 1, version 2), paths 8, definitions 9. */
function inProtobuf(): Uint8Array {
  const info = Buffer.concat([field(1, title), field(2, versionInfo.gitVersion)]);
  return Buffer.concat([field(1, "2.0"), field(2, info), field(8, ""), field(9, "")]);
}

/** A length-delimited field (wire type 2) of less than 128 bytes. */
function field(number: number, value: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}
