// /openapi/v2 and /openapi/v3: kubectl reads them to explain kinds and to check manifests before it sends them.
// Documents are made when they are first asked for, and again once the kinds served have changed.
import { createHash } from "node:crypto";
import { ApiError, notServed } from "../errors.ts";
import type { Kind, Version } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import { documentPath, documentV2, documentV3 } from "./openapi-document.ts";
import { toGnostic } from "./gnostic.ts";

/** A document in the form that the client takes. */
export type Document = {
  readonly type: string;
  readonly body: Uint8Array;
  /** Quoted, as HTTP has it. */
  readonly etag: string;
};

/**
 * gnostic's OpenAPIv2.Document: all that older kubectls (seen: 1.20) take. The name with "@" is asked for by every
 * version, and is no media type by RFC 2045: what is sent is the other one.
 */
const protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const protobufAsAsked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const json = "application/json";

export class OpenApi {
  readonly #registry: Registry;
  #kinds: readonly Kind[] = [];
  readonly #made = new Map<string, Document>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** @throws ApiError NotAcceptable when the client takes neither JSON nor protobuf. */
  v2(accept: string | undefined): Document {
    const kinds = this.#current();
    if (accepts(accept, json))
      return this.#document("v2", json, () => toJson(documentV2(all(kinds))));
    if (accepts(accept, protobuf) || accepts(accept, protobufAsAsked))
      return this.#document("v2 protobuf", protobuf, () => toGnostic(documentV2(all(kinds))));
    throw notAcceptable();
  }

  /** Which documents there are, each with a hash that changes with it. @throws ApiError NotAcceptable */
  v3Index(accept: string | undefined): Document {
    if (!accepts(accept, json)) throw notAcceptable();
    const paths = [...byPath(this.#current()).keys()].toSorted().map((path) => {
      const hash = this.#v3(path)?.etag.replaceAll('"', "");
      return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }] as const;
    });
    return this.#document("v3", json, () => toJson({ paths: Object.fromEntries(paths) }));
  }

  /** @param path "apis/apps/v1" @throws ApiError NotFound, NotAcceptable */
  v3(path: string, accept: string | undefined): Document {
    const document = this.#v3(path);
    if (!document) throw notServed();
    if (!accepts(accept, json)) throw notAcceptable();
    return document;
  }

  #v3(path: string): Document | undefined {
    const served = byPath(this.#current()).get(path);
    return served && this.#document(`v3 ${path}`, json, () => toJson(documentV3(served)));
  }

  /** The kinds served now; what was made of others is forgotten. */
  #current(): readonly Kind[] {
    const kinds = this.#registry.all();
    const same =
      kinds.length === this.#kinds.length &&
      kinds.every((kind, index) => kind === this.#kinds[index]);
    if (same) return this.#kinds;
    this.#made.clear();
    this.#kinds = kinds;
    return kinds;
  }

  #document(name: string, type: string, make: () => Uint8Array): Document {
    const known = this.#made.get(name);
    if (known) return known;
    const body = make();
    const hash = createHash("sha256").update(body).digest("hex").slice(0, 64).toUpperCase();
    const document = { type, body, etag: `"${hash}"` };
    this.#made.set(name, document);
    return document;
  }
}

type Served = { readonly kind: Kind; readonly version: Version };

function all(kinds: readonly Kind[]): Served[] {
  return kinds.flatMap((kind) => kind.versions.map((version) => ({ kind, version })));
}

function byPath(kinds: readonly Kind[]): Map<string, Served[]> {
  const paths = new Map<string, Served[]>();
  for (const served of all(kinds)) {
    const path = documentPath(served.kind, served.version.name);
    paths.set(path, [...(paths.get(path) ?? []), served]);
  }
  return paths;
}

function toJson(document: object): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}

function accepts(accept: string | undefined, type: string): boolean {
  const types = (accept ?? "*/*").split(",").map((one) => one.split(";", 1)[0]?.trim());
  const any = type === json ? ["*/*", "application/*"] : [];
  return types.some((one) => one === type || any.includes(one ?? ""));
}

function notAcceptable(): ApiError {
  return new ApiError(406, "NotAcceptable", `only ${json} is served, and of v2 protobuf`);
}
