// Secrets that policies name are where agents may read them: copies of them in one namespace.
//
//   policies --secretsOf--> names --> SecretSources (a watch for each)
//                                \        |
//   copies there are (watch) ----- decideCopies --> table of copies --reconciler--> CopyWriter
//                                          \--> problems: log, metric
//
// What the API server has is its only memory. Nothing is written or removed before all policies and copies are known.
import {
  type KubeClient,
  reflectTable,
  type Reflected,
  resources,
  type Secret,
} from "@tsilium/kube";
import type { ParseOptions } from "@tsilium/policy";
import type { SecretRef } from "@tsilium/policy/model.ts";
import { type Logger, type PartHealth, reconcilerHealth } from "@tsilium/runtime";
import { type Change, Reconciler, Table } from "@tsilium/tables";
import type { PolicyObject } from "../policy-status/condition.ts";
import { WatchHealth } from "../watch-health.ts";
import { copiesSelector, CopyWriter, isAsWanted, ownerOfCopy } from "./copies.ts";
import { decideCopies } from "./decide.ts";
import { errorText, rightsFile } from "./error-text.ts";
import { type CopyProblem, type SecretCopy, secretKey } from "./model.ts";
import { secretsOf } from "./refs.ts";
import { SecretSources } from "./sources.ts";

export type PolicySecretsOptions = {
  readonly client: KubeClient;
  /** policy-secrets-namespace */
  readonly home: string;
  /** CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies. */
  readonly policies: readonly Reflected<PolicyObject>[];
  readonly parseOptions: ParseOptions;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

/** Secrets by what became of them. */
export type PolicySecretsStats = Readonly<
  Record<"copied" | "failing" | "taken" | CopyProblem["reason"], number>
>;

/** Against what no watch tells: that somebody's own Secret has gone out of a copy's way. */
const fullSyncMs = 60_000;

export class PolicySecrets {
  readonly #options: PolicySecretsOptions;
  /** Of policies that name any, by "kind/namespace/name". */
  readonly #named = new Map<string, readonly SecretRef[]>();
  readonly #sources: SecretSources;
  readonly #watch = new WatchHealth("copies of policies' Secrets");
  readonly #there: Reflected<Secret>;
  readonly #wanted = new Table<SecretCopy>({ name: "secret-copies", key: ({ name }) => name });
  readonly #writer: CopyWriter;
  readonly #writing: Reconciler<SecretCopy>;
  readonly #subscriptions = new DisposableStack();
  #problems: readonly CopyProblem[] = [];
  #deciding: NodeJS.Immediate | undefined;
  #running: Promise<void> = Promise.resolve();
  #known = false;
  #failure: string | undefined;

  private constructor(options: PolicySecretsOptions) {
    const { client, home, log, signal } = options;
    this.#options = options;
    this.#sources = new SecretSources({ client, onChange: () => this.#decideSoon() });
    this.#there = reflectTable(client, resources.secrets, {
      namespace: home,
      labelSelector: copiesSelector,
      signal,
      progress: this.#watch.progress,
      onError: (error) => this.#watchFailed(errorText(error)),
    });
    this.#writer = new CopyWriter({ client, home, log });
    this.#writing = new Reconciler({
      name: "policy-secrets",
      table: this.#wanted,
      operations: this.#writer.operations,
      fullSyncMs,
      log,
    });
  }

  /** Begins; its signal and then `stop` end it. */
  static start(options: PolicySecretsOptions): PolicySecrets {
    const secrets = new PolicySecrets(options);
    secrets.#running = secrets.#run();
    return secrets;
  }

  stats(): PolicySecretsStats {
    const failing = this.#writing.status().failing.length;
    const taken = this.#writer.taken.size;
    const count = (reason: CopyProblem["reason"]) =>
      this.#problems.filter((problem) => problem.reason === reason).length;
    return {
      copied: Math.max(0, this.#wanted.size - failing - taken),
      failing,
      taken,
      missing: count("missing"),
      unreadable: count("unreadable"),
      conflict: count("conflict"),
      refused: count("refused"),
    };
  }

  health(): PartHealth[] {
    const { state, ...watch } = this.#watch.part();
    return [
      // Without the right to read copies the operator does all else: no reason to have it started anew.
      { ...watch, state: state === "failed" ? "degraded" : state },
      reconcilerHealth("policies' Secrets", this.#writing.status()),
    ];
  }

  async stop(): Promise<void> {
    await this.#running;
    this.#subscriptions[Symbol.dispose]();
    clearImmediate(this.#deciding);
    await this.#writing.stop();
    await Promise.all([this.#sources[Symbol.asyncDispose](), this.#there.done]);
  }

  async #run(): Promise<void> {
    const { policies, signal } = this.#options;
    try {
      await Promise.all([...policies.map(({ synced }) => synced), this.#there.synced]);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    for (const { table } of policies)
      this.#subscriptions.use(
        table.subscribe((change) => this.#policyIs(change), { replay: true }),
      );
    this.#subscriptions.use(this.#there.table.subscribe((change) => this.#copyIs(change)));
    this.#known = true;
    this.#decide();
    this.#writing.start();
  }

  #watchFailed(why: string): void {
    this.#watch.onError(new Error(why));
    if (why !== this.#failure)
      this.#options.log.warn(
        { error: why, namespace: this.#options.home, needed: rightsFile },
        "copies of policies' Secrets cannot be watched: none is made",
      );
    this.#failure = why;
  }

  #policyIs({ kind, row }: Change<PolicyObject>): void {
    const { kind: policyKind, metadata } = row;
    const key = `${policyKind}/${metadata.namespace ?? ""}/${metadata.name}`;
    const refs = kind === "delete" ? [] : secretsOf(row, this.#options.parseOptions);
    if (refs.length === 0 && !this.#named.has(key)) return;
    if (refs.length === 0) this.#named.delete(key);
    else this.#named.set(key, refs);
    this.#decideSoon();
  }

  /** Ours come back as they were written; what others made of them is put right. */
  #copyIs({ kind, row }: Change<Secret>): void {
    const wanted = this.#wanted.get(row.metadata.name ?? "");
    if (kind === "delete" ? wanted : !wanted || !isAsWanted(row, wanted)) this.#writing.fullSync();
    this.#decideSoon();
  }

  #decideSoon(): void {
    if (!this.#known) return;
    this.#deciding ??= setImmediate(() => {
      this.#deciding = undefined;
      this.#decide();
    });
  }

  #decide(): void {
    const { home } = this.#options;
    const named = [...this.#named.values()].flat();
    this.#sources.want(named.filter(({ namespace }) => namespace !== home));
    const { copies, problems } = decideCopies({
      home,
      named,
      source: (ref) => this.#sources.get(ref),
      owners: this.#owners(),
    });
    const names = new Set(copies.map(({ name }) => name));
    const gone = Array.from(this.#wanted.values()).filter(({ name }) => !names.has(name));
    for (const { name } of gone) this.#wanted.delete(name);
    for (const copy of copies)
      if (!isSame(this.#wanted.get(copy.name), copy)) this.#wanted.upsert(copy);
    this.#tell(problems);
  }

  #owners(): ReadonlyMap<string, SecretRef> {
    const owners = new Map<string, SecretRef>();
    for (const copy of this.#there.table.values()) {
      const owner = ownerOfCopy(copy);
      if (owner) owners.set(copy.metadata.name ?? "", owner);
    }
    // What is under way, and not back by the watch yet, is decided.
    for (const { name, owner } of this.#wanted.values()) owners.set(name, owner);
    return owners;
  }

  /** Each problem once, as long as it lasts. */
  #tell(problems: readonly CopyProblem[]): void {
    const { log, home } = this.#options;
    const textOf = ({ source, message }: CopyProblem) => `${secretKey(source)}: ${message}`;
    const told = new Set(this.#problems.map(textOf));
    for (const problem of problems)
      if (!told.has(textOf(problem)))
        log.warn(
          { secret: secretKey(problem.source), reason: problem.reason, why: problem.message },
          `a Secret that a policy names is not copied to ${home}`,
        );
    this.#problems = problems;
  }
}

/** What was read anew counts as changed: whoever writes compares with what is there. */
function isSame(before: SecretCopy | undefined, after: SecretCopy): boolean {
  return (
    before !== undefined &&
    secretKey(before.owner) === secretKey(after.owner) &&
    before.content?.type === after.content?.type &&
    before.content?.data === after.content?.data
  );
}
