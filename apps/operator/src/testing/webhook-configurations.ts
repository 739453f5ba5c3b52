// ValidatingWebhookConfigurations for our API server, which does not know them: a definition makes it store them, with
// a default as a real one fills in.
import { type KubeClient, type KubeObject, type Resource, resources } from "@tsilium/kube";

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

const webhook = {
  type: "object",
  "x-kubernetes-preserve-unknown-fields": true,
  properties: { namespaceSelector: { type: "object", default: {} } },
};

export async function defineConfigurations(client: KubeClient): Promise<void> {
  const properties = { webhooks: { type: "array", items: webhook } };
  await client.create(
    resources.customResourceDefinitions,
    {
      metadata: {
        name: `${plural}.${group}`,
        annotations: { "api-approved.kubernetes.io": "unapproved, for a test" },
      },
      spec: {
        group,
        scope: "Cluster",
        names: { plural, kind },
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: "object", properties } },
          },
        ],
      },
    },
    { signal: AbortSignal.timeout(5_000) },
  );
}
