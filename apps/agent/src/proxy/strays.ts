// Processes of proxies that an agent before this one started and that this one has no place for: another engine was
// configured then, or rules at L7 are not enforced any more.
import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { findStarted, removePidFile, stop, trimLog } from "@tsilium/proxy/launch/index.ts";
import type { Logger } from "@tsilium/runtime";

/**
 * Ends them: what they would let through is dropped from then on.
 * @param kept PID files of those that have a place
 */
export async function endStrays(
  folder: string,
  kept: ReadonlySet<string>,
  log: Logger,
): Promise<void> {
  for (const file of existsSync(folder) ? globSync(join(folder, "*.pid")) : []) {
    if (kept.has(file)) continue;
    const found = findStarted(file);
    try {
      if (found) await stop(found);
      removePidFile(file);
      if (found) log.info({ pid: found.pid, file }, "a proxy that nobody needs any more was ended");
    } catch (error) {
      log.error({ error, file }, "a proxy that nobody needs cannot be ended");
    }
  }
}

const trimIntervalMs = 60_000;

/** Keeps logs of proxies from growing, until disposed of. */
export function trimLogs(folder: string): Disposable {
  const timer = setInterval(() => {
    for (const file of globSync(join(folder, "*.log"))) trimLog(file);
  }, trimIntervalMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
