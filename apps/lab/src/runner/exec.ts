// Programs inside a running container, without a terminal: for probes and hooks.
import { isAlive, type ProcessIdentity } from "../processes/identity.ts";
import { launch } from "./launch.ts";
import { runnerPath } from "./runner.ts";

export type ExecSpec = {
  readonly init: ProcessIdentity;
  readonly cgroup: string;
  readonly command: readonly string[];
  readonly signal: AbortSignal;
};

const [stdout, stderr, life] = [1, 2, 3] as const;

/** Runs to its end. @throws Error when the container is gone or the signal aborts (then the program is killed). */
export async function runInside(
  spec: ExecSpec,
): Promise<{ readonly status: number; readonly output: string }> {
  spec.signal.throwIfAborted();
  if (!isAlive(spec.init)) throw new Error("the container is not running");
  const path = runnerPath();
  const child = launch({
    path,
    argv: [
      path,
      "exec",
      "--die-with-parent",
      "--life-fd",
      String(life),
      "--target",
      String(spec.init.pid),
      "--cgroup",
      spec.cgroup,
      "--",
      ...spec.command,
    ],
    environment: {},
    extra: [life],
  });
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => {
    child.signal("SIGKILL");
    reject(spec.signal.reason as Error);
  };
  spec.signal.addEventListener("abort", abort, { once: true });
  try {
    const status = await Promise.race([child.exited, aborted]);
    return { status, output: (await child.read(stdout)) + (await child.read(stderr)) };
  } finally {
    spec.signal.removeEventListener("abort", abort);
  }
}
