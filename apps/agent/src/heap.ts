// Keeps the agent's threads small. Starting creates a lot at once: lists of the whole cluster are read, and the heap grows
// to several times of what stays. Once a thread has all it needs to know, `settleHeap` gives back what is over.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: {
  readonly type: "major";
  readonly execution: "sync";
  readonly flavor: "last-resort";
}) => void;

/**
 * Settles the calling thread's heap after a while, unless the process ends before. The thread does nothing else for as long
 * as that takes: some ms per MB that stays, once.
 */
export function settleHeapIn(ms: number): void {
  setTimeout(settleHeap, ms).unref();
}

function settleHeap(): void {
  // From now on little is created that is short-lived: the young generation need not grow again (from 1 MB a half to 16),
  // which is 25 MB less after a few hundred pods came and went. For all threads; read whenever it would grow.
  setFlagsFromString("--semi-space-growth-factor=1");
  collectGarbage();
}

/** Until nothing more is found, with pages that are hardly used emptied and given back: an ordinary collection keeps them. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as Collect;
  setFlagsFromString("--no-expose-gc");
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
