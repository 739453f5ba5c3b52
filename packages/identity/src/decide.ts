// Which number a set of labels has, or shall get. Pure.
import { createHash } from "node:crypto";
import type { CiliumIdentity } from "@tsilium/kube";
import { formatLabel, Labels, parseLabel } from "@tsilium/net";
import { IdentityError } from "./errors.ts";
import { allocatedIdentities, type Identity } from "./model.ts";

const { first, last } = allocatedIdentities;
const count = last - first + 1;

/**
 * Numbers to try for a new set of labels, all of them, beginning at a place that the labels decide. Nodes that
 * meet the same new labels at the same moment try the same number, so all but one fail to create it and find
 * what they wanted: the race is settled by the name. And a number that was given up goes back, most likely, to
 * the labels it had, not to strangers.
 */
export function* candidateNumbers(labels: Labels): Generator<number, void> {
  const start = createHash("sha256").update(labels.key).digest().readUInt32BE(0) % count;
  for (let step = 0; step < count; step++) yield first + ((start + step) % count);
}

/** Of several identities with the same labels the one that counts: the lowest number, on every node. */
export function winnerOf(identities: readonly Identity[]): Identity | undefined {
  return identities.reduce<Identity | undefined>(
    (best, next) => (best && best.id < next.id ? best : next),
    undefined,
  );
}

/** A CiliumIdentity as an identity. @throws IdentityError identity_invalid for a name that is no cluster-wide number */
export function identityOf(object: CiliumIdentity): Identity {
  const name = object.metadata.name ?? "";
  const id = /^[1-9][0-9]{0,9}$/.test(name) ? Number(name) : Number.NaN;
  if (!(id >= first && id <= last))
    throw new IdentityError("identity_invalid", `CiliumIdentity "${name}" is no number in use`);
  const labels = Labels.of(
    Object.entries(object["security-labels"] ?? {}).map(([key, value]) => ({
      ...parseLabel(key),
      value,
    })),
  );
  return { id, labels, reserved: false };
}

/** An identity as the object that the API server keeps. */
export function objectOf(identity: Identity): CiliumIdentity {
  const labels = [...identity.labels];
  return {
    metadata: {
      name: String(identity.id),
      // For selection by kubectl: the pods' own labels, and their namespace.
      labels: Object.fromEntries(
        labels
          .filter(({ source, key }) => source === "k8s" && !key.startsWith("io.cilium.k8s."))
          .map(({ key, value }) => [key, value]),
      ),
    },
    "security-labels": Object.fromEntries(
      labels.map((label) => [formatLabel({ ...label, value: "" }), label.value]),
    ),
  };
}
