// ValidatingWebhookConfigurations as the API server stores them.
import type { KubeObject, Resource } from "@tsilium/kube";

type ClientConfig = {
  readonly url?: string;
  readonly service?: object;
  readonly caBundle: string;
};
export type StoredConfiguration = KubeObject & {
  readonly webhooks: readonly (Record<string, unknown> & {
    readonly clientConfig: ClientConfig;
  })[];
};

const group = "admissionregistration.k8s.io";
const plural = "validatingwebhookconfigurations";
const kind = "ValidatingWebhookConfiguration";

export const configurations: Resource<StoredConfiguration> = {
  group,
  version: "v1",
  plural,
  kind,
  namespaced: false,
};
