// What a kubelet's probe does once: a command in the container by CRI, a connection or a request from the node.
import type { Container, Probe } from "@tsilium/kube";
import { dial } from "../../../apps/lab/src/kubelet/dial.ts";
import type { ProbeOutcome } from "../../../apps/lab/src/kubelet/probe-action.ts";
import type { Cri } from "./containerd.ts";

// As in the lab's kubelet: an import of node:http would load undici too.
const { request } = process.getBuiltinModule("node:http");

export type ProbeTarget = {
  readonly container: Container;
  readonly containerId: string;
  readonly cri: Cri;
  /** The node's namespace. */
  readonly netns: string;
  readonly podIp: string;
};

/** Never rejects. @returns undefined when it succeeded, else why not */
export async function probeOnce(
  probe: Probe,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const seconds = probe.timeoutSeconds ?? 1;
  const until = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
  try {
    if (probe.exec) return await execute(probe.exec.command ?? [], { target, seconds, until });
    if (probe.httpGet) return await get(probe.httpGet, target, until);
    if (probe.tcpSocket) return await open(portOf(probe.tcpSocket.port, target), target, until);
    return "the probe has no exec, httpGet or tcpSocket";
  } catch (error) {
    return (error as Error).message;
  }
}

type Execution = {
  readonly target: ProbeTarget;
  readonly seconds: number;
  readonly until: AbortSignal;
};

async function execute(
  cmd: readonly string[],
  { target, seconds, until }: Execution,
): Promise<ProbeOutcome> {
  const { cri, containerId } = target;
  const request = { containerId, cmd: [...cmd], timeout: BigInt(seconds) };
  const { exitCode } = await cri.execSync(request, { signal: until });
  return exitCode === 0 ? undefined : `exit status ${exitCode}`;
}

async function open(port: number, target: ProbeTarget, until: AbortSignal): Promise<ProbeOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<ProbeOutcome>();
  const socket = dial({ netns: target.netns, host: target.podIp, port });
  until.addEventListener("abort", () => reject(new Error("no connection in time")), { once: true });
  socket.once("connect", () => resolve(undefined));
  socket.once("error", reject);
  return promise.finally(() => socket.destroy());
}

async function get(
  { path = "/", port }: NonNullable<Probe["httpGet"]>,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const to = { host: target.podIp, port: portOf(port, target) };
  const { promise, resolve, reject } = Promise.withResolvers<ProbeOutcome>();
  const asked = request({
    createConnection: () => dial({ netns: target.netns, ...to }),
    ...to,
    path,
    signal,
    headers: { "User-Agent": "kube-probe/1.0", Connection: "close" },
  });
  asked.once("error", reject);
  asked.once("response", ({ statusCode = 0 }) =>
    resolve(statusCode >= 200 && statusCode < 400 ? undefined : `status ${statusCode}`),
  );
  asked.end();
  return promise.finally(() => asked.destroy());
}

function portOf(port: number | string, { container }: ProbeTarget): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find(({ name }) => name === port);
  if (named) return named.containerPort;
  throw new Error(`container ${container.name} has no port named "${port}"`);
}
