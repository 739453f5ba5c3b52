// The process that is a health endpoint (apps/agent/native/tsilium-health-responder.c): its network namespace is there as
// long as it runs. It outlives the agent, and is found again by its PID file.
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  adopt,
  findStarted,
  isRunning,
  lastWords,
  launch,
  type LaunchOptions,
  removePidFile,
  type RunningProcess,
  stop,
} from "@tsilium/proxy/launch/index.ts";
import { projectRoot } from "@tsilium/syscall";

const startPatienceMs = 5_000;
const pollMs = 5;

export class Responder {
  readonly #process: LaunchOptions & { readonly pidFile: string };

  constructor({ runDir, port }: { readonly runDir: string; readonly port: number }) {
    const folder = join(runDir, "health");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#process = {
      command: join(projectRoot(), "dist/bin/tsilium-health-responder"),
      args: [String(port)],
      logFile: join(folder, "responder.log"),
      pidFile: join(folder, "responder.pid"),
    };
  }

  /** One that an agent before this one started just so. */
  found(): RunningProcess | undefined {
    return adopt(this.#process);
  }

  /**
   * Starts one in place of whichever runs; resolves when its namespace is there.
   * @throws LaunchError, Error when it ends at once; the signal's reason
   */
  async start(signal: AbortSignal): Promise<RunningProcess> {
    await this.stop();
    const running = await launch(this.#process);
    const late = AbortSignal.any([signal, AbortSignal.timeout(startPatienceMs)]);
    while (isInOurNamespace(running)) {
      if (!isRunning(running))
        throw new Error(`the responder ended at once: ${lastWords(this.#process.logFile, 2)}`);
      await sleep(pollMs, undefined, { signal: late });
    }
    return running;
  }

  /** Ends it, and with it its namespace and what is in there. One that does not run is fine. @throws LaunchError "stuck" */
  async stop(): Promise<void> {
    const { pidFile } = this.#process;
    const running = findStarted(pidFile);
    if (running) await stop(running);
    removePidFile(pidFile);
  }
}

/** The namespace's path: that of the process, whose number nobody else has while it runs. */
export function netnsOfProcess({ pid }: RunningProcess): string {
  return `/proc/${pid}/ns/net`;
}

function isInOurNamespace(running: RunningProcess): boolean {
  try {
    return statSync(netnsOfProcess(running)).ino === statSync("/proc/self/ns/net").ino;
  } catch {
    return true;
  }
}
