// DaemonSet: one pod on every node that its template matches, replaced when the template changes.
import {
  objectKey,
  resources,
  type ControllerRevision,
  type DaemonSet,
  type Node,
  type Pod,
  type Toleration,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { isNamespaceGone } from "./failures.ts";
import { isActive, isReady, isTerminating, keyOfController } from "./objects.ts";
import { matchesNode, repellingTaint } from "./placement.ts";
import { msUntilAvailable, podFrom } from "./replica-set.ts";
import { share } from "./rollout.ts";
import { writeStatus } from "./status.ts";
import { hashLabel, hashOf, TemplateHistory } from "./template-history.ts";

/** A daemon's pods are to run where ordinary ones must not. */
const tolerations: readonly Toleration[] = [
  "not-ready",
  "unreachable",
  "disk-pressure",
  "memory-pressure",
  "pid-pressure",
  "unschedulable",
  "network-unavailable",
].map((name) => ({ key: `node.kubernetes.io/${name}`, operator: "Exists" }));

type Plan = {
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  readonly wanted: readonly string[];
};

export class DaemonSetController extends Controller {
  readonly #history: TemplateHistory;

  constructor(context: Context) {
    super(context, { name: "daemonset" });
    this.#history = new TemplateHistory(context, "DaemonSet");
  }

  protected watch(): void {
    const { daemonSets, pods, nodes } = this.context.caches;
    daemonSets.table.subscribe(({ row }) => this.queue.add(objectKey(row)), { replay: true });
    pods.table.subscribe(({ row }) => {
      const owner = keyOfController(row, "DaemonSet");
      if (owner !== undefined) this.queue.add(owner);
    });
    nodes.table.subscribe(({ kind, row, previous }) => {
      const facts = (node: Node) => JSON.stringify([node.metadata.labels, node.spec?.taints]);
      if (kind === "upsert" && previous && facts(row) === facts(previous)) return;
      for (const set of daemonSets.table.values()) this.queue.add(objectKey(set));
    });
  }

  protected async reconcile(key: string): Promise<void> {
    const { caches } = this.context;
    const set = caches.daemonSets.get(key);
    if (!set?.metadata.uid || isTerminating(set)) return;
    const revision = await this.#revision(set);
    if (!revision) return;
    const hash = hashOf(revision);
    const active = caches.pods.ownedBy(set.metadata.uid).filter(isActive);
    const plan = planFor(set, { nodes: [...caches.nodes.table.values()], active, hash });
    await this.#remove(plan.remove);
    await this.#create(set, plan.create, hash);
    await this.#writeStatus(set, plan.wanted, hash);
    const hashes = active.map((pod) => pod.metadata.labels?.[hashLabel]);
    const inUse = this.#history
      .of(set)
      .filter((each) => hashOf(each) === hash || hashes.includes(hashOf(each)));
    await this.#history.forget(set, new Set(inUse.map(({ metadata }) => metadata.name)));
  }

  /** Undefined: its namespace ends. */
  async #revision(set: DaemonSet): Promise<ControllerRevision | undefined> {
    try {
      return await this.#history.current(set);
    } catch (error) {
      if (isNamespaceGone(error)) return undefined;
      throw error;
    }
  }

  async #remove(pods: readonly Pod[]): Promise<void> {
    const { client, caches, signal } = this.context;
    await Promise.all(
      pods.map((pod) =>
        client.delete(resources.pods, pod.metadata.name ?? "", {
          namespace: pod.metadata.namespace,
          signal,
        }),
      ),
    );
    await caches.pods.seenDeleted(pods);
  }

  async #create(set: DaemonSet, nodeNames: readonly string[], hash: string): Promise<void> {
    const { client, caches, signal } = this.context;
    const template = podFrom(set.spec.template, { owner: set, kind: "DaemonSet" });
    const results = await Promise.allSettled(
      nodeNames.map((nodeName) =>
        client.create(
          resources.pods,
          {
            ...template,
            metadata: {
              ...template.metadata,
              labels: { ...template.metadata.labels, [hashLabel]: hash },
            },
            spec: {
              ...template.spec,
              nodeName,
              tolerations: [...(template.spec.tolerations ?? []), ...tolerations],
            },
          },
          { signal },
        ),
      ),
    );
    await caches.pods.seen(
      results.flatMap((result) => (result.status === "fulfilled" ? result.value : [])),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed && !isNamespaceGone(failed.reason)) throw failed.reason;
  }

  async #writeStatus(set: DaemonSet, wanted: readonly string[], hash: string): Promise<void> {
    const { caches } = this.context;
    const active = caches.pods.ownedBy(set.metadata.uid ?? "").filter(isActive);
    const there = active.filter((pod) => wanted.includes(pod.spec.nodeName ?? ""));
    const ready = there.filter(isReady);
    const waits = ready.map((pod) => msUntilAvailable(pod, set.spec.minReadySeconds ?? 0));
    const longest = Math.max(0, ...waits);
    if (longest > 0) this.queue.addAfter(objectKey(set), longest);
    const available = waits.filter((ms) => ms <= 0).length;
    const status = {
      observedGeneration: set.metadata.generation ?? 0,
      desiredNumberScheduled: wanted.length,
      currentNumberScheduled: there.length,
      numberMisscheduled: active.length - there.length,
      numberReady: ready.length,
      numberAvailable: available,
      numberUnavailable: wanted.length - available,
      updatedNumberScheduled: there.filter((pod) => pod.metadata.labels?.[hashLabel] === hash)
        .length,
    };
    await writeStatus(this.context, caches.daemonSets, { object: set, status });
  }
}

/** What one look at the world demands: which nodes lack their pod, and which pods must go. */
function planFor(
  set: DaemonSet,
  { nodes, active, hash }: { nodes: readonly Node[]; active: readonly Pod[]; hash: string },
): Plan {
  const spec = set.spec.template.spec;
  const wanted = nodes
    .filter((node) => matchesNode(spec, node))
    .filter(
      (node) => !repellingTaint([...(spec.tolerations ?? []), ...tolerations], node.spec?.taints),
    )
    .map((node) => node.metadata.name ?? "");
  const create: string[] = [];
  const remove = active.filter((pod) => !wanted.includes(pod.spec.nodeName ?? ""));
  const kept: Pod[] = [];
  for (const name of wanted) {
    const [first, ...surplus] = active.filter((pod) => pod.spec.nodeName === name);
    if (first) kept.push(first);
    else create.push(name);
    remove.push(...surplus);
  }
  return {
    create,
    remove: [...remove, ...outdated(set, kept, { wantedCount: wanted.length, hash })],
    wanted,
  };
}

/** Pods of an earlier template, as many as may be missing at once. */
function outdated(
  set: DaemonSet,
  kept: readonly Pod[],
  { wantedCount, hash }: { readonly wantedCount: number; readonly hash: string },
): Pod[] {
  if (set.spec.updateStrategy?.type === "OnDelete") return [];
  const old = kept.filter((pod) => pod.metadata.labels?.[hashLabel] !== hash);
  const mayLack = Math.max(
    1,
    share(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, wantedCount, "up"),
  );
  const isAvailable = (pod: Pod) =>
    isReady(pod) && msUntilAvailable(pod, set.spec.minReadySeconds ?? 0) <= 0;
  const lacking = wantedCount - kept.filter(isAvailable).length;
  const broken = old.filter((pod) => !isReady(pod));
  const working = old.filter(isReady).slice(0, Math.max(0, mayLack - lacking));
  return [...broken, ...working];
}
