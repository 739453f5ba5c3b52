// `tsilium lab down`: asks the daemon to end, then removes whatever is left; says so when there was nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { LabError } from "../error.ts";
import { labLayout, type LabLayout } from "../layout.ts";
import { LabLock } from "../lock.ts";
import { isAlive, type ProcessIdentity, signalProcess } from "../processes/identity.ts";
import { readState } from "../state.ts";
import { sweepCrashedLabs, sweepLab } from "../sweep.ts";
import { needRoot } from "./root.ts";

/** The daemon's own clean-up takes well under a second; one that hangs is killed. */
const daemonPatienceMs = 20_000;
const lockPatienceMs = 10_000;

/** @throws LabError "timeout" when somebody else is at work on the lab and does not finish */
export async function down(name: string): Promise<void> {
  needRoot();
  const lab = labLayout(name);
  const daemon = readState(lab)?.daemon;
  const wasRunning = daemon !== undefined && signalProcess(daemon, "SIGTERM");
  if (daemon && wasRunning) await untilGone(daemon);
  using _lock = await takeLock(lab);
  const leftovers = await sweepLab(lab);
  for (const crashed of await sweepCrashedLabs(name))
    console.log(`cleaned up after lab "${crashed}", which had crashed`);
  if (wasRunning) console.log(`lab "${name}" is down`);
  else if (leftovers) console.log(`cleaned up after lab "${name}", which had crashed`);
  else console.log(`there is no lab "${name}"`);
}

async function untilGone(daemon: ProcessIdentity): Promise<void> {
  const deadline = performance.now() + daemonPatienceMs;
  while (isAlive(daemon)) {
    if (performance.now() > deadline) signalProcess(daemon, "SIGKILL");
    await sleep(10);
  }
}

async function takeLock(lab: LabLayout): Promise<LabLock> {
  const deadline = performance.now() + lockPatienceMs;
  for (;;) {
    const lock = LabLock.tryTake(lab);
    if (lock) return lock;
    if (performance.now() > deadline) {
      throw new LabError(
        "timeout",
        `lab "${lab.name}" is being started or taken down by somebody else`,
        "Wait until that is over, then try again.",
      );
    }
    await sleep(20);
  }
}
