// All services of a node, and what has to change in the kernel for it to serve them: who gets which frontend, numbers of rows,
// sets and backends shared. Cost follows what changes.
//
//   adopt(survey)   once, before anything else
//   set, remove     any number of times
//   changes()       --> the datapath applies them --> applied() or failed()
import type {
  ServiceChanges,
  ServiceException,
  ServiceSurvey,
  SourceRange,
} from "@tsilium/datapath/model.ts";
import {
  type BackendPool,
  type DecidedService,
  endpointText,
  type FrontendConflict,
  type ServiceWarning,
} from "../model.ts";
import { Addresses } from "./addresses.ts";
import { Attached } from "./attached.ts";
import { type BackendRow, Backends } from "./backends.ts";
import { type FrontendRow, Frontends } from "./frontends.ts";
import { differingParts } from "./list-diff.ts";
import { Sets } from "./sets.ts";

export type ServiceBookOptions = {
  /** bpf-lb-maglev-table-size */
  readonly maglevTableSize: number;
  /** What backends are hashed with; the same on all nodes. */
  readonly maglevSeed: number;
  /** Entries of tsi_lb_set but the first. */
  readonly maxSets: number;
};

const lastBackend = 2 ** 31 - 1;
const lastFrontend = 2 ** 32 - 1;

export class ServiceBook {
  readonly #services = new Map<string, DecidedService>();
  readonly #addresses = new Addresses();
  readonly #backends: Backends;
  readonly #sets: Sets;
  readonly #frontends: Frontends;
  readonly #sourceRanges = new Attached<FrontendRow, SourceRange>(
    ({ frontend, prefix }) => `${frontend} ${prefix}`,
  );
  readonly #exceptions = new Attached<FrontendRow, ServiceException>(exceptionKey);
  #isFlying = false;

  constructor(options: ServiceBookOptions) {
    const { maxSets, maglevTableSize: size, maglevSeed: seed } = options;
    this.#backends = new Backends({ last: lastBackend });
    this.#sets = new Sets({
      range: { last: maxSets },
      backends: this.#backends,
      maglev: { size, seed },
    });
    this.#frontends = new Frontends({
      range: { last: lastFrontend },
      sets: this.#sets,
      addresses: this.#addresses,
      onHeld: (row) => this.#attach(row),
    });
  }

  /**
   * Takes over what the kernel has, numbers included: what is decided the same need not be written. What nobody asks for until the
   * first `changes()` is removed by them, so ask for them once everything is known.
   * @throws Error when the book has services already
   */
  adopt(survey: ServiceSurvey): void {
    if (this.#services.size > 0) throw new Error("a service book adopts before it has services");
    this.#backends.adopt(survey.backends);
    this.#sets.adopt(survey.sets);
    this.#frontends.adopt(survey.frontends);
    this.#sourceRanges.adopt(survey.sourceRanges);
    this.#exceptions.adopt(survey.exceptions);
  }

  /** tsi_lb_set has more entries now: sets that had no number get one with the next changes. */
  raiseMaxSets(maxSets: number): void {
    this.#sets.raise(maxSets);
  }

  /** A service, in place of what it was before. */
  set(service: DecidedService): void {
    this.#replace(this.#services.get(service.key), service);
    this.#services.set(service.key, service);
  }

  /** False: there was none. */
  remove(key: string): boolean {
    const service = this.#services.get(key);
    if (!service) return false;
    this.#replace(service, undefined);
    this.#services.delete(key);
    return true;
  }

  get(key: string): DecidedService | undefined {
    return this.#services.get(key);
  }

  services(): Iterable<DecidedService> {
    return this.#services.values();
  }

  /**
   * What the kernel lacks of what was decided; on its way there from now on, until `applied` or `failed` says how it went. Asking
   * again before that is as if it had failed.
   */
  changes(): ServiceChanges {
    if (this.#isFlying) this.failed();
    this.#isFlying = true;
    this.#frontends.numberSets();
    return {
      backends: this.#backends.changes(),
      sets: this.#sets.changes(),
      frontends: this.#frontends.changes(),
      sourceRanges: this.#sourceRanges.changes(),
      exceptions: this.#exceptions.changes(),
    };
  }

  /** The kernel has all of the last changes. */
  applied(): void {
    this.#isFlying = false;
    for (const table of this.#tables()) table.applied();
  }

  /** It may have some of them: the next changes say all of them again, and what came since. */
  failed(): void {
    this.#isFlying = false;
    for (const table of this.#tables()) table.failed();
  }

  conflicts(): FrontendConflict[] {
    return [...this.#frontends.conflicts()];
  }

  /** What a service asked for and did not get, and what else is wrong with it. */
  warnings(key: string): ServiceWarning[] {
    const service = this.#services.get(key);
    if (!service) return [];
    const conflicts = service.frontends.flatMap((frontend) => {
      const row = this.#frontends.find(frontend.key);
      const candidate = row?.candidates.find((each) => each.service === service);
      const conflict = row && candidate && this.#frontends.conflictOf(row, candidate);
      return conflict ? { path: frontend.path, message: `${conflict.reason}: not served` } : [];
    });
    return [...service.warnings, ...conflicts];
  }

  /** Frontends by key ("10.96.0.1:443/TCP"), for views. */
  frontend(key: string): FrontendRow | undefined {
    return this.#frontends.find(key);
  }

  /** Backends by key, for views. */
  backend(key: string): BackendRow | undefined {
    return this.#backends.find(key);
  }

  /** How many rows there are, those that are on their way out included. */
  get sizes(): Readonly<Record<keyof ServiceSurvey, number>> {
    return {
      backends: this.#backends.size,
      sets: this.#sets.size,
      frontends: this.#frontends.size,
      sourceRanges: this.#sourceRanges.size,
      exceptions: this.#exceptions.size,
    };
  }

  #tables() {
    return [
      this.#backends,
      this.#sets,
      this.#frontends,
      this.#sourceRanges,
      this.#exceptions,
    ] as const;
  }

  /** Backends come before, and go after, the sets that have them. */
  #replace(before: DecidedService | undefined, after: DecidedService | undefined): void {
    const pools = poolDifferences(before?.pools ?? [], after?.pools ?? []);
    for (const { added } of pools) for (const backend of added) this.#backends.acquire(backend);
    this.#frontends.replace(before, after, this.#addresses.replace(before, after));
    for (const { removed } of pools) for (const backend of removed) this.#backends.release(backend);
  }

  #attach(row: FrontendRow): void {
    const frontend = row.holder?.frontend;
    const { address, port, protocol } = frontend ?? {};
    const ranges = frontend?.sourceRanges ?? [];
    const cookies = frontend?.exceptions ?? [];
    this.#sourceRanges.replace(
      row,
      ranges.map((prefix) => ({ frontend: row.id, prefix })),
    );
    this.#exceptions.replace(
      row,
      cookies.map((netnsCookie) => ({
        netnsCookie,
        address,
        port: port ?? 0,
        protocol: protocol ?? 0,
      })),
    );
  }
}

function exceptionKey({ netnsCookie, address, port, protocol }: ServiceException): string {
  return `${netnsCookie} ${address ? endpointText(address, port, protocol) : `${port}/${protocol}`}`;
}

function poolDifferences(before: readonly BackendPool[], after: readonly BackendPool[]) {
  const left = new Map(before.map((pool) => [pool.key, pool]));
  const differences = after.map((pool) => {
    const old = left.get(pool.key)?.backends ?? [];
    left.delete(pool.key);
    return differingParts(old, pool.backends);
  });
  const gone = [...left.values()].map(({ backends }) => ({ removed: backends, added: [] }));
  return [...differences, ...gone];
}
