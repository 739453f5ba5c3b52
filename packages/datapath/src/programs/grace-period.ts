// Attaching and detaching a tcx link waits for an RCU grace period under the RTNL lock (tcx_entry_sync, kernel/bpf/tcx.c):
// 8-16 ms here, in which no other interface of the machine can be changed either. The kernel's own network code waits
// for expedited ones in that place (synchronize_net); asked to, RCU does so here as well, in 0.1 ms.
import { readFileSync, writeFileSync } from "node:fs";

const switchPath = "/sys/kernel/rcu_expedited";

/**
 * Runs `action`, which must be synchronous, with expedited grace periods. The switch is the whole machine's, so it is
 * on for this moment only; where it is on already (by the administrator, or another agent just now) or cannot be
 * written (/sys read-only), nothing is touched and the action merely takes longer.
 */
export function withExpeditedGracePeriods<T>(action: () => T): T {
  const switched = switchOn();
  try {
    return action();
  } finally {
    if (switched) writeFileSync(switchPath, "0");
  }
}

function switchOn(): boolean {
  try {
    if (readFileSync(switchPath, "utf8").trim() !== "0") return false;
    writeFileSync(switchPath, "1");
    return true;
  } catch {
    return false;
  }
}
