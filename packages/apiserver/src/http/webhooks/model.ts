// A webhook as it was stored (hence valid), and what it is asked about.
import type { User } from "../../auth/user.ts";
import type { LabelSelector } from "../../objects/label-selector.ts";
import type { ApiObject } from "../../objects/object.ts";
import type { Target } from "../../verbs/target.ts";

export type Operation = "CREATE" | "UPDATE" | "DELETE";

export type Rule = {
  readonly operations: readonly string[];
  readonly apiGroups: readonly string[];
  readonly apiVersions: readonly string[];
  readonly resources: readonly string[];
  readonly scope: "*" | "Cluster" | "Namespaced";
};

export type Webhook = {
  readonly name: string;
  readonly clientConfig: {
    readonly url?: string;
    readonly caBundle?: string;
    readonly service?: {
      readonly name: string;
      readonly namespace: string;
      readonly path?: string;
      readonly port: number;
    };
  };
  readonly rules?: readonly Rule[];
  readonly failurePolicy: "Fail" | "Ignore";
  readonly matchPolicy: "Exact" | "Equivalent";
  readonly namespaceSelector: LabelSelector;
  readonly objectSelector: LabelSelector;
  readonly timeoutSeconds: number;
  readonly matchConditions?: readonly { readonly name: string; readonly expression: string }[];
};

/** A change that has passed everything else. */
export type Change = {
  readonly operation: Operation;
  readonly target: Target;
  /** The object's name, "" where the server has yet to make it up. */
  readonly name: string;
  readonly user: User;
  readonly dryRun: boolean;
  /** Undefined where it is deleted. */
  readonly object: ApiObject | undefined;
  readonly oldObject: ApiObject | undefined;
  /** Labels of the namespace that the object is in, or is; undefined for other objects without one. */
  readonly namespaceLabels: Readonly<Record<string, string>> | undefined;
};
