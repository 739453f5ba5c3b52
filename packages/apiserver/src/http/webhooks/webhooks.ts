// Validating webhooks: all that match a change are asked at once, and any of them can refuse it.
import { ApiError } from "../../errors.ts";
import { resourceKey } from "../../kinds/kind.ts";
import { validatingWebhookConfigurations } from "../../kinds/webhook-configurations.ts";
import { isRecord } from "../../objects/json.ts";
import type { ApiObject } from "../../objects/object.ts";
import { holds } from "../../schema/cel/conditions.ts";
import type { Store } from "../../store/store.ts";
import type { Target } from "../../verbs/target.ts";
import { callWebhook } from "./call.ts";
import { matchedVersion, selects } from "./match.ts";
import type { Change, Operation, Webhook } from "./model.ts";
import { reviewOf, verdictOf, type Review } from "./review.ts";

const resource = resourceKey(validatingWebhookConfigurations);

export class Webhooks {
  readonly #store: Store;
  #known: { readonly revision: number; readonly webhooks: readonly Webhook[] } | undefined;

  constructor(store: Store) {
    this.#store = store;
    store.onChange((changed) => {
      if (changed === resource) this.#known = undefined;
    });
  }

  /** Is anybody to be asked about such changes? Most servers ask nobody, and are not to pay for it. */
  concern(operation: Operation, target: Target): boolean {
    return this.#all().some((webhook) => matchedVersion(webhook, operation, target) !== undefined);
  }

  /**
   * Asks all that match.
   * @throws ApiError the first refusal in the order of the webhooks' names, or InternalError where one that must be
   *   asked cannot be
   */
  async ask(change: Change, warn: (text: string) => void): Promise<void> {
    const asked = this.#all().flatMap((webhook) => {
      const version = matchedVersion(webhook, change.operation, change.target);
      return version !== undefined && selects(webhook, change)
        ? [this.#ask(webhook, reviewOf(change, version), warn)]
        : [];
    });
    for (const answer of await Promise.allSettled(asked))
      if (answer.status === "rejected") throw answer.reason;
  }

  async #ask(webhook: Webhook, review: Review, warn: (text: string) => void): Promise<void> {
    let verdict;
    try {
      if (!conditionsHold(webhook, review)) return;
      const body = JSON.stringify({
        kind: "AdmissionReview",
        apiVersion: "admission.k8s.io/v1",
        request: review.request,
      });
      const answer = await callWebhook(webhook, body, (namespace, name) =>
        this.#serviceAddress(namespace, name),
      );
      verdict = verdictOf(answer, review.uid);
    } catch (error) {
      if (webhook.failurePolicy === "Ignore") return;
      if (error instanceof ConditionFault) throw conditionRefusal(webhook, error);
      throw new ApiError(
        500,
        "InternalError",
        `Internal error occurred: failed calling webhook ${JSON.stringify(webhook.name)}: ${(error as Error).message}`,
        { causes: [{ reason: "FieldValueInvalid", message: (error as Error).message }] },
      );
    }
    for (const warning of verdict.warnings) warn(warning);
    if (verdict.allowed) return;
    const told = verdict.message ?? verdict.reason;
    const who = `admission webhook ${JSON.stringify(webhook.name)}`;
    throw new ApiError(
      verdict.code ?? 403,
      verdict.reason ?? "Forbidden",
      told === undefined
        ? `${who} denied the request without explanation`
        : `${who} denied the request: ${told}`,
    );
  }

  #all(): readonly Webhook[] {
    this.#known ??= {
      revision: this.#store.revision,
      webhooks: this.#store
        .collection(resource)
        .list()
        .flatMap(({ json }) => (JSON.parse(json) as { webhooks?: Webhook[] }).webhooks ?? [])
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    };
    return this.#known.webhooks;
  }

  #serviceAddress(namespace: string, name: string): string | undefined {
    const stored = this.#store.get({ resource: "/services", namespace, name });
    const spec = stored && (JSON.parse(stored.json) as ApiObject)["spec"];
    const address = isRecord(spec) ? spec["clusterIP"] : undefined;
    return typeof address === "string" && address !== "" && address !== "None"
      ? address
      : undefined;
  }
}

/** A condition that could not be evaluated. */
class ConditionFault extends Error {}

/** All conditions of a webhook must hold; one that does not spares the call, even if another is at fault. */
function conditionsHold({ matchConditions = [] }: Webhook, { request }: Review): boolean {
  const { object, oldObject } = request;
  const faults: string[] = [];
  for (const { name, expression } of matchConditions) {
    try {
      if (!holds(expression, { object, oldObject, request })) return false;
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message.split("\n", 1)[0]}`);
    }
  }
  if (faults.length > 0) throw new ConditionFault(faults.join("; "));
  return true;
}

function conditionRefusal(webhook: Webhook, fault: ConditionFault): ApiError {
  return new ApiError(
    403,
    "Forbidden",
    `admission webhook ${JSON.stringify(webhook.name)}: its matchConditions failed: ${fault.message}`,
  );
}
