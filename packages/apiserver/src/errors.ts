// Every refusal of the API server, in Kubernetes' own words: a metav1.Status.

export type Cause = {
  readonly reason:
    | "FieldValueRequired"
    | "FieldValueInvalid"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueDuplicate"
    | "FieldValueTooLong"
    | "FieldValueTypeInvalid"
    | "NamespaceTerminating"
    | "FieldManagerConflict"
    | "ResourceVersionTooLarge";
  readonly message: string;
  /** Path of the field, "spec.ports[0].port". */
  readonly field?: string;
};

export type ErrorDetails = {
  readonly name?: string;
  readonly group?: string;
  /** The resource's plural, except for invalid objects: there it is the kind, as in Kubernetes. */
  readonly kind?: string;
  readonly causes?: readonly Cause[];
  readonly retryAfterSeconds?: number;
};

/** `status` is the HTTP status, `code` Kubernetes' reason word. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: ErrorDetails | undefined;

  constructor(status: number, code: string, message: string, details?: ErrorDetails) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.details = details;
  }

  toStatus(): object {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.code,
      ...(this.details ? { details: this.details } : {}),
      code: this.status,
    };
  }
}

/** What is being spoken of, for messages and details. */
export type Subject = { readonly group: string; readonly plural: string; readonly kind: string };

/** "pods", or "deployments.apps": how Kubernetes names a resource in messages. */
export function qualified(subject: { readonly group: string; readonly plural: string }): string {
  return subject.group === "" ? subject.plural : `${subject.plural}.${subject.group}`;
}

function details(subject: Subject, name: string): ErrorDetails {
  return {
    ...(name ? { name } : {}),
    ...(subject.group ? { group: subject.group } : {}),
    kind: subject.plural,
  };
}

/** A path that nothing is served at. With details, if empty ones: kubectl looks into them without asking. */
export function notServed(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}

export function notFound(subject: Subject, name: string): ApiError {
  return new ApiError(
    404,
    "NotFound",
    `${qualified(subject)} ${JSON.stringify(name)} not found`,
    details(subject, name),
  );
}

export function alreadyExists(subject: Subject, name: string): ApiError {
  return new ApiError(
    409,
    "AlreadyExists",
    `${qualified(subject)} ${JSON.stringify(name)} already exists`,
    details(subject, name),
  );
}

export function conflict(subject: Subject, name: string, why?: string): ApiError {
  const reason =
    why ??
    "the object has been modified; please apply your changes to the latest version and try again";
  return new ApiError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(subject)} ${JSON.stringify(name)}: ${reason}`,
    details(subject, name),
  );
}

export function invalid(subject: Subject, name: string, causes: readonly Cause[]): ApiError {
  const kind = subject.group === "" ? subject.kind : `${subject.kind}.${subject.group}`;
  const lines = causes.map((cause) =>
    cause.field ? `${cause.field}: ${cause.message}` : cause.message,
  );
  const text = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  return new ApiError(422, "Invalid", `${kind} ${JSON.stringify(name)} is invalid: ${text}`, {
    ...(name ? { name } : {}),
    ...(subject.group ? { group: subject.group } : {}),
    kind: subject.kind,
    causes,
  });
}

export function forbidden(
  subject: Subject,
  name: string,
  why: string,
  causes?: readonly Cause[],
): ApiError {
  return new ApiError(
    403,
    "Forbidden",
    `${qualified(subject)} ${JSON.stringify(name)} is forbidden: ${why}`,
    { ...details(subject, name), ...(causes ? { causes } : {}) },
  );
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

export function internal(message: string): ApiError {
  return new ApiError(500, "InternalError", `Internal error occurred: ${message}`);
}

export function expired(message: string): ApiError {
  return new ApiError(410, "Expired", message);
}

/** The client is ahead of us: it must list again (or wait, which we do not offer). */
export function versionTooLarge(asked: number, current: number): ApiError {
  return new ApiError(504, "Timeout", `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

/** Shorthands for validation causes, worded as Kubernetes words them. */
export const field = {
  required: (path: string, why = ""): Cause => ({
    reason: "FieldValueRequired",
    message: why ? `Required value: ${why}` : "Required value",
    field: path,
  }),
  invalid: (path: string, value: unknown, why: string): Cause => ({
    reason: "FieldValueInvalid",
    message: `Invalid value: ${show(value)}: ${why}`,
    field: path,
  }),
  notSupported: (path: string, value: unknown, supported: readonly string[]): Cause => ({
    reason: "FieldValueNotSupported",
    message: `Unsupported value: ${show(value)}: supported values: ${supported.map((v) => JSON.stringify(v)).join(", ")}`,
    field: path,
  }),
  forbidden: (path: string, why: string): Cause => ({
    reason: "FieldValueForbidden",
    message: `Forbidden: ${why}`,
    field: path,
  }),
  duplicate: (path: string, value: unknown): Cause => ({
    reason: "FieldValueDuplicate",
    message: `Duplicate value: ${show(value)}`,
    field: path,
  }),
  tooLong: (path: string, max: number): Cause => ({
    reason: "FieldValueTooLong",
    message: `Too long: must have at most ${max} bytes`,
    field: path,
  }),
};

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
