// `kubectl exec`: a program in a container, its input, output, terminal size and exit status as channels.
import type { Duplex } from "node:stream";
import { type ChannelMessage, channels, framedPeer, writeTo } from "@tsilium/apiserver/streams.ts";
import { type Attached, pumpOutput, runAttached } from "../../runner/attached.ts";
import { type PodHandle, StreamRefusal } from "./pod-handle.ts";
import { cannotRun, exitStatus } from "./status.ts";

export type CommandRequest = {
  readonly container: string;
  /** command (repeated), stdin, stdout, stderr, tty. */
  readonly query: URLSearchParams;
};

/**
 * What runs the command once there is a socket for it.
 * @throws StreamRefusal when the container does not run
 */
export function runCommand(
  pod: PodHandle,
  { container, query }: CommandRequest,
): (socket: Duplex, signal: AbortSignal) => Promise<void> {
  const init = pod.init(container);
  const { cgroup } = pod;
  if (!init || !cgroup) throw new StreamRefusal(404, `container not found ("${container}")`);
  const command = query.getAll("command");
  const wants = (name: string) => query.get(name) === "true";
  return async (socket, signal) => {
    const running = runAttached({ init, cgroup, command, tty: wants("tty") });
    // Nobody is left to type or to read: in a lab that ends the program too.
    signal.addEventListener("abort", running.kill, { once: true });
    if (!wants("stdin")) running.stdin.end();
    const client = framedPeer(socket);
    const reading = client.run((message) => take(message, running));
    const pump = (name: "stdout" | "stderr") =>
      pumpOutput(running[name], running.exited, (bytes) =>
        wants(name) ? client.send({ channel: channels[name], bytes }) : Promise.resolve(),
      );
    await Promise.all([pump("stdout"), pump("stderr")]);
    const error = await running.startError;
    const bytes = error === undefined ? exitStatus(await running.exited) : cannotRun(error);
    running.stdin.destroy();
    await client.send({ channel: channels.error, bytes, end: true });
    client.close();
    await reading;
  };
}

/** What comes from the client. */
async function take(message: ChannelMessage, running: Attached): Promise<void> {
  const { channel, bytes, end } = message;
  if (channel === channels.stdin) {
    if (bytes.length > 0) await writeTo(running.stdin, bytes);
    if (end) running.stdin.end();
  }
  if (channel === channels.resize) {
    const size = sizeOf(bytes);
    if (size) running.resize(size.rows, size.columns);
  }
}

const longestSide = 65_535;

/** `{"Width":80,"Height":24}`; undefined for what is no size. */
export function sizeOf(
  bytes: Uint8Array,
): { readonly rows: number; readonly columns: number } | undefined {
  let size: unknown;
  try {
    size = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof size !== "object" || size === null) return undefined;
  const { Width: columns, Height: rows } = size as { Width?: unknown; Height?: unknown };
  const isSide = (side: unknown): side is number =>
    Number.isInteger(side) && (side as number) > 0 && (side as number) <= longestSide;
  return isSide(rows) && isSide(columns) ? { rows, columns } : undefined;
}
