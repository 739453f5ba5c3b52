// DaemonSet: one pod on every node that its template matches, replaced when the template changes.
import {
  objectKey,
  resources,
  type DaemonSet,
  type Node,
  type Pod,
  type Toleration,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { templateHash } from "./deployment.ts";
import { isNamespaceGone } from "./failures.ts";
import { isActive, isReady, isTerminating, keyOfController } from "./objects.ts";
import { matchesNode, repellingTaint } from "./placement.ts";
import { podFrom } from "./replica-set.ts";
import { share } from "./rollout.ts";
import { writeStatus } from "./status.ts";

const hashLabel = "controller-revision-hash";

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
  constructor(context: Context) {
    super(context, { name: "daemonset" });
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
    const active = caches.pods.ownedBy(set.metadata.uid).filter(isActive);
    const plan = planFor(set, [...caches.nodes.table.values()], active);
    await this.#remove(plan.remove);
    await this.#create(set, plan.create);
    await this.#writeStatus(set, plan.wanted);
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

  async #create(set: DaemonSet, nodeNames: readonly string[]): Promise<void> {
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
              labels: { ...template.metadata.labels, [hashLabel]: templateHash(set.spec.template) },
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

  async #writeStatus(set: DaemonSet, wanted: readonly string[]): Promise<void> {
    const { caches } = this.context;
    const active = caches.pods.ownedBy(set.metadata.uid ?? "").filter(isActive);
    const there = active.filter((pod) => wanted.includes(pod.spec.nodeName ?? ""));
    const ready = there.filter(isReady).length;
    const hash = templateHash(set.spec.template);
    const status = {
      observedGeneration: set.metadata.generation ?? 0,
      desiredNumberScheduled: wanted.length,
      currentNumberScheduled: there.length,
      numberMisscheduled: active.length - there.length,
      numberReady: ready,
      numberAvailable: ready,
      numberUnavailable: wanted.length - ready,
      updatedNumberScheduled: there.filter((pod) => pod.metadata.labels?.[hashLabel] === hash)
        .length,
    };
    await writeStatus(this.context, caches.daemonSets, { object: set, status });
  }
}

/** What one look at the world demands: which nodes lack their pod, and which pods must go. */
function planFor(set: DaemonSet, nodes: readonly Node[], active: readonly Pod[]): Plan {
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
  return { create, remove: [...remove, ...outdated(set, kept, wanted.length)], wanted };
}

/** Pods of an earlier template, as many as may be missing at once. */
function outdated(set: DaemonSet, kept: readonly Pod[], wantedCount: number): Pod[] {
  if (set.spec.updateStrategy?.type === "OnDelete") return [];
  const hash = templateHash(set.spec.template);
  const old = kept.filter((pod) => pod.metadata.labels?.[hashLabel] !== hash);
  const mayLack = Math.max(
    1,
    share(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, wantedCount, "up"),
  );
  const lacking = wantedCount - kept.filter(isReady).length;
  const broken = old.filter((pod) => !isReady(pod));
  const working = old.filter(isReady).slice(0, Math.max(0, mayLack - lacking));
  return [...broken, ...working];
}
