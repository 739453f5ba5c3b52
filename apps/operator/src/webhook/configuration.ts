// The ValidatingWebhookConfiguration that sends policies to us: what it says, and keeping it so.
import { KubeError, type KubeClient, type KubeObject, type Resource } from "@tsilium/kube";
import { reviewPath } from "./server.ts";

/** How an API server reaches the webhook. */
export type Reach =
  | { readonly url: string }
  | { readonly service: { readonly namespace: string; readonly name: string } };

export type WebhookConfiguration = KubeObject & { readonly webhooks: readonly object[] };

const configurations: Resource<WebhookConfiguration> = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  plural: "validatingwebhookconfigurations",
  kind: "ValidatingWebhookConfiguration",
  namespaced: false,
};

export const configurationName = "tsilium-policies";

/** Within this the answer comes or does without us: an `apply` must not hang on a node that went away. */
const timeoutSeconds = 2;

/** @param caBundle PEM of the certificate that vouches for ours */
export function configurationFor(reach: Reach, caBundle: string): WebhookConfiguration {
  const clientConfig = {
    ...("url" in reach
      ? { url: `${reach.url}${reviewPath}` }
      : { service: { ...reach.service, path: reviewPath, port: 443 } }),
    caBundle: Buffer.from(caBundle).toString("base64"),
  };
  return {
    metadata: { name: configurationName },
    webhooks: [
      {
        name: "policies.tsilium.io",
        clientConfig,
        rules: [
          ruleFor("networking.k8s.io", "v1", ["networkpolicies"]),
          ruleFor("cilium.io", "v2", [
            "ciliumnetworkpolicies",
            "ciliumclusterwidenetworkpolicies",
            "ciliumcidrgroups",
            "ciliumloadbalancerippools",
            "ciliumlocalredirectpolicies",
          ]),
          ruleFor("policy.networking.k8s.io", "v1alpha2", ["clusternetworkpolicies"]),
        ],
        // A webhook out of reach must not stop the cluster, nor its own repair. Nothing is lost but the early answer:
        // agents enforce no invalid policy, and its status says so.
        failurePolicy: "Ignore",
        matchPolicy: "Equivalent",
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        timeoutSeconds,
      },
    ],
  };
}

function ruleFor(group: string, version: string, plurals: readonly string[]): object {
  return {
    apiGroups: [group],
    apiVersions: [version],
    resources: plurals,
    operations: ["CREATE", "UPDATE"],
    scope: "*",
  };
}

/** Creates it, or puts it right. Answers what it did. @throws KubeError, the signal's reason */
export async function ensureConfiguration(
  client: KubeClient,
  wanted: WebhookConfiguration,
  signal: AbortSignal,
): Promise<"created" | "updated" | "kept"> {
  const present = await read(client, signal);
  if (!present) {
    await client.create(configurations, wanted, { signal });
    return "created";
  }
  if (covers(present.webhooks, wanted.webhooks)) return "kept";
  await client.replace(configurations, { ...present, webhooks: wanted.webhooks }, { signal });
  return "updated";
}

/** Takes it away. One that is not there is fine; who may not touch it has not made it either. @throws KubeError */
export async function removeConfiguration(client: KubeClient, signal: AbortSignal): Promise<void> {
  try {
    await client.delete(configurations, configurationName, { signal });
  } catch (error) {
    if (!(error instanceof KubeError && error.reason === "Forbidden")) throw error;
  }
}

async function read(
  client: KubeClient,
  signal: AbortSignal,
): Promise<WebhookConfiguration | undefined> {
  try {
    return await client.get(configurations, configurationName, { signal });
  } catch (error) {
    if (KubeError.isNotFound(error)) return undefined;
    throw error;
  }
}

/** Whether `present` says all that `wanted` says: API servers fill in defaults. */
function covers(present: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return (
      Array.isArray(present) &&
      present.length === wanted.length &&
      wanted.every((item, at) => covers(present[at], item))
    );
  if (typeof wanted !== "object" || wanted === null) return present === wanted;
  return (
    typeof present === "object" &&
    present !== null &&
    Object.entries(wanted).every(([key, value]) =>
      covers((present as Readonly<Record<string, unknown>>)[key], value),
    )
  );
}
