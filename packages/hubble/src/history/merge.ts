// Several scans as one, in order of sequence. Whoever is behind goes on, so that no scan reads further than it must.
import type { Flow } from "../model.ts";
import type { Found, Order } from "./scan.ts";

type Side = {
  readonly scan: AsyncGenerator<Found>;
  /** Told by it, not passed on yet. */
  flows: Flow[];
  /** Its own, times `direction`: grows as the scan goes on. */
  reached: number;
};

/** Leaving the loop ends the scans. */
export async function* merge(
  scans: readonly AsyncGenerator<Found>[],
  order: Order,
): AsyncGenerator<readonly Flow[]> {
  const direction = order === "newest" ? -1 : 1;
  const sides = scans.map((scan): Side => ({ scan, flows: [], reached: -Infinity }));
  try {
    for (;;) {
      const reached = Math.min(...sides.map((side) => side.reached));
      const ready = sides.flatMap((side) => takeUpTo(side, reached, direction));
      if (ready.length > 0) yield ready.sort((a, b) => (a.sequence - b.sequence) * direction);
      if (reached === Infinity) return;
      const behind = sides.find((side) => side.reached === reached) as Side;
      await advance(behind, direction);
    }
  } finally {
    for (const { scan } of sides) await scan.return(undefined);
  }
}

async function advance(side: Side, direction: number): Promise<void> {
  const { value, done } = await side.scan.next();
  if (done) {
    side.reached = Infinity;
    return;
  }
  side.flows.push(...value.flows);
  side.reached = value.frontier * direction;
}

function takeUpTo(side: Side, reached: number, direction: number): Flow[] {
  let count = 0;
  while (count < side.flows.length && (side.flows[count] as Flow).sequence * direction <= reached)
    count++;
  return side.flows.splice(0, count);
}
