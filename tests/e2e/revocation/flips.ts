// Changes that deny what is flowing and allow it again, over and over, and whether a packet got through that was sent
// while it was denied.
//
//   allow ... wait | allowed | deny ... wait | denied | allow ... wait | allowed | ...
//                  ^ until the next change          ^ both are windows of time
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { arrivedWithin, type Arrivals, type Window } from "../pulses.ts";

/** Something that denies a flow, and what takes it back. */
export type Change = {
  readonly sentence: string;
  readonly deny: () => Promise<void>;
  readonly allow: () => Promise<void>;
};

export type FlipWindow = Window & { readonly sentence: string };
export type FlipWindows = {
  readonly denied: readonly FlipWindow[];
  readonly allowed: readonly FlipWindow[];
};

export type FlipOptions = {
  readonly times: number;
  /** `lab wait --for policy` */
  readonly inKernels: () => Promise<void>;
  /** Of a window; longer than arrivals may be apart within a run (pulses.ts) if left out. */
  readonly lookMs?: number;
};

export async function flip(
  changes: readonly Change[],
  { times, inKernels, lookMs = 40 }: FlipOptions,
): Promise<FlipWindows> {
  const denied: FlipWindow[] = [];
  const allowed: FlipWindow[] = [];
  for (let count = 0; count < times; count++) {
    const { sentence, deny, allow } = changes[count % changes.length] as Change;
    await deny();
    await inKernels();
    denied.push({ sentence, ...(await look(lookMs)) });
    await allow();
    await inKernels();
    allowed.push({ sentence, ...(await look(lookMs)) });
  }
  return { denied, allowed };
}

async function look(lookMs: number): Promise<Window> {
  const fromNs = process.hrtime.bigint();
  await sleep(lookMs);
  return { fromNs, toNs: process.hrtime.bigint() };
}

/** In every window in which they should, packets of every flow arrived, and in no other. */
export function assertRevoked(flows: readonly Arrivals[], { denied, allowed }: FlipWindows): void {
  const told = (windows: readonly FlipWindow[], wanted: boolean) =>
    flows.flatMap((flow) =>
      windows
        .filter((window) => arrivedWithin(flow, window) === wanted)
        .map(({ sentence }) => `${flow.who}: ${sentence}`),
    );
  assert.deepEqual(told(denied, true), [], "arrived, sent when denied");
  assert.deepEqual(told(allowed, false), [], "did not arrive, sent when allowed");
  for (const { who, lost } of flows)
    assert.ok(lost >= denied.length, `${who}: nothing was sent while it was denied`);
}
