// The one error of this boundary.

/**
 * node_missing: there is no Kubernetes Node of this node's name, so there may be no CiliumNode of it either.
 * node_address_missing: the Kubernetes Node has no InternalIP of a family that is enabled. pod_cidr_missing: the
 * operator has given this node no pod CIDR in time.
 */
export type NodeErrorCode = "node_missing" | "node_address_missing" | "pod_cidr_missing";

export class NodeError extends Error {
  override readonly name = "NodeError";
  readonly code: NodeErrorCode;

  constructor(code: NodeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
