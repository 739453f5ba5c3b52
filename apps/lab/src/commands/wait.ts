// `tsilium lab wait`: until everything applied before the call is there. `ready` asks the API server; `policy` asks
// controllers, then every agent whether its kernel has it.
import { setTimeout as sleep } from "node:timers/promises";
import { resources } from "@tsilium/kube";
import { nodeNumber } from "../context.ts";
import { LabError } from "../error.ts";
import { lagging } from "../objects/readiness.ts";
import { runningLab } from "../state.ts";
import { type LabClient, labClient } from "./client.ts";
import { untilRouted, untilServicesSettle } from "./wait-services.ts";

// Not by import: that evaluates every export of node:http and loads undici with it, 80 ms (Node 26).
const { request } = process.getBuiltinModule("node:http");

export type WaitOptions = {
  readonly namespace?: string;
  readonly allNamespaces?: true;
  readonly for: "ready" | "policy";
  /** Milliseconds. */
  readonly timeout: number;
};

/** A change may make agents write changes for each other: a label, its identity, the endpoint that carries it. */
const mostRounds = 10;

/** @throws LabError "timeout", naming what lags */
export async function wait(name: string, options: WaitOptions): Promise<void> {
  using lab = await labClient(name);
  if (options.for === "ready") await untilReady(lab, options);
  else await untilInKernels(name, lab, options);
}

async function untilReady(lab: LabClient, options: WaitOptions): Promise<void> {
  const deadline = performance.now() + options.timeout;
  const everywhere = options.allNamespaces === true;
  const where: { readonly namespace?: string } = everywhere
    ? {}
    : { namespace: options.namespace ?? "default" };
  const query = { ...where, signal: lab.signal };
  // A namespace that is not there has no pod that lags: a slip of the pen would pass for success.
  if (where.namespace)
    await lab.client.get(resources.namespaces, where.namespace, { signal: lab.signal });
  for (let delayMs = 20; ; delayMs = Math.min(delayMs * 1.5, 250)) {
    const deployments = (await lab.client.list(resources.deployments, query)).items;
    const daemonSets = (await lab.client.list(resources.daemonSets, query)).items;
    const pods = (await lab.client.list(resources.pods, query)).items;
    const late = lagging({ pods, deployments, daemonSets });
    if (late.length === 0) return;
    if (performance.now() > deadline) throw tooLate(options, late);
    await sleep(delayMs);
  }
}

function tooLate({ timeout }: WaitOptions, late: readonly string[]): LabError {
  return new LabError(
    "timeout",
    `not ready after ${timeout / 1000} s:\n${late.map((line) => `  ${line}`).join("\n")}`,
  );
}

async function untilInKernels(name: string, lab: LabClient, options: WaitOptions): Promise<void> {
  const { lab: layout, state } = runningLab(name);
  const sockets = state.nodes.map((node) => ({
    node,
    socket: layout.node(nodeNumber(node)).socket,
  }));
  const deadline = performance.now() + options.timeout;
  await orTooLate(options, untilServicesSettle(lab, deadline));
  let version = await currentVersion(lab);
  for (let round = 0; round < mostRounds; round++) {
    await orTooLate(options, barrier(sockets, version, deadline));
    const next = await currentVersion(lab);
    if (next === version) break;
    version = next;
  }
  await orTooLate(options, untilRouted(name, lab, deadline));
}

/** @throws LabError "timeout" with the lines, if there are any */
async function orTooLate(options: WaitOptions, late: Promise<readonly string[]>): Promise<void> {
  const lines = await late;
  if (lines.length > 0) throw tooLate(options, lines);
}

async function currentVersion(lab: LabClient): Promise<string> {
  const page = JSON.parse(
    await lab.client.raw("/api/v1/namespaces?limit=1", { signal: lab.signal }),
  ) as {
    metadata: { resourceVersion: string };
  };
  return page.metadata.resourceVersion;
}

/** For an agent to say what lags, once it has waited for as long as it was to. */
const answerMs = 2_000;

type AgentSocket = { readonly node: string; readonly socket: string };

async function barrier(
  sockets: readonly AgentSocket[],
  version: string,
  deadline: number,
): Promise<string[]> {
  const answers = await Promise.all(
    sockets.map(async ({ node, socket }) => {
      for (;;) {
        const why = await askBarrier(socket, version, Math.max(1, deadline - performance.now()));
        if (why === undefined) return [];
        if (performance.now() >= deadline) return [`${node}: ${why}`];
        await sleep(50);
      }
    }),
  );
  return answers.flat();
}

/** undefined: the agent has it all in its kernel; else what lags. */
function askBarrier(
  socketPath: string,
  version: string,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const patienceMs = Math.ceil(timeoutMs);
    const path = `/v1/barrier?resourceVersion=${encodeURIComponent(version)}&patienceMs=${patienceMs}`;
    // What lags is the agent's to say, and takes a moment to arrive.
    const signal = AbortSignal.timeout(patienceMs + answerMs);
    // A connection that stays open for the next question would be one that the agent holds for us.
    const asked = request({ socketPath, path, signal, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.on("end", () => resolve(answer.statusCode === 204 ? undefined : messageOf(text)));
      answer.on("error", (error) => resolve(error.message));
    });
    asked.on("error", (error) =>
      resolve(
        signal.aborted
          ? "the agent has not caught up"
          : `the agent does not answer: ${error.message}`,
      ),
    );
    asked.end();
  });
}

function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === "string" ? message : text.trim();
  } catch {
    return text.trim();
  }
}
