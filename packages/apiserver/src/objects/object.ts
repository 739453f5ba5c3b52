// A Kubernetes object while the server works on it, and its one serialised form.
import { badRequest } from "../errors.ts";
import { isRecord } from "./json.ts";
import type { ManagedFieldsEntry } from "./managed-fields.ts";

export type OwnerReference = {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
};

export type Metadata = {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: ManagedFieldsEntry[];
};

export type Fields = { [field: string]: unknown };
export type ApiObject = {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
  [field: string]: unknown;
};

/** In the order they are written out. What is not listed (selfLink) is dropped. */
const metadataFields = [
  "name",
  "generateName",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "labels",
  "annotations",
  "ownerReferences",
  "finalizers",
  "managedFields",
] as const satisfies readonly (keyof Metadata)[];

/**
 * An object from a parsed body: apiVersion, kind and metadata have their types; the rest is as sent.
 * @throws ApiError BadRequest naming the field that has the wrong type.
 */
export function toObject(value: unknown): ApiObject {
  if (!isRecord(value)) throw badRequest("the body is not an object");
  const { apiVersion = "", kind = "", metadata, ...rest } = value;
  if (typeof apiVersion !== "string") throw wrongType("apiVersion", "a string");
  if (typeof kind !== "string") throw wrongType("kind", "a string");
  return { apiVersion, kind, metadata: toMetadata(metadata ?? {}), ...rest };
}

function toMetadata(value: unknown): Metadata {
  if (!isRecord(value)) throw wrongType("metadata", "an object");
  const metadata: Metadata = {};
  for (const name of metadataFields) {
    const given = value[name];
    if (given === undefined || given === null) continue;
    checks[name](given, `metadata.${name}`);
    Object.assign(metadata, { [name]: given });
  }
  return metadata;
}

type Check = (value: unknown, path: string) => void;

const isString: Check = (value, path) => {
  if (typeof value !== "string") throw wrongType(path, "a string");
};
const isInteger: Check = (value, path) => {
  if (!Number.isSafeInteger(value)) throw wrongType(path, "an integer");
};
const isStringMap: Check = (value, path) => {
  if (!isRecord(value)) throw wrongType(path, "a map of strings");
  for (const [key, entry] of Object.entries(value)) isString(entry, `${path}.${key}`);
};
const isStringList: Check = (value, path) => {
  if (!Array.isArray(value)) throw wrongType(path, "a list of strings");
  value.forEach((item, index) => isString(item, `${path}[${index}]`));
};
const isList: Check = (value, path) => {
  if (!Array.isArray(value)) throw wrongType(path, "a list");
};
const isOwnerList: Check = (value, path) => {
  if (!Array.isArray(value)) throw wrongType(path, "a list");
  value.forEach((owner: unknown, index) => {
    const at = `${path}[${index}]`;
    if (!isRecord(owner)) throw wrongType(at, "an object");
    for (const name of ["apiVersion", "kind", "name", "uid"])
      isString(owner[name], `${at}.${name}`);
  });
};

const checks: Record<(typeof metadataFields)[number], Check> = {
  name: isString,
  generateName: isString,
  namespace: isString,
  uid: isString,
  resourceVersion: isString,
  generation: isInteger,
  creationTimestamp: isString,
  deletionTimestamp: isString,
  deletionGracePeriodSeconds: isInteger,
  labels: isStringMap,
  annotations: isStringMap,
  ownerReferences: isOwnerList,
  finalizers: isStringList,
  // Who reads the entries says what is wrong with them.
  managedFields: isList,
};

function wrongType(path: string, expected: string): Error {
  return badRequest(`cannot decode ${path}: it must be ${expected}`);
}

/** JSON with apiVersion, kind and metadata first: `withApiVersion` relies on that. */
export function serialize(object: ApiObject): string {
  const { apiVersion, kind, metadata, ...rest } = object;
  const ordered: Fields = {};
  for (const name of metadataFields)
    if (metadata[name] !== undefined) ordered[name] = metadata[name];
  return JSON.stringify({ apiVersion, kind, metadata: ordered, ...rest });
}

/** A serialised object as another served version of its kind (versions differ in name alone). */
export function withApiVersion(json: string, apiVersion: string): string {
  const prefix = `{"apiVersion":${JSON.stringify(apiVersion)},"kind":`;
  if (json.startsWith(prefix)) return json;
  return prefix + json.slice(json.indexOf(',"kind":') + ',"kind":'.length);
}

/** RFC 3339, whole seconds, UTC: metav1.Time. */
export function timestamp(ms: number = Date.now()): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
