// The thread that looks at map entries until each has changed; for map-watch.ts.
import { parentPort } from "node:worker_threads";
import { BpfMap } from "@tsilium/ebpf";

/** One entry of a pinned map. */
export type Entry = { readonly path: string; readonly key: Uint8Array };
export type ToPoll = { readonly entries: readonly Entry[]; readonly timeoutMs: number };
/** "watching": from now on a change is seen. Times are process.hrtime's; undefined: it did not change in time. */
export type FromPoll =
  | { readonly kind: "watching" }
  | { readonly kind: "seen"; readonly atNs: readonly (bigint | undefined)[] };

/** How precise a time is: the CPUs are the agents', too. */
const pauseMs = 0.2;

const maps = new Map<string, BpfMap>();
const never = new Int32Array(new SharedArrayBuffer(4));

parentPort?.on("message", ({ entries, timeoutMs }: ToPoll) => {
  const before = entries.map(read);
  tell({ kind: "watching" });
  const deadline = performance.now() + timeoutMs;
  const atNs: (bigint | undefined)[] = entries.map(() => undefined);
  while (atNs.includes(undefined) && performance.now() < deadline) {
    Atomics.wait(never, 0, 0, pauseMs);
    for (const [index, entry] of entries.entries())
      if (atNs[index] === undefined && read(entry) !== before[index])
        atNs[index] = process.hrtime.bigint();
  }
  tell({ kind: "seen", atNs });
});

function read({ path, key }: Entry): string | undefined {
  const map = maps.get(path) ?? BpfMap.fromPinned(path);
  maps.set(path, map);
  const value = map.lookup(key);
  return value && Buffer.from(value).toString("hex");
}

function tell(message: FromPoll): void {
  parentPort?.postMessage(message);
}
