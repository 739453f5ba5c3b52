// L7Engine by Envoy: rules become xDS resources, Envoy's access log becomes records. Envoy keeps what it has while the
// agent is gone; when the agent is back nothing is served until it says what there is.
import { setTimeout as sleep } from "node:timers/promises";
import type { Direction } from "@tsilium/policy/model.ts";
import { lastWords, type RunningProcess, stop, watchEnd } from "../launch/index.ts";
import { listenerRows } from "../listener-rows.ts";
import type {
  L7Engine,
  ListenerProblem,
  ListenerRules,
  MovedConnection,
  ProxyRecord,
  ProxyStatus,
  SecretStore,
  ToProxy,
} from "../model.ts";
import { secretRefs } from "../secrets/index.ts";
import { httpRecords, sniRecord } from "./access-log.ts";
import { bootstrap } from "./bootstrap.ts";
import { EnvoyError } from "./error.ts";
import type { StreamAccessLogsMessage } from "./gen/envoy/service/accesslog/v3/als_pb.ts";
import { adoptOrLaunch, mostConnections, pathsOf, type ProcessOptions } from "./process.ts";
import { publish } from "./publish.ts";
import { portOf } from "./resources/names.ts";
import { resourcesOf } from "./resources/resources.ts";
import { EnvoySockets } from "./sockets.ts";
import { describeNode } from "./version.ts";
import { Ads } from "./xds/ads.ts";
import { XdsServer } from "./xds/server.ts";

export type EnvoyOptions = ProcessOptions & {
  /** The node's name. */
  readonly node: string;
  /** 0: as many as there are descriptors for. */
  readonly maxConnections: number;
  readonly secrets: SecretStore;
  readonly onRecords: (records: readonly ProxyRecord[]) => void;
  /** The process ended by itself: `start` again. */
  readonly onEnd?: (how: string | undefined) => void;
  /** Problems changed outside `apply`: a Secret came, changed or went; a new process refused what an old one took. */
  readonly onProblems?: (problems: readonly ListenerProblem[]) => void;
  readonly timeouts?: { readonly connectMs?: number; readonly acknowledgeMs?: number };
};

type Apply = Extract<ToProxy, { kind: "apply" }>;

/** Said in `status`: there is no Envoy where Tsilium is built. */
export const unverified =
  "Envoy itself was never run by Tsilium's tests: the protocol is tested with gRPC's xDS client, resources against Envoy's API";

export class EnvoyEngine implements L7Engine {
  readonly direction: Direction;
  readonly #options: EnvoyOptions;
  readonly #ads = new Ads();
  readonly #rules = new Map<number, ListenerRules>();
  readonly #requests = { forwarded: 0, denied: 0, errors: 0 };
  #server: XdsServer | undefined;
  #process: RunningProcess | undefined;
  #watch: Disposable | undefined;
  #sockets: EnvoySockets | undefined;
  /** After the first `apply`: until then Envoy is left with what it has. */
  #known = false;
  #bringing = false;
  #problems: readonly ListenerProblem[] = [];
  #notes: readonly string[] = [];
  #working: Promise<unknown> = Promise.resolve();
  #stopListening: () => void = () => undefined;
  #disposed = false;

  constructor(options: EnvoyOptions) {
    this.direction = options.direction;
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { options, paths } = this.#prepare();
    this.#server ??= await XdsServer.listen({
      path: paths.socket,
      ...(options.user ? { owner: options.user } : {}),
      ads: this.#ads,
      onAccessLog: (logName, message) => this.#log(logName, message),
    });
    this.#sockets ??= new EnvoySockets(options.user?.uid ?? process.getuid?.() ?? 0);
    const { node, direction } = options;
    const maxConnections = options.maxConnections || mostConnections();
    const config = bootstrap({ node, direction, maxConnections, socket: paths.socket });
    const started = await adoptOrLaunch(options, config);
    this.#watch?.[Symbol.dispose]();
    this.#process = started.process;
    this.#watch = watchEnd(started.process, (how) => this.#ended(how));
    await this.#connected(signal);
  }

  async apply(update: Apply): Promise<readonly ListenerProblem[]> {
    if (!update.whole && !this.#known) {
      throw new EnvoyError(
        "failed",
        "the first rules that an engine gets must be the whole of them",
      );
    }
    return this.#serially(async () => {
      if (update.whole) this.#rules.clear();
      for (const port of update.removed) this.#rules.delete(port);
      for (const listener of update.listeners) this.#rules.set(listener.port, listener);
      this.#known = true;
      return this.#bring();
    });
  }

  /**
   * Envoy cannot hold a connection to rules of another listener. So that no request is judged by rules that are no
   * longer its own, the connection ends (the client sees a reset) and comes again, to the listener that is right.
   */
  async move(connections: readonly MovedConnection[]): Promise<void> {
    const gone = connections.filter(({ from, to, protocol }) => from !== to && protocol === 6);
    if (gone.length > 0) this.#sockets?.end(gone);
  }

  async status(): Promise<ProxyStatus> {
    return {
      engine: describeNode(this.#ads.node),
      pid: this.#process?.pid ?? 0,
      listeners: listenerRows(this.#rules.values(), this.#problems),
      connections: this.#sockets?.accepted() ?? 0,
      requests: { ...this.#requests },
      notes: [unverified, ...this.#notes],
    };
  }

  /** Envoy goes on; its process is ended by `shutDown`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#stopListening();
    this.#watch?.[Symbol.dispose]();
    await this.#server?.[Symbol.asyncDispose]();
    await this.#working.catch(() => undefined);
    this.#sockets?.[Symbol.dispose]();
    this.#sockets = undefined;
  }

  /** Ends the process as well: nothing is enforced by it any more. */
  async shutDown(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    if (this.#process) await stop(this.#process);
    this.#process = undefined;
    await this[Symbol.asyncDispose]();
  }

  #prepare() {
    const options = this.#options;
    if (this.#server === undefined) {
      const secrets = options.secrets.onChange((namespace, name) => this.#secret(namespace, name));
      const refusals = this.#ads.on((event) => {
        // One that answers `apply` is dealt with there; this is a new process that refuses what an old one took.
        if (event.kind === "nack" && !this.#bringing) this.#again();
      });
      this.#stopListening = () => {
        secrets();
        refusals();
      };
    }
    return { options, paths: pathsOf(options) };
  }

  async #connected(signal: AbortSignal): Promise<void> {
    const patience = AbortSignal.timeout(this.#options.timeouts?.connectMs ?? 10_000);
    while (!this.#ads.connected) {
      signal.throwIfAborted();
      const words = () => lastWords(pathsOf(this.#options).logFile);
      if (this.#process === undefined) throw new EnvoyError("failed", `Envoy ended: ${words()}`);
      if (patience.aborted) {
        throw new EnvoyError(
          "not_connected",
          `Envoy runs and does not connect to the agent: ${words()}`,
        );
      }
      await sleep(5);
    }
  }

  #ended(how: string | undefined): void {
    this.#process = undefined;
    if (!this.#disposed) this.#options.onEnd?.(how);
  }

  /** Publishes; what Envoy refuses lets nothing through, and everything else is in force. */
  async #bring(): Promise<readonly ListenerProblem[]> {
    this.#bringing = true;
    try {
      await this.#settle();
    } finally {
      this.#bringing = false;
    }
    await this.#listening();
    return this.#problems;
  }

  async #settle(): Promise<void> {
    const refused = new Map<number, string>();
    const absent = new Map<number, string>();
    const suspects = new Map<number, string>();
    // Each round a listener more is refused or absent.
    for (;;) {
      const found = await this.#publish(refused, absent);
      if (found === undefined) break;
      const news = found.ports.filter((port) => !absent.has(port));
      if (news.length === 0) throw new EnvoyError("failed", found.reason);
      for (const port of news) {
        if (refused.has(port)) absent.set(port, found.reason);
        else refused.set(port, found.reason);
        if (!found.named && news.length > 1) suspects.set(port, found.reason);
      }
    }
    await this.#acquit(suspects, refused, absent);
  }

  /** Envoy did not say which of several it meant: each is tried by itself. */
  async #acquit(
    suspects: ReadonlyMap<number, string>,
    refused: Map<number, string>,
    absent: Map<number, string>,
  ): Promise<void> {
    for (const [port, reason] of suspects) {
      if (absent.has(port)) continue;
      refused.delete(port);
      if ((await this.#publish(refused, absent)) === undefined) continue;
      refused.set(port, reason);
      await this.#publish(refused, absent);
    }
  }

  async #publish(refused: ReadonlyMap<number, string>, absent: ReadonlyMap<number, string>) {
    const { direction, secrets, timeouts } = this.#options;
    const resources = resourcesOf([...this.#rules.values()], {
      direction,
      secrets,
      refused,
      absent,
    });
    this.#problems = resources.problems;
    this.#notes = resources.notes;
    return publish(this.#ads, resources, timeouts?.acknowledgeMs ?? 5_000);
  }

  /** Envoy acknowledges a listener before it listens: it has to get its routes and certificates first. */
  async #listening(): Promise<void> {
    const absent = new Set(this.#problems.map(({ port }) => port));
    const wanted = [...this.#rules.keys()].filter((port) => !absent.has(port));
    const deadline = performance.now() + (this.#options.timeouts?.acknowledgeMs ?? 5_000);
    let missing = wanted;
    while (missing.length > 0 && this.#sockets) {
      const listening = this.#sockets.listening();
      missing = missing.filter((port) => !listening.has(port));
      if (missing.length === 0) return;
      if (performance.now() > deadline) {
        throw new EnvoyError(
          "timeout",
          `Envoy does not listen on ${missing.slice(0, 5).join(", ")}`,
        );
      }
      await sleep(5);
    }
  }

  #secret(namespace: string, name: string): void {
    const names = [...this.#rules.values()].flatMap(({ ruleSet }) => secretRefs(ruleSet));
    if (names.some((ref) => ref.namespace === namespace && ref.name === name)) this.#again();
  }

  /** Brings what there is into force once more, after what is going on. */
  #again(): void {
    if (!this.#known || this.#disposed) return;
    const before = JSON.stringify(this.#problems);
    this.#serially(() => this.#bring())
      // Envoy is gone: `start` and `apply` follow.
      .catch(() => undefined)
      .then(() => {
        if (JSON.stringify(this.#problems) !== before) this.#options.onProblems?.(this.#problems);
      });
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#working.then(work, work);
    this.#working = done.catch(() => undefined);
    return done;
  }

  #log(logName: string, message: StreamAccessLogsMessage): void {
    const port = portOf(logName);
    if (port === undefined) return;
    const records = this.#records(port, message.logEntries);
    for (const { verdict, l7 } of records) this.#count(verdict, l7.type);
    if (records.length > 0) this.#options.onRecords(records);
  }

  #records(port: number, entries: StreamAccessLogsMessage["logEntries"]): ProxyRecord[] {
    if (entries.case === "httpLogs") {
      const about = { port, direction: this.direction };
      return entries.value.logEntry.flatMap((entry) => httpRecords(entry, about));
    }
    const ruleSet = this.#rules.get(port)?.ruleSet;
    if (entries.case !== "tcpLogs" || ruleSet?.kind !== "sni") return [];
    return entries.value.logEntry.flatMap((entry) => sniRecord(entry, { port, ruleSet }) ?? []);
  }

  #count(verdict: ProxyRecord["verdict"], type: number): void {
    if (verdict === "denied") this.#requests.denied++;
    else if (verdict === "error") this.#requests.errors++;
    else if (type === 1) this.#requests.forwarded++;
  }
}
