// AWS's error codes as ours.
import { CloudError, type CloudErrorCode } from "../errors.ts";

const codes: Readonly<Record<string, CloudErrorCode>> = {
  RequestLimitExceeded: "throttled",
  Throttling: "throttled",
  ThrottlingException: "throttled",
  ClientRequestLimitExceeded: "throttled",
  InsufficientFreeAddressesInSubnet: "no_addresses",
  InsufficientCidrBlocks: "no_prefixes",
  PrivateIpAddressLimitExceeded: "limit_exceeded",
  AttachmentLimitExceeded: "limit_exceeded",
  NetworkInterfaceLimitExceeded: "limit_exceeded",
  UnauthorizedOperation: "forbidden",
  AuthFailure: "forbidden",
  SignatureDoesNotMatch: "forbidden",
  InvalidClientTokenId: "forbidden",
  OptInRequired: "forbidden",
  CredentialsProviderError: "forbidden",
  InternalError: "unavailable",
  InternalFailure: "unavailable",
  Unavailable: "unavailable",
  ServiceUnavailable: "unavailable",
  TimeoutError: "unavailable",
};

/** A CloudError of whatever the client threw. The signal's own reason stays what it is. */
export function cloudError(call: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const { name: reason = "Error", message = String(error) } = (error ?? {}) as Partial<Error>;
  return new CloudError({
    code: codeOf(reason, message, error),
    call,
    reason,
    message,
    cause: error,
  });
}

function codeOf(reason: string, message: string, error: unknown): CloudErrorCode {
  const known = codes[reason];
  if (known) return known;
  if (reason.endsWith(".NotFound")) return "not_found";
  if (reason.endsWith(".InUse") || /currently in use/.test(message)) return "in_use";
  // AWS has one code for every bad parameter; an index that is taken is told by its text alone.
  if (
    reason === "InvalidParameterValue" &&
    /already.*device index|device index.*already/i.test(message)
  )
    return "index_in_use";
  const { $metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  // No status: there was no answer.
  return status === undefined || status >= 500 ? "unavailable" : "refused";
}
