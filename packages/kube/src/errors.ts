// The one error of this package: what the API server refused, or why it could not be asked.
import type { Status, StatusDetails } from "./types/meta.ts";

/**
 * `status` is the HTTP status, 0 when there was no answer. `code` equals `reason`, Kubernetes' word for the
 * fault ("NotFound", "AlreadyExists", "Conflict", "Expired", "Invalid", ...); ours are "ConnectionFailed" (no
 * answer), "BadAnswer" (not what the protocol says), "BadKubeconfig" and "NotLeading" (not sent: another process leads).
 */
export class KubeError extends Error {
  readonly status: number;
  readonly code: string;
  readonly reason: string;
  readonly details: StatusDetails | undefined;

  constructor(
    reason: string,
    message: string,
    more: {
      readonly status?: number;
      readonly details?: StatusDetails;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "KubeError";
    this.status = more.status ?? 0;
    this.code = reason;
    this.reason = reason;
    this.details = more.details;
  }

  /** From an answer's status and body; a body that is no Status still gives a telling error. */
  static fromAnswer(httpStatus: number, body: string, request: string): KubeError {
    const status = parseStatus(body);
    const reason = status?.reason || reasonOf(httpStatus);
    const message = status?.message || `${httpStatus} ${body.slice(0, 200).trim()}`;
    return new KubeError(reason, `${request}: ${message}`, {
      status: status?.code ?? httpStatus,
      ...(status?.details ? { details: status.details } : {}),
    });
  }

  static isNotFound(error: unknown): boolean {
    return error instanceof KubeError && error.status === 404;
  }

  static isAlreadyExists(error: unknown): boolean {
    return error instanceof KubeError && error.reason === "AlreadyExists";
  }

  /** The object changed since it was read (optimistic concurrency). */
  static isConflict(error: unknown): boolean {
    return error instanceof KubeError && error.reason === "Conflict";
  }

  /** The resource version asked for is too old (410): list again. */
  static isExpired(error: unknown): boolean {
    return error instanceof KubeError && error.status === 410;
  }
}

function parseStatus(body: string): Status | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return isStatus(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export function isStatus(value: unknown): value is Status {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "Status";
}

const reasons: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  409: "Conflict",
  410: "Expired",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

function reasonOf(httpStatus: number): string {
  return reasons[httpStatus] ?? "BadAnswer";
}
