// How services are, in one sentence, and whether that is good enough for those who balance over nodes.
import type { PartHealth } from "@tsilium/runtime";
import type { WriterStatus } from "./writer.ts";

/** What is on its way to the kernel for longer is stuck. */
const patienceMs = 60_000;

export type ServicesState = {
  readonly writer: WriterStatus;
  /** Health check node ports that do not listen, a sentence each. */
  readonly portProblems: readonly string[];
  readonly services: number;
  readonly frontends: number;
  readonly backends: number;
  /** Objects that are not, or not wholly, done as they say. */
  readonly warnings: number;
};

/** Whether the kernel serves what there is to serve, or has not waited for it for long. */
export function isProxyHealthy({
  started,
  serving,
  failing,
  lastUpdatedMs,
}: WriterStatus): boolean {
  // What an earlier agent left serves until more is known.
  if (!started) return serving;
  return failing === undefined && Date.now() - lastUpdatedMs < patienceMs;
}

export function servicesHealth(state: ServicesState): Omit<PartHealth, "name"> {
  const { writer, portProblems } = state;
  if (writer.failing !== undefined)
    return { state: "degraded", message: `what is in force stays: ${writer.failing}` };
  if (!writer.started) {
    const meanwhile = writer.serving ? "; what was in force stays" : "";
    return { state: "degraded", message: `waiting for all services and endpoints${meanwhile}` };
  }
  const [refused] = writer.refused;
  if (refused) {
    const others = writer.refused.length > 1 ? ` and ${writer.refused.length - 1} more` : "";
    return { state: "degraded", message: `not served: ${refused.key}${others}: ${refused.error}` };
  }
  const [problem] = portProblems;
  if (problem !== undefined) {
    const others = portProblems.length > 1 ? ` and ${portProblems.length - 1} more` : "";
    return { state: "degraded", message: `${problem}${others}` };
  }
  return { state: "ok", message: summary(state) };
}

function summary({ services, frontends, backends, warnings, writer }: ServicesState): string {
  const pending = writer.stale > 0 ? `, ${writer.stale} pending` : "";
  const warned = warnings > 0 ? `, ${warnings} with warnings` : "";
  return `${services} services, ${frontends} frontends, ${backends} backends${pending}${warned}`;
}
