// L7Engine by HAProxy: rules are maps of a process that is configured once (config.ts), its access log becomes records.
// The process keeps what is in force while the agent is gone; when the agent is back it goes on until it is told the
// whole of what holds now.
import { setTimeout as sleep } from "node:timers/promises";
import type { Direction } from "@tsilium/policy/model.ts";
import { type RunningProcess, stop, watchEnd } from "../launch/index.ts";
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
import { recordsOf } from "./access-log.ts";
import { HaproxyError } from "./error.ts";
import { firstEntries, Listeners } from "./listeners.ts";
import { readLog } from "./log-reader.ts";
import { Moves } from "./moves.ts";
import { pathsOf, type Paths } from "./paths.ts";
import { type Pool, poolOf, poolWithout } from "./pool.ts";
import { adoptOrLaunch, failureOf, type ProcessOptions, type Started } from "./process.ts";
import { Runtime } from "./runtime.ts";
import { readInfo } from "./version.ts";

export type HaproxyOptions = ProcessOptions & {
  readonly runDir: string;
  readonly secrets: SecretStore;
  /** @param lost lines of the access log that could not be read, besides */
  readonly onRecords: (records: readonly ProxyRecord[], lost?: number) => void;
  /** The process ended by itself: `start` again. */
  readonly onEnd?: (how: string | undefined) => void;
  /** Problems changed outside `apply`: a Secret came, changed or went. All there are. */
  readonly onProblems?: (problems: readonly ListenerProblem[]) => void;
};

type Apply = Extract<ToProxy, { kind: "apply" }>;

const startPatienceMs = 10_000;

export class HaproxyEngine implements L7Engine {
  readonly direction: Direction;
  readonly #options: HaproxyOptions;
  readonly #pool: Pool;
  readonly #rules = new Map<number, ListenerRules>();
  readonly #requests = { forwarded: 0, denied: 0, errors: 0 };
  #running: Running | undefined;
  /** After the first `apply`: until then the process is left with what it has. */
  #known = false;
  #lostLines = 0;
  #working: Promise<unknown> = Promise.resolve();
  #stopListening: (() => void) | undefined;
  #disposed = false;

  constructor(options: HaproxyOptions) {
    this.direction = options.direction;
    this.#options = options;
    this.#pool = poolOf(options.direction);
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return this.#serially(async () => {
      const { runDir, user, secrets } = this.#options;
      this.#stopListening ??= secrets.onChange((namespace, name) => this.#secret(namespace, name));
      const running = await this.#begin(pathsOf(runDir, this.direction, user), signal);
      if (this.#known) await running.listeners.setAll([...this.#rules.values()]);
    });
  }

  async apply(update: Apply): Promise<readonly ListenerProblem[]> {
    return this.#serially(async () => {
      if (!update.whole && !this.#known)
        throw new HaproxyError(
          "failed",
          "the first rules that an engine gets must be the whole of them",
        );
      const { listeners } = this.#current();
      if (update.whole) {
        await listeners.setAll(update.listeners);
        this.#rules.clear();
        this.#known = true;
      } else {
        for (const rules of update.listeners) await listeners.set(rules);
        for (const port of update.removed) await listeners.remove(port);
      }
      for (const port of update.removed) this.#rules.delete(port);
      for (const rules of update.listeners) this.#rules.set(rules.port, rules);
      return listeners.problems();
    });
  }

  async move(connections: readonly MovedConnection[]): Promise<void> {
    return this.#serially(() => this.#current().moves.move(connections));
  }

  async status(): Promise<ProxyStatus> {
    const running = this.#running;
    const info = readInfo(running ? await running.runtime.ask("show info") : "");
    return {
      engine: info.engine,
      pid: running?.process.pid ?? 0,
      listeners: listenerRows(this.#rules.values(), running?.listeners.problems()),
      // This question's own is not among them: connections to the runtime socket are not counted.
      connections: info.connections,
      requests: { ...this.#requests },
      counters: {
        movedConnections: running?.moves.size ?? 0,
        droppedLogLines: info.droppedLogs,
        unreadableLogLines: this.#lostLines,
      },
      notes: running?.listeners.notes() ?? [],
    };
  }

  /** HAProxy goes on; its process is ended by `shutDown`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#stopListening?.();
    await this.#working.catch(() => undefined);
    this.#running?.[Symbol.dispose]();
    this.#running = undefined;
  }

  /** Ends the process as well: nothing passes its listeners any more. */
  async shutDown(): Promise<void> {
    this.#disposed = true;
    const process = this.#running?.process;
    if (process) await stop(process);
    await this[Symbol.asyncDispose]();
  }

  /** Ports that others have are left out, each at the cost of its own listener. */
  async #begin(paths: Paths, signal: AbortSignal): Promise<Running> {
    const taken = new Set<number>();
    for (;;) {
      const entries = firstEntries(this.#rules.values());
      const started = await adoptOrLaunch(this.#options, paths, this.#pool, { taken, entries });
      const { process } = started;
      if (this.#running?.process.pid !== process.pid || !started.adopted)
        this.#take(started, paths);
      const running = this.#current();
      if (await this.#serves(running, signal)) {
        if (started.adopted) await running.adopt();
        return running;
      }
      const failure = failureOf(process.pid, paths);
      const news = failure.taken.filter((port) => !taken.has(port));
      for (const port of news) taken.add(port);
      const most = (this.#pool.http.length + this.#pool.sni.length) / 2;
      if (news.length === 0 || taken.size > most)
        throw new HaproxyError("failed", `HAProxy does not start: ${failure.words}`);
    }
  }

  #take({ process, taken }: Started, paths: Paths): void {
    this.#running?.[Symbol.dispose]();
    const running = new Running(process, {
      paths,
      pool: poolWithout(this.#pool, taken),
      taken,
      secrets: this.#options.secrets,
      onLines: (lines) => this.#log(lines),
      onEnd: (how) => {
        if (this.#running !== running) return;
        running[Symbol.dispose]();
        this.#running = undefined;
        // One that never served is `start`'s to tell of.
        if (!this.#disposed && running.served) this.#options.onEnd?.(how);
      },
    });
    this.#running = running;
  }

  #current(): Running {
    if (!this.#running) throw new HaproxyError("failed", "HAProxy does not run");
    return this.#running;
  }

  /** Whether it answers, which it does when its listeners are open; false when it ended. */
  async #serves(running: Running, signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + startPatienceMs;
    for (;;) {
      signal.throwIfAborted();
      // The socket may be that of a process before it, which hands over.
      const pid = await running.runtime
        .ask("show info")
        .then((text) => readInfo(text).pid)
        .catch(() => 0);
      if (pid === running.process.pid) {
        running.served = true;
        return true;
      }
      if (this.#running !== running) return false;
      if (performance.now() > deadline)
        throw new HaproxyError(
          "failed",
          `HAProxy does not start: ${failureOf(running.process.pid, running.paths).words}`,
        );
      await sleep(10);
    }
  }

  #log(lines: readonly string[]): void {
    const records: ProxyRecord[] = [];
    let lost = 0;
    for (const line of lines) {
      const read = recordsOf(line, this.direction);
      if (read) records.push(...read);
      else lost++;
    }
    for (const { verdict, l7 } of records) this.#count(verdict, l7.type);
    this.#lostLines += lost;
    if (records.length > 0 || lost > 0) this.#options.onRecords(records, lost);
  }

  #count(verdict: ProxyRecord["verdict"], type: number): void {
    if (verdict === "denied") this.#requests.denied++;
    else if (verdict === "error") this.#requests.errors++;
    else if (type === 1) this.#requests.forwarded++;
  }

  /** Brings what names the secret into force once more, after what is going on. */
  #secret(namespace: string, name: string): void {
    this.#serially(async () => {
      const listeners = this.#running?.listeners;
      if (!listeners || this.#disposed) return;
      const before = JSON.stringify(listeners.problems());
      for (const rules of this.#rules.values())
        if (
          secretRefs(rules.ruleSet).some((ref) => ref.namespace === namespace && ref.name === name)
        )
          await listeners.set(rules);
      const after = listeners.problems();
      if (JSON.stringify(after) !== before) this.#options.onProblems?.(after);
    })
      // HAProxy is gone: `start` brings all of it.
      .catch(() => undefined);
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#working.then(work, work);
    this.#working = done.catch(() => undefined);
    return done;
  }
}

type RunningOptions = {
  readonly paths: Paths;
  readonly pool: Pool;
  readonly taken: ReadonlySet<number>;
  readonly secrets: SecretStore;
  readonly onLines: (lines: readonly string[]) => void;
  readonly onEnd: (how: string | undefined) => void;
};

/** A process and what belongs to it. */
class Running implements Disposable {
  readonly process: RunningProcess;
  readonly paths: Paths;
  readonly runtime: Runtime;
  readonly listeners: Listeners;
  readonly moves: Moves;
  /** It has answered once. */
  served = false;
  readonly #log: Disposable;
  readonly #watch: Disposable;

  constructor(process: RunningProcess, options: RunningOptions) {
    const { paths, onLines, onEnd } = options;
    this.process = process;
    this.paths = paths;
    this.runtime = new Runtime(paths.runtimeSocket);
    this.listeners = new Listeners({ ...options, runtime: this.runtime });
    this.moves = new Moves(this.runtime, paths, () => process.pid);
    this.#log = readLog(process.pid, onLines);
    this.#watch = watchEnd(process, onEnd);
  }

  async adopt(): Promise<void> {
    await this.listeners.adopt();
    await this.moves.adopt();
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#log[Symbol.dispose]();
    this.moves[Symbol.dispose]();
  }
}
