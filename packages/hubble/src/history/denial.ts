// Which flows have a budget of their own.
import { type Flow, Verdict } from "../model.ts";

/** Dropped, failed, or let through in audit mode alone: what people look for after the fact. */
export function isDenial(flow: Flow): boolean {
  switch (flow.verdict) {
    case Verdict.dropped:
    case Verdict.error:
    case Verdict.audit:
      return true;
    default:
      return flow.ingressDeniedBy.length > 0 || flow.egressDeniedBy.length > 0;
  }
}
