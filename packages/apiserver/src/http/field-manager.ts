// Who a request says is writing: the fieldManager it names, or the program that sends it; and the rules of an apply.
import type { IncomingMessage } from "node:http";
import { ApiError, field, invalid, type Cause } from "../errors.ts";
import { apiVersionOf, versionOf } from "../kinds/kind.ts";
import { isRecord } from "../objects/json.ts";
import { readFields } from "../schema/fields.ts";
import { kindSchema } from "../schema/kind-schema.ts";
import type { Target } from "../verbs/target.ts";

/** Kubernetes' own limit, characters. */
const maxManagerLength = 128;

export const applyType = "application/apply-patch+yaml";

const isPrintable = (name: string) => /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u.test(name);

type Asked = { readonly request: IncomingMessage; readonly query: URLSearchParams };

/** @throws ApiError Invalid for a name that is too long or cannot be printed */
export function fieldManager({ request, query }: Asked): string {
  const named = query.get("fieldManager") ?? "";
  const causes: Cause[] = [];
  if ([...named].length > maxManagerLength)
    causes.push(field.tooLong("fieldManager", maxManagerLength));
  if (!isPrintable(named))
    causes.push(field.invalid("fieldManager", named, "should only contain printable characters"));
  if (causes.length > 0) throw refused(request, causes);
  if (named !== "") return named;
  const program = (request.headers["user-agent"] ?? "").split("/", 1)[0] ?? "";
  const printable = [...program].filter(isPrintable).slice(0, maxManagerLength);
  return printable.join("") || "unknown";
}

/** What a patch may say of force and of who sends it. @throws ApiError Invalid */
export function checkForce({ request, query }: Asked, apply: boolean): boolean {
  const text = query.get("force");
  if (!apply) {
    const why = "may not be specified for non-apply patch";
    if (text) throw refused(request, [field.forbidden("force", why)]);
    return false;
  }
  if (!query.get("fieldManager"))
    throw refused(request, [field.required("fieldManager", "is required for apply patch")]);
  return text === "true" || text === "1";
}

const optionKinds: Readonly<Record<string, string>> = {
  POST: "CreateOptions",
  PUT: "UpdateOptions",
  DELETE: "DeleteOptions",
};

function refused({ method = "" }: IncomingMessage, causes: readonly Cause[]): ApiError {
  const kind = optionKinds[method] ?? "PatchOptions";
  return invalid({ group: "meta.k8s.io", plural: "", kind }, "", causes);
}

/** @throws ApiError as Kubernetes words it (with status 500), for fields that the kind does not have. */
export function checkApplied({ kind, version, ...target }: Target, document: unknown): void {
  const served = versionOf(kind, version);
  const ownBody = target.subresource !== undefined && target.subresource !== "status";
  if (!served || ownBody || !isRecord(document)) return;
  const { unknown } = readFields(kindSchema(kind, served), document, { types: false, drop: false });
  if (unknown.length === 0) return;
  const faults = unknown.map((path) => `.${path}: field not declared in schema`);
  const why = faults.length === 1 ? faults[0] : `errors:\n  ${faults.join("\n  ")}`;
  const who = `${target.namespace}/${target.name}; ${apiVersionOf(kind, version)}, Kind=${kind.kind}`;
  throw new ApiError(500, "", `failed to create typed patch object (${who}): ${why}`);
}
