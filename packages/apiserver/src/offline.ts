// What the API server would say of an object, without a server: the same kinds, schemas and rules, and nothing stored.
import { ApiError, type Cause } from "./errors.ts";
import { apiVersionOf, versionOf, type Kind } from "./kinds/kind.ts";
import { Registry, type Admissions } from "./kinds/registry.ts";
import { isRecord } from "./objects/json.ts";
import { generateName } from "./objects/names.ts";
import { toObject, type ApiObject } from "./objects/object.ts";
import { judge } from "./verbs/judge.ts";
import { adoptBody } from "./verbs/target.ts";

export type OfflineJudgement = {
  readonly causes: readonly Cause[];
  readonly warnings: readonly string[];
};

export type OfflineJudgeOptions = {
  /** CustomResourceDefinitions that are known to be good. */
  readonly definitions?: readonly object[];
  readonly admissions?: Admissions;
};

const defaultNamespace = "default";

export class OfflineJudge {
  readonly #registry: Registry;

  constructor({ definitions = [], admissions }: OfflineJudgeOptions = {}) {
    this.#registry = new Registry({ serviceRanges: [], admissions });
    for (const definition of definitions) this.#registry.define(definition as ApiObject);
  }

  /** Judges an object as it would be created; undefined for kinds that are not known. The object may be changed. */
  judge(document: unknown): OfflineJudgement | undefined {
    const { apiVersion, kind: name } = isRecord(document) ? document : {};
    if (typeof apiVersion !== "string") return undefined;
    const [version = "", group = ""] = apiVersion.split("/").toReversed();
    const kind = this.#registry.all().find((one) => one.group === group && one.kind === name);
    if (!kind) return undefined;
    if (!versionOf(kind, version)) return { causes: [noSuchVersion(kind)], warnings: [] };
    try {
      return this.#create(kind, version, toObject(document));
    } catch (error) {
      if (error instanceof ApiError) return { causes: causesOf(error), warnings: [] };
      throw error;
    }
  }

  #create(kind: Kind, version: string, object: ApiObject): OfflineJudgement {
    const { metadata } = object;
    const namespace = kind.namespaced ? (metadata.namespace ?? defaultNamespace) : "";
    const target = { kind, version, namespace, name: "", subresource: undefined };
    adoptBody(object, target);
    if (!metadata.name && metadata.generateName)
      metadata.name = generateName(metadata.generateName);
    if (kind.subresources.has("status") && !kind.strategy.createdWithStatus)
      delete object["status"];
    const warnings: string[] = [];
    judge(target, object, { warn: (text) => warnings.push(text) });
    return { causes: [], warnings };
  }
}

function noSuchVersion(kind: Kind): Cause {
  const served = kind.versions.map(({ name }) => apiVersionOf(kind, name));
  return {
    reason: "FieldValueNotSupported",
    message: `Unsupported value: supported values: ${served.join(", ")}`,
    field: "apiVersion",
  };
}

function causesOf(error: ApiError): readonly Cause[] {
  return error.details?.causes ?? [{ reason: "FieldValueInvalid", message: error.message }];
}
