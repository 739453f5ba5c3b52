// `kubectl port-forward`: a connection to a port on a pod's own loopback, as from a process in the pod.
import { once } from "node:events";
import type { Socket } from "node:net";
import { dial } from "../dial.ts";
import { type PodHandle, StreamRefusal } from "./pod-handle.ts";

const patienceMs = 5000;

/** Over IPv4, else IPv6. @throws StreamRefusal when nobody listens there, or the pod has no network */
export async function connectToPod(
  { netns, name }: PodHandle,
  port: number,
  signal: AbortSignal,
): Promise<Socket> {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new StreamRefusal(400, `${port} is no port`);
  if (netns === undefined) throw new StreamRefusal(404, `pod ${name} has no network yet`);
  let why = "";
  for (const host of ["127.0.0.1", "::1"]) {
    const socket = dial({ netns, host, port });
    const both = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
    try {
      await once(socket, "connect", { signal: both });
      socket.on("error", () => socket.destroy());
      return socket;
    } catch (error) {
      socket.on("error", () => {}).destroy();
      why ||= (error as Error).message;
    }
  }
  throw new StreamRefusal(502, `failed to connect to localhost:${port} inside pod ${name}: ${why}`);
}
