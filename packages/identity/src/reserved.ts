// The identities that exist without being allocated.
import { Labels } from "@tsilium/net";
import { type Identity, ReservedIdentity } from "./model.ts";

/** Every reserved identity, by number, with its labels. */
export const reservedIdentities: readonly Identity[] = Object.entries(ReservedIdentity).map(
  ([name, id]) => ({ id, labels: Labels.parse(labelsOf(name)), reserved: true }),
);

/** The API server on a node is a remote node too; a family's world is part of the world. */
function labelsOf(name: string): string[] {
  if (name === "kube-apiserver") return ["reserved:kube-apiserver", "reserved:remote-node"];
  return [`reserved:${name}`];
}
