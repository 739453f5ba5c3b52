// A peer's stream in a merge: what waits of it, and what is known of it.
import type { HeapMember } from "./heap.ts";

export type Message = { readonly timeNs: bigint; readonly bytes: Uint8Array };

export type Waiting = Message & {
  /** Time since the merge's epoch; ns. */
  readonly ns: number;
  readonly arrivedMs: number;
};

/** A peer's stream in a merge. */
export type MergeSource = HeapMember & {
  readonly queue: Waiting[];
  /** Of `queue`, the first that waits: taking the first one out of an array moves all the others. */
  first: number;
  ended: boolean;
  /** Nothing old is to be expected from it, or it has been waited for long enough. */
  caughtUp: boolean;
  /** Since when nothing of it waits. */
  silentSinceMs: number;
  /** How long it is silent between messages, on average of the last few times. */
  silenceMs: number;
  /** Times that others were held up for it, together. */
  heldUpMs: number;
  /** How far its times lead our clock, the most seen. It grows for as long as a peer sends its past. */
  leadMs: number;
  leadGrewMs: number;
  /** What is taken off its times, its clock being ahead; ns. */
  aheadNs: number;
  /** By how much others' messages were later when its own came, the least in a while; ns. */
  behindNs: number;
};

/** Who is silent for less than this, on average, is busy. */
const busyMs = 100;

export function newSource(nowMs: number, caughtUp: boolean): MergeSource {
  return {
    key: 0,
    place: -1,
    queue: [],
    first: 0,
    ended: false,
    caughtUp,
    silentSinceMs: nowMs,
    silenceMs: Number.POSITIVE_INFINITY,
    heldUpMs: 0,
    leadMs: Number.NEGATIVE_INFINITY,
    leadGrewMs: nowMs,
    aheadNs: 0,
    behindNs: Number.POSITIVE_INFINITY,
  };
}

export const isBusy = ({ silenceMs }: MergeSource) => silenceMs < busyMs;

/** What a peer has seen at one time may be out of order by a moment. Behind what is of the same time. */
export function insert({ queue, first }: MergeSource, message: Waiting): void {
  let at = queue.length;
  while (at > first && (queue[at - 1] as Waiting).ns > message.ns) at--;
  if (at === queue.length) queue.push(message);
  else queue.splice(at, 0, message);
}
