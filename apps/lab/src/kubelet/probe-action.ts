// What a probe does once: run a command in the container, open a TCP connection, or ask by HTTP.
import { connect as tlsConnect } from "node:tls";
import type { Container, Probe } from "@tsilium/kube";
import { runInside } from "../runner/exec.ts";
import type { ProcessIdentity } from "../processes/identity.ts";
import { dial } from "./dial.ts";

// Not by import: that evaluates every export of node:http and loads undici with it, 15 MB (Node 26).
const { request: httpRequest } = process.getBuiltinModule("node:http");

export type ProbeTarget = {
  readonly container: Container;
  /** The node's namespace: probes come from the kubelet. */
  readonly netns: string;
  readonly podIp: string;
  readonly init: ProcessIdentity;
  readonly cgroup: string;
};

/** undefined: it succeeded; else why it did not. */
export type ProbeOutcome = string | undefined;

/** Runs a probe's action; never rejects. */
export async function probeOnce(
  probe: Probe,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const patience = AbortSignal.timeout((probe.timeoutSeconds ?? 1) * 1000);
  const both = AbortSignal.any([signal, patience]);
  try {
    if (probe.exec) return await runCommand(probe.exec.command ?? [], target, both);
    if (probe.httpGet) return await get(probe.httpGet, target, both);
    if (probe.tcpSocket) {
      const { host, port } = probe.tcpSocket;
      return await open({ host: host || target.podIp, port: portOf(port, target) }, target, both);
    }
    return "the probe has no exec, httpGet or tcpSocket";
  } catch (error) {
    return patience.aborted
      ? `no answer within ${probe.timeoutSeconds ?? 1} s`
      : (error as Error).message;
  }
}

async function runCommand(
  command: readonly string[],
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const { status, output } = await runInside({ ...target, command, signal });
  return status === 0 ? undefined : `exit status ${status}: ${output.trim().slice(0, 200)}`;
}

type Endpoint = { readonly host: string; readonly port: number };

function open(endpoint: Endpoint, target: ProbeTarget, signal: AbortSignal): Promise<ProbeOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<ProbeOutcome>();
  const socket = dial({ netns: target.netns, ...endpoint });
  const give = () => socket.destroy(signal.reason as Error);
  signal.addEventListener("abort", give, { once: true });
  socket.once("connect", () => resolve(undefined));
  socket.once("error", reject);
  return promise.finally(() => {
    signal.removeEventListener("abort", give);
    socket.destroy();
  });
}

function get(
  action: NonNullable<Probe["httpGet"]>,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const { path = "/", httpHeaders = [], scheme = "HTTP" } = action;
  const host = action.host || target.podIp;
  const port = portOf(action.port, target);
  const { promise, resolve, reject } = Promise.withResolvers<ProbeOutcome>();
  const request = httpRequest({
    createConnection: () => {
      const socket = dial({ netns: target.netns, host, port });
      // As the kubelet does: a probe asks whether something answers, not who.
      return scheme === "HTTPS" ? tlsConnect({ socket, rejectUnauthorized: false }) : socket;
    },
    host,
    port,
    path,
    signal,
    headers: {
      "User-Agent": "kube-probe/tsilium-lab",
      Connection: "close",
      ...Object.fromEntries(httpHeaders.map(({ name, value }) => [name, value])),
    },
  });
  request.once("response", (response) => {
    response.resume();
    const status = response.statusCode ?? 0;
    resolve(
      status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`,
    );
  });
  request.once("error", reject);
  request.end();
  return promise.finally(() => request.destroy());
}

/** A port by number, or by its name among the container's ports. */
function portOf(port: number | string, { container }: ProbeTarget): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find(({ name }) => name === port);
  if (named) return named.containerPort;
  if (/^\d+$/.test(port)) return Number(port);
  throw new Error(`container ${container.name} has no port named "${port}"`);
}
