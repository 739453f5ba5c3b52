// admission.k8s.io/v1 AdmissionReview: what a webhook is asked, and what it may answer.
import { randomUUID } from "node:crypto";
import { apiVersionOf } from "../../kinds/kind.ts";
import { isRecord } from "../../objects/json.ts";
import type { ApiObject } from "../../objects/object.ts";
import type { Change } from "./model.ts";

export type Review = { readonly uid: string; readonly request: Readonly<Record<string, unknown>> };

/** @param version in which the webhook knows the kind */
export function reviewOf(change: Change, version: string): Review {
  const { target, operation, name, user, dryRun } = change;
  const { kind, subresource, namespace } = target;
  const uid = randomUUID();
  const part = subresource === undefined ? {} : { subResource: subresource };
  const requestPart = subresource === undefined ? {} : { requestSubResource: subresource };
  const kindOf = (spoken: string) => ({ group: kind.group, version: spoken, kind: kind.kind });
  const resourceOf = (spoken: string) => ({
    group: kind.group,
    version: spoken,
    resource: kind.plural,
  });
  const inVersion = (object: ApiObject | undefined) =>
    object === undefined ? null : { ...object, apiVersion: apiVersionOf(kind, version) };
  return {
    uid,
    request: {
      uid,
      kind: kindOf(version),
      resource: resourceOf(version),
      ...part,
      requestKind: kindOf(target.version),
      requestResource: resourceOf(target.version),
      ...requestPart,
      ...(name === "" ? {} : { name }),
      ...(namespace === "" ? {} : { namespace }),
      operation,
      userInfo: { username: user.name, groups: user.groups },
      object: inVersion(change.object),
      oldObject: inVersion(change.oldObject),
      dryRun,
      options: {
        kind: `${operation[0]}${operation.slice(1).toLowerCase()}Options`,
        apiVersion: "meta.k8s.io/v1",
      },
    },
  };
}

export type Verdict = {
  readonly allowed: boolean;
  /** HTTP status of the refusal, where the webhook tells one. */
  readonly code: number | undefined;
  readonly reason: string | undefined;
  readonly message: string | undefined;
  readonly warnings: readonly string[];
};

/** Longer texts of webhooks are cut. */
const maxText = 4096;

/** @throws Error why the answer is none */
export function verdictOf(document: unknown, uid: string): Verdict {
  const review = isRecord(document) ? document : {};
  const { apiVersion, kind, response } = review;
  if (apiVersion !== "admission.k8s.io/v1" || kind !== "AdmissionReview") {
    const wanted = "admission.k8s.io/v1, Kind=AdmissionReview";
    const got = `${text(apiVersion) ?? ""}, Kind=${text(kind) ?? ""}`;
    throw new Error(
      `received invalid webhook response: expected webhook response of ${wanted}, got ${got}`,
    );
  }
  if (!isRecord(response)) throw new Error("webhook response was absent");
  if (response["uid"] !== uid)
    throw new Error(
      `received invalid webhook response: expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(text(response["uid"]) ?? "")}`,
    );
  if (typeof response["allowed"] !== "boolean")
    throw new Error("received invalid webhook response: response.allowed is no bool");
  if (response["patch"] !== undefined && response["patch"] !== null)
    throw new Error("a validating webhook may not patch the object");
  const status = isRecord(response["status"]) ? response["status"] : {};
  const { code } = status;
  const warnings = Array.isArray(response["warnings"]) ? response["warnings"] : [];
  return {
    allowed: response["allowed"],
    code:
      Number.isInteger(code) && Number(code) >= 400 && Number(code) < 600
        ? Number(code)
        : undefined,
    reason: text(status["reason"]),
    message: text(status["message"]),
    warnings: warnings.flatMap((warning: unknown) => text(warning) ?? []),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value.slice(0, maxText) : undefined;
}
