// admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration: who is asked before objects are stored.
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import { labelSelectorCauses, qualifiedWebhookName } from "./webhook-rules.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import { ageColumn, countColumn } from "../table/columns.ts";
import { conditionFault } from "../schema/cel/conditions.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { labelSelector, shape } from "./shape.ts";

const texts = shape.list(shape.string({ minLength: 1 }), { minItems: 1 });

const webhook = shape.object({
  "name!": shape.string({ minLength: 1 }),
  "clientConfig!": shape.object({
    url: shape.string(),
    caBundle: shape.string({ format: "byte" }),
    service: shape.object({
      "name!": shape.string({ minLength: 1 }),
      "namespace!": shape.string({ minLength: 1 }),
      path: shape.string({ pattern: "^/" }),
      port: shape.integer(1, 65535, { default: 443 }),
    }),
  }),
  rules: shape.list(
    shape.object({
      "operations!": shape.list(shape.oneOf(["CREATE", "UPDATE", "DELETE", "CONNECT", "*"]), {
        minItems: 1,
      }),
      "apiGroups!": shape.list(shape.string(), { minItems: 1 }),
      "apiVersions!": texts,
      "resources!": texts,
      scope: shape.oneOf(["*", "Cluster", "Namespaced"], { default: "*" }),
    }),
  ),
  failurePolicy: shape.oneOf(["Ignore", "Fail"], { default: "Fail" }),
  matchPolicy: shape.oneOf(["Exact", "Equivalent"], { default: "Equivalent" }),
  namespaceSelector: { ...labelSelector, default: {} },
  objectSelector: { ...labelSelector, default: {} },
  "sideEffects!": shape.oneOf(["None", "NoneOnDryRun"]),
  timeoutSeconds: shape.integer(1, 30, { default: 10 }),
  "admissionReviewVersions!": texts,
  matchConditions: shape.list(
    shape.object({
      "name!": shape.string({ minLength: 1 }),
      "expression!": shape.string({ minLength: 1 }),
    }),
    { maxItems: 64 },
  ),
});

export const validatingWebhookConfigurations: Kind = builtin({
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  plural: "validatingwebhookconfigurations",
  categories: ["api-extensions"],
  clusterWide: true,
  schema: shape.object({ webhooks: shape.list(webhook) }),
  columns: [countColumn("Webhooks", (object) => webhooksOf(object).length), ageColumn],
  strategy: {
    validate(object) {
      const names = new Set<unknown>();
      return webhooksOf(object).flatMap((one, index) => {
        const at = `webhooks[${index}]`;
        const causes = webhookCauses(one, at);
        if (names.has(one["name"])) causes.push(field.duplicate(`${at}.name`, one["name"]));
        names.add(one["name"]);
        return causes;
      });
    },
  },
});

function webhooksOf(object: ApiObject): Fields[] {
  return Array.isArray(object["webhooks"]) ? (object["webhooks"] as Fields[]) : [];
}

function webhookCauses(webhook: Fields, at: string): Cause[] {
  const causes: Cause[] = [];
  const name = String(webhook["name"]);
  const nameFault = qualifiedWebhookName(name);
  if (nameFault) causes.push(field.invalid(`${at}.name`, name, nameFault));
  causes.push(...clientCauses(webhook["clientConfig"] as Fields, `${at}.clientConfig`));
  for (const selector of ["namespaceSelector", "objectSelector"])
    causes.push(...labelSelectorCauses(webhook[selector], `${at}.${selector}`));
  const versions = webhook["admissionReviewVersions"] as string[];
  if (!versions.includes("v1"))
    causes.push(
      field.invalid(`${at}.admissionReviewVersions`, versions, "must include at least one of v1"),
    );
  const conditions = Array.isArray(webhook["matchConditions"]) ? webhook["matchConditions"] : [];
  conditions.forEach((condition: Fields, index) => {
    const fault = conditionFault(String(condition["expression"]));
    if (fault !== undefined)
      causes.push(
        field.invalid(
          `${at}.matchConditions[${index}].expression`,
          condition["expression"],
          `compilation failed: ${fault}`,
        ),
      );
  });
  return causes;
}

function clientCauses({ url, service }: Fields, at: string): Cause[] {
  if ((url === undefined) === !isRecord(service))
    return [field.required(at, "exactly one of url or service is required")];
  if (url === undefined) return [];
  const parsed = URL.canParse(String(url)) ? new URL(String(url)) : undefined;
  if (parsed?.protocol !== "https:")
    return [field.invalid(`${at}.url`, url, "'https' is the only allowed URL scheme")];
  const more = parsed.username || parsed.password || parsed.search || parsed.hash;
  return more
    ? [field.invalid(`${at}.url`, url, "user information, query and fragment are not permitted")]
    : [];
}
