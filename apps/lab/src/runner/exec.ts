// Programs inside a running container, without a terminal: for probes and hooks.
import { spawn } from "node:child_process";
import { isAlive, type ProcessIdentity } from "../processes/identity.ts";
import { runnerPath } from "./runner.ts";

export type ExecSpec = {
  readonly init: ProcessIdentity;
  readonly cgroup: string;
  readonly command: readonly string[];
  readonly signal: AbortSignal;
};

const longestOutput = 10_000;

/** Runs to its end. @throws Error when the container is gone or the signal aborts (then the program is killed). */
export function runInside(
  spec: ExecSpec,
): Promise<{ readonly status: number; readonly output: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; output: string }>();
  if (!isAlive(spec.init)) return Promise.reject(new Error("the container is not running"));
  const child = spawn(
    runnerPath(),
    [
      ...["exec", "--die-with-parent", "--target", String(spec.init.pid), "--cgroup", spec.cgroup],
      "--",
      ...spec.command,
    ],
    { env: {}, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      if (output.length < longestOutput) output += text;
    });
  }
  const abort = () => {
    child.kill("SIGKILL");
    reject(spec.signal.reason as Error);
  };
  spec.signal.addEventListener("abort", abort, { once: true });
  child.once("error", reject);
  child.once("close", (code) => resolve({ status: code ?? 137, output }));
  return promise.finally(() => spec.signal.removeEventListener("abort", abort));
}
