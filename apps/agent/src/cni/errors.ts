// What went wrong inside, as the CNI error a runtime and its operator read.
import { CniError, cniCode, EndpointError } from "@tsilium/endpoint";
import { KubeError } from "@tsilium/kube";

/** Codes of errors of other packages, by the code that their one error class carries. */
const byCode: Readonly<Record<string, readonly [CniError["code"], string]>> = {
  pool_exhausted: [cniCode.poolExhausted, "no free address in the node's pod CIDR"],
  address_in_use: [cniCode.ipamPluginFailed, "the address is another pod's already"],
  attachment_exists: [cniCode.alreadyAttached, "the container is attached already"],
  interface_exists: [
    cniCode.alreadyAttached,
    "the container has an interface of that name already",
  ],
  netns_gone: [cniCode.unknownContainer, "the container's network namespace is gone"],
  netns_invalid: [cniCode.invalidNetns, "CNI_NETNS is no container's network namespace"],
  interface_missing: [cniCode.checkFailed, "the container's interface is missing"],
  interface_mismatch: [cniCode.checkFailed, "the container's interface is not as ADD left it"],
  unknown_endpoint: [cniCode.checkFailed, "the container is not attached"],
};

/** Any error as a CNI error; one that is a CNI error already stays as it is. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const { code, message, name } = error as { code?: unknown; message?: string; name?: string };
  const details = message ?? String(error);
  const known = typeof code === "string" ? byCode[code] : undefined;
  if (known) return new CniError(known[0], known[1], { details, cause: error });
  if (error instanceof KubeError) {
    return new CniError(cniCode.tryAgainLater, "the API server refused or did not answer", {
      details,
      cause: error,
    });
  }
  if (name === "TimeoutError" || name === "AbortError") {
    return new CniError(cniCode.tryAgainLater, "it took too long", { details, cause: error });
  }
  if (
    error instanceof EndpointError ||
    name === "NetlinkError" ||
    name === "BpfError" ||
    name === "SyscallError" ||
    name === "DatapathError"
  ) {
    return new CniError(cniCode.kernelRefused, "the kernel refused", { details, cause: error });
  }
  return new CniError(cniCode.internal, "the agent failed", { details, cause: error });
}
