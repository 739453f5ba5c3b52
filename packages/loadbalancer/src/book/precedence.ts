// Who gets a frontend that several ask for.
import type { DecidedFrontend, DecidedService, FrontendType } from "../model.ts";

/** A service's wish for a frontend. */
export type Candidate = { readonly service: DecidedService; readonly frontend: DecidedFrontend };

/**
 * Before age counts what the cluster itself gives out, then what takes a privilege: an external IP is any text that whoever may
 * create a Service writes, and a service that is older than its victim can be given one later.
 */
const ranks: Readonly<Record<FrontendType, number>> = {
  ClusterIP: 0,
  NodePort: 1,
  HostPort: 2,
  LoadBalancer: 3,
  ExternalIPs: 4,
  LocalRedirect: 5,
};

/** Negative: `a` goes first. Total, and the same on every node. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  return (
    ranks[a.frontend.type] - ranks[b.frontend.type] ||
    Number(a.service.yields) - Number(b.service.yields) ||
    a.service.createdMs - b.service.createdMs ||
    (a.service.key < b.service.key ? -1 : a.service.key > b.service.key ? 1 : 0)
  );
}
