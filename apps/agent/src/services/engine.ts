// Services of a node from tables to the kernel: what is stale is decided and written, and what that means for health checks
// and sockets is told.
import type { BackendEntry } from "@tsilium/datapath/model.ts";
import type { ServiceBook } from "@tsilium/loadbalancer";
import type {
  DecidedService,
  LoadBalancerSettings,
  ServiceWarning,
} from "@tsilium/loadbalancer/model.ts";
import type { Logger } from "@tsilium/runtime";
import type { Stage } from "../barrier.ts";
import { NodeFactsView, type NodeFactsSources } from "./node-facts.ts";
import { ServiceSources, type ServiceTables } from "./sources.ts";
import { type Applied, type ServiceKernel, ServiceWriter, type WriterStatus } from "./writer.ts";

export type ServiceEngineOptions = {
  readonly tables: ServiceTables;
  readonly facts: NodeFactsSources;
  readonly settings: LoadBalancerSettings;
  readonly book: ServiceBook;
  readonly kernel: ServiceKernel;
  /** Enlarges what an error says is full. False: it could not. */
  readonly grow: (error: unknown) => boolean;
  readonly onApplied?: (applied: Applied) => void;
  /** The kernel serves an object like this now; undefined: not any more. */
  readonly onServed?: (key: string, service: DecidedService | undefined) => void;
  /** These backends are no service's any more. */
  readonly onBackendsGone?: (backends: readonly BackendEntry[]) => void;
  readonly log: Logger;
};

export class ServiceEngine implements Disposable {
  readonly #options: ServiceEngineOptions;
  readonly #facts: NodeFactsView;
  readonly #sources: ServiceSources;
  readonly #writer: ServiceWriter;
  /** What was logged last of services that were warned of. */
  readonly #warned = new Map<string, string>();

  constructor(options: ServiceEngineOptions) {
    const { book, kernel, grow, tables, facts, log } = options;
    this.#options = options;
    this.#writer = new ServiceWriter({
      book,
      kernel,
      grow,
      refresh: () => this.#refresh(),
      decide: (key) => this.#decide(key),
      onApplied: (applied) => this.#applied(applied),
      log,
    });
    this.#facts = new NodeFactsView(facts, () => this.#writer.schedule());
    this.#sources = new ServiceSources(tables, (key) => this.#writer.mark(key));
  }

  /** Takes up what an earlier agent left in the kernel, where it goes on serving. @throws Error when it cannot be read */
  adopt(): void {
    this.#writer.adopt();
  }

  /** The tables hold all there is: from now on the kernel follows them. */
  complete(): void {
    this.#facts.refresh();
    for (const key of this.#sources.keys()) this.#writer.mark(key);
    this.#writer.start();
  }

  get status(): WriterStatus {
    return this.#writer.status();
  }

  /** What is not, or not wholly, done as its object says; by key. */
  get warnings(): ReadonlyMap<string, readonly ServiceWarning[]> {
    const { book } = this.#options;
    // Who lost a frontend to another, or got it back, is not asked for it anew.
    const conflicts = book.conflicts().map(({ service }) => service);
    const keys = [...new Set([...this.#warned.keys(), ...conflicts])];
    return new Map(
      keys
        .map((key) => [key, book.warnings(key)] as const)
        .filter(([, warnings]) => warnings.length > 0),
    );
  }

  /** What a barrier waits for. */
  get stage(): Stage {
    return {
      name: "services",
      settled: (signal) => this.#writer.settled(signal),
      lag: () => lagOf(this.#writer.status()),
    };
  }

  [Symbol.dispose](): void {
    this.#writer[Symbol.dispose]();
    this.#sources[Symbol.dispose]();
    this.#facts[Symbol.dispose]();
  }

  #refresh(): void {
    const change = this.#facts.refresh();
    if (change === undefined) return;
    const stale = change === "own" ? this.#sources.keys() : this.#sources.exposedKeys();
    for (const key of stale) this.#writer.mark(key);
  }

  #decide(key: string): DecidedService | undefined {
    const { settings } = this.#options;
    return this.#sources.decide(key, { settings, facts: this.#facts.current });
  }

  #applied(applied: Applied): void {
    const { book, onApplied, onServed, onBackendsGone } = this.#options;
    for (const { key } of applied.keys) {
      this.#noteWarnings(key);
      onServed?.(key, book.get(key));
    }
    const { remove } = applied.changes.backends;
    if (remove.length > 0) onBackendsGone?.(remove);
    onApplied?.(applied);
  }

  #noteWarnings(key: string): void {
    const { book, log } = this.#options;
    const warnings = textOf(book.warnings(key));
    if (warnings !== "" && warnings !== this.#warned.get(key))
      log.warn({ service: key, warnings }, "a service is not served as it says");
    if (warnings === "") this.#warned.delete(key);
    else this.#warned.set(key, warnings);
  }
}

function textOf(warnings: readonly ServiceWarning[]): string {
  return warnings.map(({ path, message }) => `${path}: ${message}`).join("; ");
}

function lagOf({ started, stale, refused, failing }: WriterStatus): string | undefined {
  if (!started) return "waiting for all services and endpoints";
  if (failing !== undefined) return `failing: ${failing}`;
  const [first] = refused;
  if (first) return `${first.key} refused: ${first.error}`;
  return stale > 0 ? `${stale} pending` : undefined;
}
