// AdmissionReviews (admission.k8s.io/v1) and what we answer to them. Pure; takes anything.
import { isDeepStrictEqual } from "node:util";
import { causeOf, problemText, type Judgement, type PolicyJudge } from "../policies/judge.ts";

/** A request that is no AdmissionReview: its sender is told 400. */
export class ReviewError extends Error {
  readonly code = "not_a_review";
}

export type ReviewAnswer = {
  readonly kind: string;
  readonly outcome: "allowed" | "refused";
  /** The AdmissionReview to answer. */
  readonly review: object;
};

type Fields = Readonly<Record<string, unknown>>;
type Request = {
  readonly uid: string;
  readonly group: string;
  readonly kind: string;
  readonly operation: string;
  readonly subResource: unknown;
  readonly object: unknown;
  readonly oldObject: unknown;
};

/** @param judges by "group/Kind"; kinds that are not among them are allowed. @throws ReviewError */
export function answerReview(
  document: unknown,
  judges: Readonly<Record<string, PolicyJudge>>,
): ReviewAnswer {
  const request = readRequest(document);
  const { group, kind } = request;
  const name = `${group}/${kind}`;
  const judge = Object.hasOwn(judges, name) ? judges[name] : undefined;
  const asked = judge !== undefined && isJudged(request);
  const judgement = asked ? judge(named(request.object)) : { problems: [], warnings: [] };
  return {
    kind: judge ? kind : "other",
    outcome: judgement.problems.length > 0 ? "refused" : "allowed",
    review: {
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      response: responseTo(request.uid, judgement),
    },
  };
}

function readRequest(document: unknown): Request {
  const review = fieldsOf(document, "the body");
  if (review["apiVersion"] !== "admission.k8s.io/v1" || review["kind"] !== "AdmissionReview")
    throw new ReviewError("the body is no AdmissionReview of admission.k8s.io/v1");
  const request = fieldsOf(review["request"], "request");
  const { subResource, object, oldObject } = request;
  const kind = fieldsOf(request["kind"], "request.kind");
  return {
    uid: textOf(request["uid"], "request.uid"),
    group: textOf(kind["group"] ?? "", "request.kind.group"),
    kind: textOf(kind["kind"], "request.kind.kind"),
    operation: textOf(request["operation"], "request.operation"),
    subResource,
    object,
    oldObject,
  };
}

function textOf(value: unknown, what: string): string {
  if (typeof value !== "string") throw new ReviewError(`${what} is no string`);
  return value;
}

function fieldsOf(value: unknown, what: string): Fields {
  if (!isFields(value)) throw new ReviewError(`${what} is no object`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * What is created, and what is changed in what a policy says. An object that is as it was is let pass: one that was
 * stored before anybody looked can still be labelled, and its finalizers go.
 */
function isJudged({ operation, subResource, object, oldObject }: Request): boolean {
  if (subResource !== undefined && subResource !== "") return false;
  if (operation === "CREATE") return true;
  return operation === "UPDATE" && !isDeepStrictEqual(said(object), said(oldObject));
}

/** An object whose name is still to be made up has none: any will do. */
function named(object: unknown): unknown {
  if (!isFields(object) || !isFields(object["metadata"])) return object;
  const { name, generateName } = object["metadata"];
  if (name || typeof generateName !== "string") return object;
  return { ...object, metadata: { ...object["metadata"], name: `${generateName}x` } };
}

function said(object: unknown): unknown {
  if (!isFields(object)) return object;
  const { metadata, status: _status, ...rest } = object;
  return { ...rest, annotations: (isFields(metadata) && metadata["annotations"]) || {} };
}

function responseTo(uid: string, { problems, warnings }: Judgement): object {
  if (problems.length === 0)
    return {
      uid,
      allowed: true,
      ...(warnings.length > 0 ? { warnings: warnings.map(problemText) } : {}),
    };
  const causes = problems.map(causeOf);
  const lines = causes.map(({ field, message }) => (field ? `${field}: ${message}` : message));
  const message = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  return {
    uid,
    allowed: false,
    status: { status: "Failure", code: 422, reason: "Invalid", message, details: { causes } },
  };
}
