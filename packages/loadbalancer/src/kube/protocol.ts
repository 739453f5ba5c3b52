// Protocols of service ports by their names.
import type { ServiceProtocol } from "../model.ts";

const numbers: ReadonlyMap<unknown, ServiceProtocol> = new Map([
  ["TCP", 6],
  ["UDP", 17],
  ["SCTP", 132],
]);

/** Kubernetes' default is TCP. undefined: a protocol that services do not have. */
export function parseProtocol(value: unknown): ServiceProtocol | undefined {
  return value === undefined || value === null ? 6 : numbers.get(value);
}
