// Tells every policy of one kind in its status whether it is valid: those stored before anybody looked included.
import {
  KubeError,
  reflectTable,
  type KubeClient,
  type Reflected,
  type Resource,
} from "@tsilium/kube";
import { type Logger, type PartHealth, reconcilerHealth } from "@tsilium/runtime";
import { Reconciler } from "@tsilium/tables";
import type { PolicyJudge } from "../policies/judge.ts";
import { WatchHealth } from "../watch-health.ts";
import { conditionsFor, validityOf, type PolicyObject } from "./condition.ts";

export type PolicyReporterOptions = {
  readonly client: KubeClient;
  readonly resource: Resource<PolicyObject>;
  readonly judge: PolicyJudge;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

export class PolicyReporter {
  readonly kind: string;
  readonly #options: PolicyReporterOptions;
  readonly #watch: WatchHealth;
  readonly #policies: Reflected<PolicyObject>;
  readonly #reconciler: Reconciler<PolicyObject>;

  private constructor(options: PolicyReporterOptions) {
    const { client, resource, signal, log } = options;
    this.kind = resource.kind;
    this.#options = options;
    this.#watch = new WatchHealth(resource.plural);
    this.#policies = reflectTable(client, resource, { signal, ...this.#watch });
    this.#reconciler = new Reconciler({
      name: `${resource.plural}-status`,
      table: this.#policies.table,
      operations: {
        update: (policy, stop) => this.#report(policy, stop),
        delete: () => undefined,
      },
      log,
    });
  }

  /** Begins; its signal or `stop` ends it. */
  static start(options: PolicyReporterOptions): PolicyReporter {
    const reporter = new PolicyReporter(options);
    reporter.#reconciler.start();
    return reporter;
  }

  /** All of its kind, as its watch knows them. */
  get policies(): Reflected<PolicyObject> {
    return this.#policies;
  }

  /** Policies by what their status says of them. */
  counts(): Readonly<Record<ReturnType<typeof validityOf>, number>> {
    const counts = { valid: 0, invalid: 0, unknown: 0 };
    for (const policy of this.#policies.table.values()) counts[validityOf(policy)] += 1;
    return counts;
  }

  health(): PartHealth[] {
    const name = `status of ${this.#options.resource.plural}`;
    return [this.#watch.part(), reconcilerHealth(name, this.#reconciler.status())];
  }

  async stop(): Promise<void> {
    await Promise.all([this.#reconciler.stop(), this.#policies.done]);
  }

  async #report(policy: PolicyObject, signal: AbortSignal): Promise<void> {
    const { client, resource, judge, log } = this.#options;
    const judgement = judge(policy);
    const conditions = conditionsFor(policy, judgement, new Date());
    if (!conditions) return;
    const { name = "", namespace, resourceVersion } = policy.metadata;
    try {
      await client.patch(resource, name, {
        namespace,
        subresource: "status",
        type: "merge",
        // Only onto what was judged: a newer state comes by the watch, and is judged then.
        patch: { metadata: { resourceVersion }, status: { conditions } },
        signal,
      });
    } catch (error) {
      if (KubeError.isConflict(error) || KubeError.isNotFound(error)) return;
      throw error;
    }
    if (judgement.problems.length > 0)
      log.warn({ kind: this.kind, namespace, name, conditions }, "a stored policy is invalid");
  }
}
