// Brings the kernel's services to what is decided: keys become stale, are decided in slices of a few milliseconds, and each
// slice goes to the kernel as one batch. What the kernel refuses is undone, tried service by service, and again later: one
// that does not fit takes no other down.
//
//   stale keys --decide--> book --changes--> kernel      slice by slice, other work in between
//                            ^                  |
//                            +---- refused -----+        as it was before, until a retry
import type { ServiceChanges, ServiceSurvey } from "@tsilium/datapath/model.ts";
import type { ServiceBook } from "@tsilium/loadbalancer";
import type { DecidedService } from "@tsilium/loadbalancer/model.ts";
import type { Logger } from "@tsilium/runtime";
import { RetryTimer } from "../retry-timer.ts";
import { type StaleKey, Worklist } from "./worklist.ts";

export type ServiceKernel = {
  survey(): ServiceSurvey;
  /** @throws Error when some of it is not in the kernel */
  apply(changes: ServiceChanges): void;
};

export type ServiceWriterOptions = {
  readonly book: ServiceBook;
  readonly kernel: ServiceKernel;
  /** Told at the beginning of each slice, to mark what became stale otherwise. */
  readonly refresh: () => void;
  /** What is to be served; undefined: nothing (any more). */
  readonly decide: (key: string) => DecidedService | undefined;
  /** Enlarges what an error says is full. False: it could not. */
  readonly grow: (error: unknown) => boolean;
  /** The kernel has this now. */
  readonly onApplied: (applied: Applied) => void;
  readonly log: Logger;
};

export type Applied = {
  readonly keys: readonly AppliedKey[];
  readonly changes: ServiceChanges;
  readonly durationMs: number;
};

export type AppliedKey = {
  readonly key: string;
  readonly action: "add" | "update" | "delete";
  /** Since it became stale. */
  readonly delayMs: number;
};

export type WriterStatus = {
  /** All that there is is known. */
  readonly started: boolean;
  /** The kernel has services, if only an earlier agent's. */
  readonly serving: boolean;
  /** Keys that are not decided yet. */
  readonly stale: number;
  /** What the kernel refused, with its words. */
  readonly refused: readonly { readonly key: string; readonly error: string }[];
  /** Why the kernel takes nothing. */
  readonly failing: string | undefined;
  /** When the kernel last held all that was decided (but for what it refused), milliseconds since 1970. */
  readonly lastUpdatedMs: number;
};

/** How long a slice may keep other work waiting. */
const sliceMs = 10;
/** Of which deciding may take this at first; what writing takes shows then. */
const firstBudgetMs = 4;
const leastBudgetMs = 0.5;
const longestRetryMs = 5_000;

export class ServiceWriter implements Disposable {
  readonly #options: ServiceWriterOptions;
  readonly #worklist = new Worklist();
  readonly #refused = new Map<string, string>();
  readonly #retry: RetryTimer;
  #budgetMs = firstBudgetMs;
  #scheduled: NodeJS.Immediate | undefined;
  #isStarted = false;
  #isServing = false;
  /** What an earlier agent left is in the book, and not compared with what there is yet: nothing is written before. */
  #adopted: Attempt[] | undefined;
  /** Something was refused: keys are tried one by one until all have been. */
  #isCareful = false;
  #failing: string | undefined;
  /** What was logged last. */
  #lastFailure: string | undefined;
  #lastUpdatedMs = Date.now();

  constructor(options: ServiceWriterOptions) {
    this.#options = options;
    this.#retry = new RetryTimer(() => this.#tryAgain(), longestRetryMs);
  }

  /** What a key stands for is to be decided anew, at the end of this turn of the event loop. */
  mark(key: string): void {
    if (this.#isUpToDate) this.#lastUpdatedMs = Date.now();
    this.#worklist.mark(key);
    this.schedule();
  }

  /** There is something to do, which `refresh` will tell. */
  schedule(): void {
    // While the kernel takes nothing, the retry is the next attempt.
    if (!this.#isStarted || this.#failing !== undefined) return;
    this.#scheduled ??= setImmediate(() => this.#slice());
  }

  /** Takes up what an earlier agent left in the kernel, where it goes on serving. @throws Error when it cannot be read */
  adopt(): void {
    const survey = this.#options.kernel.survey();
    if (Object.values(survey).every((rows) => rows.length === 0)) return;
    this.#isServing = survey.frontends.length > 0;
    this.#options.book.adopt(survey);
    this.#adopted = [];
  }

  /**
   * Begins: all that there is must be known and marked. What was taken up and turns out to be nobody's is removed once
   * all has been decided.
   */
  start(): void {
    this.#isStarted = true;
    this.schedule();
  }

  /** Resolves when all that is known now is in the kernel. @throws the signal's reason */
  async settled(signal: AbortSignal): Promise<void> {
    this.#options.refresh();
    await this.#worklist.settled(signal);
  }

  status(): WriterStatus {
    return {
      started: this.#isStarted,
      serving: this.#isServing,
      stale: this.#worklist.staleSize,
      refused: [...this.#refused].map(([key, error]) => ({ key, error })),
      failing: this.#failing,
      lastUpdatedMs: this.#isUpToDate ? Date.now() : this.#lastUpdatedMs,
    };
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#scheduled);
    this.#retry[Symbol.dispose]();
    this.#isStarted = false;
  }

  get #isUpToDate(): boolean {
    return this.#isStarted && this.#worklist.staleSize === 0 && this.#failing === undefined;
  }

  /** Decides for as long as a slice allows, and writes that. */
  #slice(): void {
    this.#scheduled = undefined;
    const startedMs = performance.now();
    this.#options.refresh();
    const taken = this.#takeSlice(startedMs + this.#budgetMs);
    const isWritten = this.#adopted ? this.#compare(this.#adopted, taken) : this.#write(taken);
    if (isWritten && this.#worklist.staleSize === 0) this.#finish();
    this.#adjustBudget(performance.now() - startedMs);
    this.#worklist.release();
    if (this.#worklist.staleSize > 0) this.schedule();
  }

  #takeSlice(untilMs: number): Attempt[] {
    const { book } = this.#options;
    const taken: Attempt[] = [];
    do {
      const stale = this.#worklist.take();
      if (!stale) break;
      taken.push({ stale, before: book.get(stale.key), after: this.#decide(stale.key) });
    } while (performance.now() < untilMs && !this.#isCareful);
    return taken;
  }

  /** An object that nobody can make sense of serves nothing; others are served all the same. */
  #decide(key: string): DecidedService | undefined {
    try {
      return this.#options.decide(key);
    } catch (error) {
      this.#options.log.error({ service: key, error }, "a service cannot be decided");
      return undefined;
    }
  }

  /** Puts into the book what was decided; once it has all, the kernel is brought from what was found to that. */
  #compare(all: Attempt[], taken: readonly Attempt[]): boolean {
    this.#put(taken);
    all.push(...taken);
    if (this.#worklist.staleSize > 0) return false;
    const error = this.#flush(all);
    if (error !== undefined && !(this.#options.grow(error) && this.#flush(all) === undefined)) {
      // Nothing is taken back: the book would have the kernel lose what it serves.
      this.#adopted = [];
      return this.#isStuck(error);
    }
    this.#adopted = undefined;
    return true;
  }

  /** False: the kernel takes nothing, and a retry is due. */
  #write(attempts: readonly Attempt[]): boolean {
    this.#put(attempts);
    const error = this.#flush(attempts);
    if (error === undefined) return true;
    if (this.#options.grow(error) && this.#flush(attempts) === undefined) return true;
    this.#put(attempts.map(({ stale, before }) => ({ stale, before, after: before })));
    const undoing = this.#flush([]);
    if (undoing !== undefined) return this.#isStuck(undoing);
    // One of several is too much: each on its own from now on.
    this.#isCareful = true;
    if (attempts.length > 1) for (const { stale } of attempts) this.#worklist.mark(stale.key);
    else for (const { stale } of attempts) this.#refuse(stale.key, error);
    return true;
  }

  #put(attempts: readonly Attempt[]): void {
    const { book } = this.#options;
    for (const { stale, after } of attempts) {
      if (after) book.set(after);
      else book.remove(stale.key);
    }
  }

  /** Writes what the book has and the kernel has not. Answers the error; undefined: the kernel has it. */
  #flush(attempts: readonly Attempt[]): unknown {
    const { book, kernel, onApplied } = this.#options;
    const startedMs = performance.now();
    const changes = book.changes();
    try {
      if (!isEmpty(changes)) kernel.apply(changes);
    } catch (error) {
      book.failed();
      return error;
    }
    book.applied();
    for (const { stale } of attempts) {
      this.#worklist.done(stale);
      this.#refused.delete(stale.key);
    }
    if (attempts.length === 0 && isEmpty(changes)) return undefined;
    const nowMs = performance.now();
    const keys = attempts.flatMap((attempt) => appliedKey(attempt, nowMs));
    onApplied({ keys, changes, durationMs: nowMs - startedMs });
    return undefined;
  }

  #finish(): void {
    // What had to wait for numbers that were given back only now.
    const error = this.#flush([]);
    if (error !== undefined) {
      this.#isStuck(error);
      return;
    }
    this.#isCareful = false;
    this.#isServing = true;
    this.#lastFailure = undefined;
    this.#lastUpdatedMs = Date.now();
    if (this.#refused.size > 0) this.#retry.start();
    else this.#retry.reset();
  }

  #refuse(key: string, error: unknown): void {
    const message = messageOf(error);
    if (this.#refused.get(key) !== message)
      this.#options.log.warn({ service: key, error }, "the kernel refused a service");
    this.#refused.set(key, message);
  }

  #isStuck(error: unknown): false {
    const message = messageOf(error);
    if (this.#lastFailure !== message)
      this.#options.log.error({ error }, "services cannot be written; what is in force stays");
    this.#lastFailure = message;
    this.#failing = message;
    this.#retry.start();
    return false;
  }

  #tryAgain(): void {
    this.#failing = undefined;
    this.#worklist.markOwed();
    this.schedule();
  }

  #adjustBudget(tookMs: number): void {
    const factor = Math.min(Math.max(sliceMs / Math.max(tookMs, 1), 0.5), 1.25);
    this.#budgetMs = Math.min(Math.max(this.#budgetMs * factor, leastBudgetMs), sliceMs);
  }
}

/** A key that was taken, what was served of it, and what is to be. */
type Attempt = {
  readonly stale: StaleKey;
  readonly before: DecidedService | undefined;
  readonly after: DecidedService | undefined;
};

function appliedKey({ stale, before, after }: Attempt, nowMs: number): AppliedKey[] {
  if (!before && !after) return [];
  const action = !before ? "add" : after ? "update" : "delete";
  return [{ key: stale.key, action, delayMs: nowMs - stale.sinceMs }];
}

function isEmpty(changes: ServiceChanges): boolean {
  return Object.values(changes).every(({ put, remove }) => put.length === 0 && remove.length === 0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
