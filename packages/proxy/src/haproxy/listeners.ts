// Rules of listeners in a running HAProxy.
import type { HttpRuleSet, SniRuleSet } from "@tsilium/policy/model.ts";
import type { ListenerProblem, ListenerRules, SecretStore } from "../model.ts";
import { rulesMap } from "./config.ts";
import { HaproxyError } from "./error.ts";
import { type MapEntry, mapSizes, replaceMap, setFlag } from "./maps.ts";
import type { Paths } from "./paths.ts";
import { placeholderCertificate } from "./placeholder.ts";
import type { Pool } from "./pool.ts";
import { httpEntries, sniEntries } from "./rules.ts";
import type { Runtime } from "./runtime.ts";
import { ListenersTls } from "./tls.ts";

export type ListenersOptions = {
  readonly runtime: Runtime;
  readonly paths: Paths;
  /** What the process has. */
  readonly pool: Pool;
  /** Ports of listeners that it has not, since somebody else had them. */
  readonly taken: ReadonlySet<number>;
  readonly secrets: SecretStore;
};

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #tls: ListenersTls;
  readonly #http: ReadonlySet<number>;
  readonly #sni: ReadonlySet<number>;
  /** Of extended rule sets: listener's port -> what headers.lua needs. */
  readonly #specs = new Map<number, string>();
  readonly #problems = new Map<number, string>();
  readonly #notes = new Map<number, readonly string[]>();
  #versions = 0;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#http = new Set(options.pool.http);
    this.#sni = new Set(options.pool.sni);
    let placeholder: string | undefined;
    this.#tls = new ListenersTls({
      ...options,
      placeholder: () => {
        const { certificate, key } = placeholderCertificate();
        return (placeholder ??= `${certificate}\n${key}`);
      },
    });
  }

  /** Takes over a process that another agent has set up. */
  async adopt(): Promise<void> {
    const { runtime, paths } = this.#options;
    await this.#tls.adopt();
    for (const line of (await runtime.ask(`show map ${paths.map("specs")}`)).split("\n")) {
      const [, port, spec] = /^0x\w+ (\d+) (\S+)$/.exec(line) ?? [];
      if (port !== undefined && spec !== undefined) this.#specs.set(Number(port), spec);
    }
  }

  /** These and no others. */
  async setAll(listeners: readonly ListenerRules[]): Promise<void> {
    const { runtime, paths } = this.#options;
    const wanted = new Set(listeners.map(({ port }) => port));
    const sizes = await mapSizes(runtime);
    for (const port of [...this.#http, ...this.#sni])
      if (!wanted.has(port) && (sizes.get(rulesMap(paths, port)) ?? 0) > 0) await this.remove(port);
    for (const port of this.#tls.ports()) if (!wanted.has(port)) await this.remove(port);
    for (const port of this.#problems.keys()) if (!wanted.has(port)) this.#forget(port);
    for (const rules of listeners) await this.set(rules);
  }

  /**
   * Brings a listener's rules into force: when this resolves they hold for every next request. What is wrong with them
   * is a problem of this listener, which then lets nothing through. @throws HaproxyError when HAProxy itself does not answer
   */
  async set({ port, ruleSet }: ListenerRules): Promise<void> {
    try {
      if (this.#options.taken.has(port))
        throw new HaproxyError("refused", `port ${port} is another process's`);
      if (ruleSet.kind === "http" && this.#http.has(port)) await this.#setHttp(port, ruleSet);
      else if (ruleSet.kind === "sni" && this.#sni.has(port)) await this.#setSni(port, ruleSet);
      else throw new HaproxyError("refused", `port ${port} is none for ${ruleSet.kind} rules`);
      this.#problems.delete(port);
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      await this.remove(port);
      this.#problems.set(port, reason);
    }
  }

  /** Nothing passes it any more. */
  async remove(port: number): Promise<void> {
    const { runtime, paths } = this.#options;
    if (this.#http.has(port) || this.#sni.has(port))
      await replaceMap(runtime, rulesMap(paths, port), []);
    if (this.#specs.delete(port)) await this.#setSpecs();
    await this.#tls.release(port);
    await this.#tls.retire(port, undefined);
    this.#forget(port);
  }

  problems(): ListenerProblem[] {
    return [...this.#problems].map(([port, reason]) => ({ port, reason }));
  }

  /** Sentences for people, of what is no problem of a whole listener. */
  notes(): string[] {
    return [...this.#notes].flatMap(([port, notes]) =>
      notes.map((note) => `listener ${port}: ${note}`),
    );
  }

  async #setHttp(port: number, ruleSet: HttpRuleSet): Promise<void> {
    const { runtime, paths, secrets } = this.#options;
    const servers = await this.#tls.set(port, ruleSet.tls);
    // No two versions have the same, whichever agent made them.
    const tag = `${Date.now().toString(36)}x${(this.#versions++).toString(36)}`;
    const { entries, spec, notes } = httpEntries(ruleSet, { tag, secrets, servers });
    const before = this.#specs.get(port);
    // A request that was read before the map changes is judged after: both versions are read while it does.
    if (spec !== undefined) {
      this.#specs.set(port, before === undefined ? spec : `${before}|${spec}`);
      await this.#setSpecs();
    }
    try {
      await replaceMap(runtime, rulesMap(paths, port), entries);
    } catch (error) {
      if (before === undefined) this.#specs.delete(port);
      else this.#specs.set(port, before);
      throw error;
    }
    if (spec === undefined) this.#specs.delete(port);
    else this.#specs.set(port, spec);
    if (before !== undefined) await this.#setSpecs();
    await this.#tls.retire(port, servers);
    if (notes.length > 0) this.#notes.set(port, notes);
    else this.#notes.delete(port);
  }

  async #setSni(port: number, ruleSet: SniRuleSet): Promise<void> {
    const { runtime, paths } = this.#options;
    await replaceMap(runtime, rulesMap(paths, port), sniEntries(ruleSet));
  }

  async #setSpecs(): Promise<void> {
    const { runtime, paths } = this.#options;
    if (this.#specs.size > 0) await setFlag(runtime, "specs", true);
    const entries = [...this.#specs].map(([port, spec]) => ({ key: String(port), value: spec }));
    await replaceMap(runtime, paths.map("specs"), entries);
    if (this.#specs.size === 0) await setFlag(runtime, "specs", false);
  }

  #forget(port: number): void {
    this.#problems.delete(port);
    this.#notes.delete(port);
  }
}

/**
 * What listeners may have from a process's start on, so that it serves as soon as it listens: rules that need nothing
 * besides their map. (No secret is in it: it is written to files.)
 */
export function firstEntries(
  listeners: Iterable<ListenerRules>,
): ReadonlyMap<number, readonly MapEntry[]> {
  const secrets: SecretStore = { get: () => undefined, onChange: () => () => undefined };
  const found = new Map<number, readonly MapEntry[]>();
  for (const { port, ruleSet } of listeners) {
    if (ruleSet.kind === "sni") found.set(port, sniEntries(ruleSet));
    if (ruleSet.kind !== "http" || ruleSet.tls.terminating || ruleSet.tls.originating) continue;
    try {
      const { entries, spec } = httpEntries(ruleSet, { tag: "none", secrets, servers: undefined });
      if (spec === undefined) found.set(port, entries);
    } catch {
      // `set` says what is wrong with it.
    }
  }
  return found;
}

/** What is wrong with a listener's rules; undefined: it is not the rules. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof HaproxyError) return error.code === "refused" ? error.message : undefined;
  // toPcre: admission would have refused it.
  return error instanceof Error && error.name === "PatternError" ? error.message : undefined;
}
