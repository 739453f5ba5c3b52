// What the server must know of a kind of object to serve it; built-in kinds and CRDs both become this.
import type { Cause } from "../errors.ts";
import type { NameRule } from "../objects/names.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import type { Schema } from "../schema/structural.ts";
import type { Validator } from "../schema/validator.ts";
import type { Transaction } from "../store/store.ts";

export type Version = {
  readonly name: string;
  readonly schema: Schema | undefined;
  readonly validate: Validator;
  /** Drop fields that the schema does not name. */
  readonly prune: boolean;
  readonly columns: readonly Column[];
};

/** A column of `kubectl get`. */
export type Column = {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description?: string;
  /** 0: always shown; 1: with -o wide. */
  readonly priority?: number;
  readonly value: (object: ApiObject) => unknown;
};

export type Subresource =
  | "status"
  | "finalize"
  | "binding"
  | "eviction"
  | "scale"
  | "log"
  | "exec"
  | "attach"
  | "portforward";

/** A kind's own rules. Hooks may change `object`, never `before`, the state it replaces. */
export type Strategy = {
  /** The status of a new object is taken as given (kubelets register nodes whole), not dropped. */
  readonly createdWithStatus?: true;
  /** Values the server sets itself, after the schema's defaults. */
  prepare?(object: ApiObject, before: ApiObject | undefined): void;
  validate?(object: ApiObject, before: ApiObject | undefined): Cause[];
  /** Values of a status that the server sets itself, where it is written apart. */
  prepareStatus?(object: ApiObject): void;
  validateStatus?(object: ApiObject): Cause[];
  /** What nobody else of the kind may have: addresses, ports. `Transaction.claims` tells who has what. */
  claims?(object: ApiObject): readonly string[];
  /** Last step before the write, where other objects may be looked at. @throws ApiError */
  allocate?(object: ApiObject, before: ApiObject | undefined, transaction: Transaction): void;
  /** Seconds from the request for deletion to the deletion. Without it: at once. */
  gracePeriodSeconds?(object: ApiObject, asked: number | undefined): number;
  /** On the change that marks an object for deletion. */
  markDeleted?(object: ApiObject): void;
  /** Who deletes an object of this kind is answered the object also once it is gone; else a Status. */
  readonly answersDeleted?: true;
  /** Why this object must not be deleted, or undefined. */
  undeletable?(object: ApiObject): string | undefined;
};

/**
 * What somebody outside the server says of an object as it was sent, nothing dropped and nothing filled in. It must take
 * anything: a schema has not been asked yet.
 */
export type Admission = (object: unknown) => {
  /** Any of them refuses the object. */
  readonly causes: readonly Cause[];
  /** For whoever sent it; they refuse nothing. */
  readonly warnings: readonly string[];
};

/** Where the scale subresource finds its numbers: ".spec.replicas". */
export type ScalePaths = {
  /** Under .spec. */
  readonly specReplicasPath: string;
  /** Under .status. */
  readonly statusReplicasPath: string;
  /** Of a LabelSelector, or of its text. */
  readonly labelSelectorPath?: string | undefined;
};

/** Who sends a question, and what the server knows of rights. */
export type Asker = {
  readonly name: string;
  readonly groups: readonly string[];
};

/** Answers a question that is created and never stored (a SubjectAccessReview): the object with its status. */
export type Review = (object: ApiObject, asker: Asker) => ApiObject;

/** A kind that is another one by other names: its objects are the other's, shown in this form. */
export type Alias = {
  /** The kind that is stored. */
  readonly group: string;
  readonly plural: string;
  readonly version: string;
  /** A document as it was sent, of whatever shape, in the stored kind's form. */
  toStored(document: unknown): unknown;
  toShown(object: Fields): Fields;
  /** What is asked of a new object in this form alone. @throws ApiError Invalid */
  checkNew(document: unknown): void;
};

export type Kind = {
  readonly group: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** The first is preferred. */
  readonly versions: readonly Version[];
  readonly storageVersion: string;
  readonly subresources: ReadonlySet<Subresource>;
  /** Of those that have the scale subresource. */
  readonly scale?: ScalePaths | undefined;
  readonly nameRule: NameRule;
  /** Fields that field selectors may name. */
  readonly selectableFields: Readonly<Record<string, (object: ApiObject) => string>>;
  readonly strategy: Strategy;
  readonly admission?: Admission | undefined;
  /** Objects of this kind are answered, not stored: "create" is the only verb. */
  readonly review?: Review | undefined;
  readonly alias?: Alias | undefined;
  /** A custom kind whose definition is being deleted takes no new objects. */
  readonly terminating: boolean;
};

/** The store's name of a kind's resource. */
export function resourceKey(kind: { readonly group: string; readonly plural: string }): string {
  return `${kind.group}/${kind.plural}`;
}

export function apiVersionOf(kind: Kind, version: string): string {
  return kind.group === "" ? version : `${kind.group}/${version}`;
}

export function versionOf(kind: Kind, name: string): Version | undefined {
  return kind.versions.find((version) => version.name === name);
}

/** As in Kubernetes, namespaces are deleted one by one. */
export function deletableTogether(kind: Kind): boolean {
  return kind.strategy.undeletable === undefined;
}
