// What went wrong with clients, for the log: the same complaint now and then, with how often it was left out. Anybody who
// reaches the port can provoke one (a handshake without a certificate), and must not fill the disk with it.
import type { Logger } from "@tsilium/runtime";
import type { ServerIncident } from "../grpc/index.ts";

const intervalMs = 10_000;
/** Of different ones; their texts may be of a client's making. */
const mostKinds = 100;

/** For `serveGrpc`. @param now milliseconds, of a clock that does not jump */
export function complaints(
  log: Pick<Logger, "warn">,
  now: () => number = () => performance.now(),
): (incident: ServerIncident) => void {
  const kinds = new Map<string, { readonly toldMs: number; omitted: number }>();
  return ({ message, error }) => {
    const before = kinds.get(message);
    if (before && now() - before.toldMs < intervalMs) {
      before.omitted++;
      return;
    }
    if (kinds.size >= mostKinds) kinds.clear();
    kinds.set(message, { toldMs: now(), omitted: 0 });
    log.warn({ error, ...(before?.omitted ? { omitted: before.omitted } : {}) }, message);
  };
}
