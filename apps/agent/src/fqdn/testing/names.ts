// Names with everything around them but the kernel: the ipcache, identities, a file, and a policy worker that places
// what it is told when the test says so.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CacheLimits, defaultLimits, NameBook, refusalOf } from "@tsilium/fqdn";
import { LocalIdentities } from "@tsilium/identity";
import type { Identity } from "@tsilium/identity/model.ts";
import { Ipcache } from "@tsilium/ipcache";
import type { Service } from "@tsilium/kube";
import { type Address, type Family, Prefix } from "@tsilium/net";
import type { ResolvedName } from "@tsilium/proxy/model.ts";
import { createLog } from "@tsilium/runtime";
import { Table } from "@tsilium/tables";
import { ClusterAddresses } from "../cluster-addresses.ts";
import { FqdnEngine } from "../engine.ts";
import { NameFile } from "../name-file.ts";
import { Placer, type PlacedPolicy } from "../placer.ts";

/** Places what it was told whenever `place` is called; at once while `isQuick`. */
export class SteppedPolicy implements PlacedPolicy {
  isInStep = true;
  isQuick = true;
  readonly #waiting: (() => void)[] = [];

  placed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      if (this.isQuick) resolve();
      else this.#waiting.push(resolve);
    });
  }

  /** Resolves when whoever waited has gone on. */
  async place(): Promise<void> {
    for (const resolve of this.#waiting.splice(0)) resolve();
    await turns();
  }
}

/** Lets everything happen that waits for nothing. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export type TestNamesOptions = {
  readonly families?: readonly Family[];
  readonly limits?: Partial<CacheLimits>;
  readonly folder?: string;
  readonly patienceMs?: number;
  readonly bootId?: string;
  readonly nowMs?: number;
  /** In place of a `SteppedPolicy`. */
  readonly policy?: (names: TestNames) => PlacedPolicy;
  /** Before anything is restored. */
  readonly isInStep?: boolean;
};

export class TestNames implements Disposable {
  nowMs: number;
  readonly connections = new Set<string>();
  readonly policy = new SteppedPolicy();
  readonly ipcache = new Ipcache();
  readonly identities: Table<Identity>;
  readonly ownAddresses: Table<Address>;
  readonly apiServer: Table<Address>;
  readonly services: Table<Service>;
  readonly book: NameBook;
  readonly placer: Placer;
  readonly engine: FqdnEngine;
  readonly file: NameFile | undefined;
  readonly problem: string | undefined;
  readonly released: number[] = [];
  lookFails = false;
  readonly #parts = new DisposableStack();

  constructor(options: TestNamesOptions = {}) {
    const { families = [4, 6], limits, folder, patienceMs = 1000, bootId = "boot-1" } = options;
    this.nowMs = options.nowMs ?? Date.parse("2026-11-20T10:00:00Z");
    this.policy.isInStep = options.isInStep ?? true;
    this.identities = new Table<Identity>({ name: "identities", key: ({ id }) => String(id) });
    this.ownAddresses = new Table<Address>({ name: "own", key: String });
    this.apiServer = new Table<Address>({ name: "api", key: String });
    this.services = new Table<Service>({
      name: "services",
      key: ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
    });
    const cluster = new ClusterAddresses({
      ...this,
      podCidrs: () => [Prefix.parse("10.244.0.0/24")],
    });
    this.book = new NameBook({
      limits: { ...defaultLimits, ...limits },
      refuse: (address) => refusalOf(address, (inner) => cluster.reasonFor(inner)),
    });
    this.placer = this.#parts.use(
      new Placer({
        identities: new LocalIdentities(this.identities),
        ipcache: this.ipcache,
        policy: options.policy?.(this) ?? this.policy,
        families,
      }),
    );
    const opened = folder === undefined ? undefined : NameFile.open(folder, bootId);
    this.file = opened && this.#parts.use(opened.file);
    this.problem = opened?.problem;
    this.engine = this.#parts.use(
      new FqdnEngine({
        book: this.book,
        placer: this.placer,
        clients: {
          endpointOf: (client) => Number(/^10\.244\.0\.([0-9]+)$/.exec(client)?.[1] ?? 0),
        },
        file: this.file,
        connected: async (wanted) => {
          if (this.lookFails) throw new Error("no such map");
          return this.connections.intersection(wanted);
        },
        patienceMs,
        now: () => this.nowMs,
        log: createLog({ level: "fatal", base: {} }),
      }),
    );
    this.#parts.use(cluster.follow((prefix) => this.engine.recheck(prefix)));
    this.engine.restore(
      opened?.records ?? [],
      ({ expiresMs }) => !opened?.isOfAnotherBoot || expiresMs > this.nowMs,
    );
  }

  /** An answer comes: name, addresses, and what else there is to say. */
  answer(name: string, addresses: readonly string[], more: AnswerDetails = {}): void {
    const { ttlS = 60, ...rest } = more;
    const answer: ResolvedName = {
      id: 0,
      client: "10.244.0.1",
      name,
      aliases: [],
      addresses: addresses.map((address) => ({ address, ttlS })),
      atMs: this.nowMs,
      ...rest,
    };
    this.engine.resolved([answer], (ids) => this.released.push(...ids));
  }

  /** A minute later, a round of collecting. */
  async round(): Promise<void> {
    this.nowMs += 60_000;
    await this.engine.collect(54_000);
  }

  /** "203.0.113.1 fqdn:a.test,reserved:world-ipv4", for every claim of names that decides, sorted. */
  claims(): string[] {
    return [...this.ipcache.table.values()]
      .filter(({ source }) => source === "fqdn")
      .map(({ prefix, identity }) => {
        const labels = this.identities.get(String(identity))?.labels;
        return `${prefix.address} ${labels?.toString() ?? "of nobody"}`;
      })
      .sort();
  }

  [Symbol.dispose](): void {
    this.#parts[Symbol.dispose]();
  }
}

export type AnswerDetails = Partial<Pick<ResolvedName, "id" | "client" | "aliases" | "atMs">> & {
  readonly ttlS?: number;
};

/** A folder that goes with the test. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "tsilium-fqdn-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
