// How long, how much, how often: the short form of `npm test`, and the long one of `npm run soak`.
import { soak } from "../e2e/harness.ts";
import type { ChurnLimits } from "./churn.ts";

export type Plan = {
  readonly seed: number;
  readonly nodes: number;
  /** Nodes whose agents are killed. In the long form one is not: its memory tells of the whole time. */
  readonly faultyNodes: number;
  /** Churn and faults; longer, if there have been less than `leastFaults`. */
  readonly faultsMs: number;
  readonly leastFaults: number;
  /** Churn alone, so that memory can be compared. */
  readonly calmMs: number;
  readonly betweenStepsMs: { readonly least: number; readonly more: number };
  readonly betweenFaultsMs: { readonly least: number; readonly more: number };
  readonly packetIntervalUs: number;
  readonly sampleMs: number;
  /** Of a process's life: what it makes once. */
  readonly warmUpMs: number;
  readonly limits: ChurnLimits;
  /** For which an identity is unused before it is marked, and again before it goes. */
  readonly identityTimeoutMs: number;
  /** Of the operators' Lease: longer than the API server is stopped for, and than a busy machine lets anybody wait. */
  readonly lease: { readonly seconds: number; readonly renewSeconds: number };
};

const calmShare = 1 / 3;

/** By TSILIUM_SOAK, TSILIUM_SOAK_MINUTES and TSILIUM_FUZZ_SEED. */
export function planOf(environment: Readonly<Record<string, string | undefined>>): Plan {
  const given = environment["TSILIUM_SOAK_MINUTES"];
  const minutes = given === undefined ? (soak ? 20 : undefined) : Number(given);
  if (minutes !== undefined && !(minutes > 0))
    throw new Error(`TSILIUM_SOAK_MINUTES=${given} is no number of minutes`);
  const seed = Number(environment["TSILIUM_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  return { seed, ...(minutes === undefined ? short : long(minutes * 60_000)) };
}

const short: Omit<Plan, "seed"> = {
  nodes: 2,
  faultyNodes: 2,
  faultsMs: 12_000,
  leastFaults: 3,
  calmMs: 3_000,
  betweenStepsMs: { least: 50, more: 250 },
  betweenFaultsMs: { least: 100, more: 500 },
  packetIntervalUs: 10_000,
  sampleMs: 1_000,
  warmUpMs: 1_000,
  limits: { rooms: 2, pods: 8, policies: 6, services: 2, strangeNodes: 2 },
  identityTimeoutMs: 1_000,
  lease: { seconds: 10, renewSeconds: 8 },
};

function long(durationMs: number): Omit<Plan, "seed"> {
  return {
    nodes: 3,
    faultyNodes: 2,
    faultsMs: Math.round(durationMs * (1 - calmShare)),
    leastFaults: 3,
    calmMs: Math.round(durationMs * calmShare),
    betweenStepsMs: { least: 200, more: 1_000 },
    betweenFaultsMs: { least: 2_000, more: 10_000 },
    packetIntervalUs: 20_000,
    sampleMs: 5_000,
    warmUpMs: 60_000,
    limits: { rooms: 4, pods: 30, policies: 20, services: 5, strangeNodes: 5 },
    identityTimeoutMs: 8_000,
    lease: { seconds: 15, renewSeconds: 10 },
  };
}
