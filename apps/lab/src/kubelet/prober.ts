// A container's probes while it runs. Startup comes first; liveness and readiness begin when it has succeeded.
import { setTimeout as sleep } from "node:timers/promises";
import type { Container, Probe } from "@tsilium/kube";
import type { ProbeOutcome } from "./probe-action.ts";

export type ProbeKind = "startup" | "liveness" | "readiness";

export type ProberOptions = {
  readonly container: Container;
  readonly check: (probe: Probe, signal: AbortSignal) => Promise<ProbeOutcome>;
  /** The container has started: there was no startup probe, or it succeeded. */
  readonly started: () => void;
  readonly ready: (ready: boolean) => void;
  /** A probe failed; `final` when that is one too many and the container has to go. */
  readonly failed: (kind: ProbeKind, why: string, final: boolean) => void;
};

/**
 * A program needs a moment to listen after it was started. Readiness is asked for often at first, and these
 * early failures do not count, so that a pod is ready when it is ready and not a period later.
 */
const eagerDelaysMs = [10, 20, 40, 80, 160, 320, 640];

/** Runs until the signal aborts or a liveness or startup probe has failed for good. Never rejects. */
export async function runProbes(options: ProberOptions, signal: AbortSignal): Promise<void> {
  const { livenessProbe, readinessProbe, startupProbe } = options.container;
  if (startupProbe && !(await untilStarted(startupProbe, options, signal))) return;
  if (signal.aborted) return;
  options.started();
  if (!readinessProbe) options.ready(true);
  await Promise.all([
    readinessProbe && keepReady(readinessProbe, options, signal),
    livenessProbe && keepAlive(livenessProbe, options, signal),
  ]);
}

async function untilStarted(
  probe: Probe,
  options: ProberOptions,
  signal: AbortSignal,
): Promise<boolean> {
  let failures = 0;
  for await (const outcome of outcomes(probe, options, signal)) {
    if (outcome === undefined) return true;
    const final = ++failures >= (probe.failureThreshold ?? 3);
    options.failed("startup", outcome, final);
    if (final) return false;
  }
  return false;
}

async function keepAlive(probe: Probe, options: ProberOptions, signal: AbortSignal): Promise<void> {
  let failures = 0;
  for await (const outcome of outcomes(probe, options, signal)) {
    failures = outcome === undefined ? 0 : failures + 1;
    if (outcome === undefined) continue;
    const final = failures >= (probe.failureThreshold ?? 3);
    options.failed("liveness", outcome, final);
    if (final) return;
  }
}

async function keepReady(probe: Probe, options: ProberOptions, signal: AbortSignal): Promise<void> {
  let ready = await eagerly(probe, options, signal);
  if (ready) options.ready(true);
  let streak = 0;
  for await (const outcome of outcomes(probe, options, signal)) {
    const succeeded = outcome === undefined;
    if (!succeeded) options.failed("readiness", outcome, false);
    streak = succeeded === ready ? 0 : streak + 1;
    const threshold = succeeded ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
    if (succeeded === ready || streak < threshold) continue;
    ready = succeeded;
    streak = 0;
    options.ready(ready);
  }
}

async function eagerly(
  probe: Probe,
  options: ProberOptions,
  signal: AbortSignal,
): Promise<boolean> {
  if ((probe.initialDelaySeconds ?? 0) > 0 || (probe.successThreshold ?? 1) > 1) return false;
  for (const delayMs of eagerDelaysMs) {
    if ((await options.check(probe, signal)) === undefined) return true;
    if (!(await pause(delayMs, signal))) return false;
  }
  return false;
}

/** The probe's outcomes, one per period, from its initial delay on. */
async function* outcomes(
  probe: Probe,
  options: ProberOptions,
  signal: AbortSignal,
): AsyncGenerator<ProbeOutcome> {
  const periodMs = (probe.periodSeconds ?? 10) * 1000;
  if (!(await pause((probe.initialDelaySeconds ?? 0) * 1000, signal))) return;
  for (;;) {
    const outcome = await options.check(probe, signal);
    if (signal.aborted) return;
    yield outcome;
    if (!(await pause(periodMs, signal))) return;
  }
}

/** False when the signal ended it. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}
