// Most processes of a lab are told by the kernel when its daemon ends. Those that must outlive an agent, its proxies, are
// not: a guard outside of the lab's cgroup kills all of it when the daemon is gone, however that went.
import { spawn } from "node:child_process";
import { runnerPath } from "../runner/runner.ts";

/** Guards until disposed of. @throws LabError "not_built" */
export function startGuard(cgroup: string): Disposable {
  const guard = spawn(runnerPath(), ["guard", "--cgroup", cgroup], {
    cwd: "/",
    env: {},
    // Its stdin ends with this process: nobody else has the other end.
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  guard.stdin.on("error", () => undefined);
  return { [Symbol.dispose]: () => void guard.kill("SIGKILL") };
}
