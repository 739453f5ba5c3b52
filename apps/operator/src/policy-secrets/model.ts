// What is known of the Secrets that policies name, and what their copies are to be.
import type { SecretRef } from "@tsilium/policy/model.ts";

export type SecretContent = {
  readonly type: string;
  /** Values are base64. Never logged, counted or told. */
  readonly data: Readonly<Record<string, string>>;
};

export type Source =
  | { readonly kind: "present"; readonly createdAt: string; readonly content: SecretContent }
  | { readonly kind: "absent" }
  /** Nothing is known of it: neither that it is there nor that it is gone. */
  | { readonly kind: "unreadable"; readonly reason: string }
  | { readonly kind: "unknown" };

/** A copy as it is to be. */
export type SecretCopy = {
  readonly name: string;
  readonly owner: SecretRef;
  /** undefined: the source cannot be read just now; the copy that is there stays as it is. */
  readonly content: SecretContent | undefined;
};

export type CopyProblem = {
  readonly source: SecretRef;
  readonly reason: "missing" | "unreadable" | "conflict" | "refused";
  /** Names Secrets, never what is in them. */
  readonly message: string;
};

export function secretKey({ namespace, name }: SecretRef): string {
  return `${namespace}/${name}`;
}
