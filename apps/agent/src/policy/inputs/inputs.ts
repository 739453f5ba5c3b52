// Everything policy depends on, as one stream for the policy worker.
//
//   policies, CIDR groups, services --watches--\
//   identities, their named ports --------------> sources --> feed --batches--> whoever subscribed
//   winners of the ipcache --------------------/
import type { Identity } from "@tsilium/identity/model.ts";
import type { IpcacheRow } from "@tsilium/ipcache/model.ts";
import type { EndpointSlice, Service } from "@tsilium/kube";
import type { Table } from "@tsilium/tables";
import type { Watches } from "../../watches.ts";
import { type BatchListener, Feed } from "./feed.ts";
import type { PolicyInput } from "./model.ts";
import type { NamedPorts } from "./named-ports.ts";
import { type PolicyKinds, PolicyObjects } from "./objects.ts";
import { PolicyServices } from "./services.ts";
import { addressSource, identitySource, type InputSource, tableSource } from "./source.ts";

export type PolicyInputsOptions = {
  readonly watches: Watches;
  readonly kinds: PolicyKinds;
  readonly identities: Table<Identity>;
  readonly namedPorts: NamedPorts;
  readonly ipcache: Table<IpcacheRow>;
  readonly services: Table<Service>;
  /** Indexed by "service". */
  readonly slices: Table<EndpointSlice>;
};

/** `start` begins the watches on policies; the tables are others' to fill. */
export class PolicyInputs implements Disposable {
  readonly #options: PolicyInputsOptions;
  readonly #feed = new Feed();
  readonly #objects = new PolicyObjects();
  readonly #sources: readonly InputSource[];
  readonly #subscriptions = new DisposableStack();
  readonly #synced = Promise.withResolvers<void>();
  #complete = false;

  constructor(options: PolicyInputsOptions) {
    this.#options = options;
    const { identities, namedPorts, ipcache } = options;
    const services = this.#subscriptions.use(new PolicyServices(options.services, options.slices));
    this.#sources = [
      identitySource(identities, namedPorts),
      tableSource(services.table, {
        present: (row) => row,
        gone: ({ namespace, name }) => ({ kind: "service-gone", namespace, name }),
      }),
      ...this.#objects.sources,
      addressSource(ipcache),
    ];
    for (const source of this.#sources)
      this.#subscriptions.use(source.follow((input) => this.#feed.say(input)));
    this.#synced.promise.catch(() => undefined);
  }

  /** Resolves when everything that exists has been said once: to those who listen, "synced" has gone out. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /**
   * Begins to follow policies. Resolves when all of them are known, which is before `synced`.
   * @throws the signal's reason
   */
  start(signal: AbortSignal): Promise<void> {
    const { watches, kinds } = this.#options;
    signal.addEventListener("abort", () => this.#synced.reject(signal.reason), { once: true });
    return this.#objects.start(watches, kinds, signal);
  }

  /** Told once policies and all the tables hold what the API server holds. */
  complete(): void {
    this.#complete = true;
    this.#feed.say({ kind: "synced" });
    this.#feed.flush();
    this.#synced.resolve();
  }

  /** Listens from now on; the first batch is all that holds now, so that a worker may start at any time. */
  subscribe(listener: BatchListener): Disposable {
    return this.#feed.subscribe(listener, this.#state());
  }

  /** Hands out at once what would go out at the end of this turn of the event loop. */
  flush(): void {
    this.#feed.flush();
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]();
  }

  *#state(): Generator<PolicyInput, void> {
    for (const source of this.#sources) yield* source.inputs();
    if (this.#complete) yield { kind: "synced" };
  }
}
