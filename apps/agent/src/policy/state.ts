// Everything that policy is made of, as the worker is told it: what `tsilium policy diff` compares on.
import type { KubeObject } from "@tsilium/kube";
import type { PolicyClient, PolicySource } from "./client.ts";
import type { AddressInput, IdentityInput, PolicyBatch, ServiceInput } from "./inputs/model.ts";
import type { PolicyWorkerSettings, WantedSubject } from "./model.ts";

export type PolicyState = {
  readonly settings: PolicyWorkerSettings;
  /** NetworkPolicies, CiliumNetworkPolicies, ... as the API server has them. */
  readonly policies: readonly KubeObject[];
  readonly cidrGroups: readonly KubeObject[];
  readonly services: readonly ServiceInput[];
  readonly identities: readonly IdentityInput[];
  readonly addresses: readonly AddressInput[];
  /** Of this node's pods. */
  readonly subjects: readonly (WantedSubject & { readonly id: number })[];
};

export function policyState(
  settings: PolicyWorkerSettings,
  { inputs, client }: { readonly inputs: PolicySource; readonly client: PolicyClient },
): PolicyState {
  const batch = wholeState(inputs);
  const ofKind = <Kind extends PolicyBatch[number]["kind"]>(kind: Kind) =>
    batch.filter(
      (input): input is Extract<PolicyBatch[number], { kind: Kind }> => input.kind === kind,
    );
  return {
    settings,
    policies: ofKind("policy").map(({ object }) => object),
    cidrGroups: ofKind("cidr-group").map(({ object }) => object),
    services: ofKind("service"),
    identities: ofKind("identity"),
    addresses: ofKind("address"),
    subjects: [...client.subjects.values()].map(({ id, wanted }) => ({ id, ...wanted })),
  };
}

/** The first batch that a listener gets is all that holds. */
function wholeState(inputs: PolicySource): PolicyBatch {
  const batches: PolicyBatch[] = [];
  const subscription = inputs.subscribe((batch) => batches.push(batch));
  inputs.flush();
  subscription[Symbol.dispose]();
  return batches.flat();
}
