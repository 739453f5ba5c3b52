// Copies of the Secrets that policies name, in the one namespace whose Secrets agents read. Names and labels are Cilium's.
import type { SecretRef } from "../l7-model.ts";

export const owningNamespaceLabel = "secretsync.cilium.io/owning-secret-namespace";
export const owningNameLabel = "secretsync.cilium.io/owning-secret-name";

/** "a-b/c" and "a/b-c" have one name: the labels say whose copy it is. */
export function secretCopyName({ namespace, name }: SecretRef): string {
  return `${namespace}-${name}`;
}

export function secretCopyLabels({ namespace, name }: SecretRef): Record<string, string> {
  return { [owningNamespaceLabel]: namespace, [owningNameLabel]: name };
}

/** What a Secret with these labels is a copy of; undefined: of none, somebody wrote it. */
export function secretCopyOf(
  labels: Readonly<Record<string, string>> | undefined,
): SecretRef | undefined {
  const namespace = labels?.[owningNamespaceLabel];
  const name = labels?.[owningNameLabel];
  return namespace && name ? { namespace, name } : undefined;
}
