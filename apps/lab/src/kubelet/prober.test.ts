import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Probe } from "@tsilium/kube";
import { runProbes } from "./prober.ts";

/** Runs probes against scripted outcomes; the log says what the prober made of them. */
async function probe(
  container: Omit<Container, "name">,
  outcomes: Record<string, (string | undefined)[]>,
): Promise<string[]> {
  const log: string[] = [];
  const stop = new AbortController();
  const kindOf = (asked: Probe) =>
    asked === container.livenessProbe
      ? "liveness"
      : asked === container.readinessProbe
        ? "readiness"
        : "startup";
  await runProbes(
    {
      container: { name: "c", ...container },
      check: async (asked) => {
        const script = outcomes[kindOf(asked)] ?? [];
        if (script.length === 0) {
          stop.abort();
          return undefined;
        }
        return script.shift();
      },
      started: () => log.push("started"),
      ready: (ready) => log.push(ready ? "ready" : "unready"),
      failed: (kind, why, final) => log.push(`${kind} ${why}${final ? " final" : ""}`),
    },
    stop.signal,
  );
  return log;
}

const often = { periodSeconds: 0.001, tcpSocket: { port: 1 } };

test("without probes a container is ready when it has started", async () => {
  assert.deepEqual(await probe({}, {}), ["started", "ready"]);
});

test("readiness comes as soon as the program answers, and early failures do not count", async () => {
  const outcomes = { readiness: ["refused", "refused", undefined, undefined] };
  assert.deepEqual(await probe({ readinessProbe: often }, outcomes), ["started", "ready"]);
});

test("readiness is lost after as many failures in a row as the threshold says", async () => {
  const outcomes = { readiness: [undefined, "a", undefined, "b", "c", undefined] };
  assert.deepEqual(await probe({ readinessProbe: { ...often, failureThreshold: 2 } }, outcomes), [
    "started",
    "ready",
    "readiness a",
    "readiness b",
    "readiness c",
    "unready",
    "ready",
  ]);
});

test("liveness gives up after its threshold", async () => {
  const outcomes = { liveness: [undefined, "a", "b"] };
  assert.deepEqual(await probe({ livenessProbe: { ...often, failureThreshold: 2 } }, outcomes), [
    "started",
    "ready",
    "liveness a",
    "liveness b final",
  ]);
});

test("nothing else is asked until the startup probe has succeeded", async () => {
  const outcomes = { startup: ["a", undefined], liveness: ["b"] };
  const container = {
    startupProbe: { ...often },
    livenessProbe: { ...often, failureThreshold: 1 },
  };
  assert.deepEqual(await probe(container, outcomes), [
    "startup a",
    "started",
    "ready",
    "liveness b final",
  ]);
});
