// Who of several equal processes does the work: the one that a Lease (coordination.k8s.io) names.
//
//   acquire: look --held by another--> look again, until it has not changed for its duration --> take it
//   lead:    renew every retryPeriod; renewDeadline without success --> lost, for good
//
// As client-go's leader election, with a fence besides: `assertLeading` refuses as soon as the last success is too long
// ago, whatever timers did meanwhile. A process that was stopped (SIGSTOP, a suspended machine) for longer than its
// Lease thus writes nothing when it goes on.
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeClient } from "../client.ts";
import { KubeError } from "../errors.ts";
import { resources } from "../resources.ts";
import type { Lease } from "../types/core.ts";
import { elapsedClock } from "./elapsed.ts";
import { claimed, heldForMs, observe, type Observation, recordOf, released } from "./record.ts";

export type LeaderElectionOptions = {
  /** With connections of its own, so that renewing waits for no other request. */
  readonly client: KubeClient;
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Unlike that of every other process, now and before. */
  readonly identity: string;
  /** How long others wait for a leader that they do not hear of. Whole seconds, 1 at least. */
  readonly leaseDurationMs: number;
  /** How long a leader goes on without having renewed. Less than leaseDurationMs. */
  readonly renewDeadlineMs: number;
  /** Time between looks and between renewals. Less than renewDeadlineMs. */
  readonly retryPeriodMs: number;
  /** Told who leads, at first and at each change; "" is nobody. */
  readonly onLeader?: (holder: string) => void;
  /** Told of what failed and is tried again. */
  readonly onError?: (error: unknown) => void;
  /** Milliseconds that have passed, in whatever state this process was. */
  readonly now?: () => number;
};

/** Does nothing until `acquire`. One leadership per object: who lost it must start anew, as a new process does. */
export class LeaderElection implements Disposable {
  readonly #options: LeaderElectionOptions;
  readonly #now: () => number;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();
  #seen: Observation | undefined;
  #holder: string | undefined;
  /** When the last successful take or renewal was begun. */
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  #leading = false;
  #renewing: Promise<void> | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#now = options.now ?? elapsedClock();
  }

  /** Who leads, as far as is known; undefined: nobody has been seen yet. */
  get holder(): string | undefined {
    return this.#holder;
  }

  /** Whether this process may write now. */
  get isLeading(): boolean {
    return this.#leading && this.#sinceRenewalMs() < this.#options.renewDeadlineMs;
  }

  /** How often the Lease has changed hands. */
  get transitions(): number {
    const { leaseDurationMs } = this.#options;
    return this.#seen ? recordOf(this.#seen.lease, leaseDurationMs).transitions : 0;
  }

  /** Fires, with a KubeError NotLeading, when leadership is lost. Never fires on `release`. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** To be asked right before each write. @throws KubeError NotLeading */
  assertLeading(): void {
    if (this.isLeading) return;
    if (this.#leading)
      this.#lose(`the Lease was last renewed ${Math.round(this.#sinceRenewalMs())} ms ago`);
    throw this.#lost.signal.reason ?? notLeading("not elected");
  }

  /** Waits until this process leads, and keeps it so. @throws the signal's reason */
  async acquire(signal: AbortSignal): Promise<void> {
    const { retryPeriodMs, renewDeadlineMs, onError } = this.#options;
    // An API server that comes up a moment after us is asked sooner than one that has been away.
    let delayMs = Math.min(50, retryPeriodMs);
    while (!(await this.#tryOnce(renewDeadlineMs / 2, signal, onError))) {
      signal.throwIfAborted();
      await sleep(jittered(this.#seen ? retryPeriodMs : delayMs), undefined, { signal });
      delayMs = Math.min(delayMs * 2, retryPeriodMs);
    }
    this.#leading = true;
    this.#renewing = this.#renewUntilLost().catch((fault) => this.#lose("a fault", fault));
  }

  /**
   * Gives the Lease back, so that the next one need not wait for its end. For a leader that has ended its work.
   * Never fails: what cannot be given back runs out.
   */
  async release(signal: AbortSignal): Promise<void> {
    this.#ended.abort();
    await this.#renewing;
    if (!this.isLeading) return;
    this.#leading = false;
    const { onError } = this.#options;
    await this.#giveBack(signal).catch((error: unknown) => onError?.(error));
  }

  /** Renews no more: the Lease runs out, unless it was released. */
  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  #sinceRenewalMs(): number {
    return this.#now() - this.#renewedAtMs;
  }

  async #renewUntilLost(): Promise<void> {
    const { retryPeriodMs, renewDeadlineMs, onError } = this.#options;
    const { signal } = this.#ended;
    let failure: unknown;
    for (;;) {
      const leftMs = renewDeadlineMs - this.#sinceRenewalMs();
      await sleep(Math.max(0, Math.min(retryPeriodMs, leftMs)), undefined, { signal }).catch(
        () => undefined,
      );
      if (signal.aborted || !this.#leading) return;
      const remainingMs = renewDeadlineMs - this.#sinceRenewalMs();
      if (remainingMs <= 0) return this.#lose(`no renewal in ${renewDeadlineMs} ms`, failure);
      const renewed = await this.#tryOnce(remainingMs, signal, (error) => {
        failure = error;
        onError?.(error);
      });
      if (renewed) failure = undefined;
      else if (this.#isAnothers()) return this.#lose(`"${this.#holder}" leads`);
    }
  }

  #isAnothers(): boolean {
    return this.#holder !== undefined && this.#holder !== this.#options.identity;
  }

  #lose(why: string, cause?: unknown): void {
    if (!this.#leading) return;
    this.#leading = false;
    this.#lost.abort(notLeading(why, cause));
  }

  /** One look at the Lease and, where it is ours or free, one write. Whether it is ours now. */
  async #tryOnce(
    patienceMs: number,
    signal: AbortSignal,
    onError: ((error: unknown) => void) | undefined,
  ): Promise<boolean> {
    const limited = AbortSignal.any([
      signal,
      AbortSignal.timeout(Math.max(1, Math.floor(patienceMs))),
    ]);
    try {
      return await this.#takeOrRenew(limited);
    } catch (error) {
      // Another process was faster, which the next look shows.
      if (!signal.aborted && !KubeError.isConflict(error) && !KubeError.isAlreadyExists(error))
        onError?.(error);
      return false;
    }
  }

  async #takeOrRenew(signal: AbortSignal): Promise<boolean> {
    const { client, lease: at, identity, leaseDurationMs } = this.#options;
    const { namespace, name } = at;
    const begunAtMs = this.#now();
    const found = await this.#read(signal);
    if (found) {
      this.#note(found);
      const mine = found.spec?.holderIdentity === identity;
      const heldMs = heldForMs(this.#seen as Observation, this.#now(), leaseDurationMs);
      if (!mine && heldMs > 0) return false;
    }
    const spec = claimed(found?.spec, { identity, leaseDurationMs, date: new Date() });
    const written = found
      ? await client.replace(resources.leases, { ...found, spec }, { signal })
      : await client.create(resources.leases, { metadata: { namespace, name }, spec }, { signal });
    this.#note(written);
    // Others count from when they see it, which is later.
    this.#renewedAtMs = begunAtMs;
    return true;
  }

  /** From what the server has: a renewal that was broken off may have been carried out. */
  async #giveBack(signal: AbortSignal): Promise<void> {
    const { client, identity } = this.#options;
    for (;;) {
      const lease = await this.#read(signal);
      if (lease?.spec?.holderIdentity !== identity) return;
      try {
        const spec = released(lease.spec, new Date());
        await client.replace(resources.leases, { ...lease, spec }, { signal });
        return;
      } catch (error) {
        if (!KubeError.isConflict(error)) throw error;
      }
    }
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    const { client, lease } = this.#options;
    const { namespace, name } = lease;
    try {
      return await client.get(resources.leases, name, { namespace, signal });
    } catch (error) {
      if (KubeError.isNotFound(error)) return undefined;
      throw error;
    }
  }

  #note(lease: Lease): void {
    this.#seen = observe(this.#seen, lease, this.#now());
    const { holder } = recordOf(lease, this.#options.leaseDurationMs);
    if (holder === this.#holder) return;
    this.#holder = holder;
    this.#options.onLeader?.(holder);
  }
}

function notLeading(why: string, cause?: unknown): KubeError {
  return new KubeError("NotLeading", `not the leader: ${why}`, { cause });
}

/** Up to a fifth more, so that several that wait do not all ask at once. */
function jittered(ms: number): number {
  return ms * (1 + Math.random() / 5);
}
