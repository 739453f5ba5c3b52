// Times as the Kubernetes API writes them: RFC 3339, UTC, whole seconds.

export function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}

/** With microseconds, for leases. */
export function nowMicro(): string {
  return new Date().toISOString().replace("Z", "000Z");
}
