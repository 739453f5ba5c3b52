// The templates that a DaemonSet or a StatefulSet has had, as ControllerRevisions: what `kubectl rollout history` lists, and
// what `undo` applies. The newest is the template as it is.
import {
  apiVersionOf,
  KubeError,
  resources,
  type ControllerRevision,
  type DaemonSet,
  type PodTemplateSpec,
  type StatefulSet,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { sameTemplate, templateHash } from "./deployment.ts";
import { ignoreNotFound } from "./failures.ts";
import { controllerOf, controllerReference } from "./objects.ts";

export const hashLabel = "controller-revision-hash";

export type Revisioned = DaemonSet | StatefulSet;

export class TemplateHistory {
  readonly #context: Context;
  readonly #kind: "DaemonSet" | "StatefulSet";

  constructor(context: Context, kind: "DaemonSet" | "StatefulSet") {
    this.#context = context;
    this.#kind = kind;
  }

  /** Of this set, oldest first. */
  of(set: Revisioned): ControllerRevision[] {
    return this.#context.caches.controllerRevisions
      .ownedBy(set.metadata.uid ?? "")
      .toSorted((a, b) => a.revision - b.revision);
  }

  /**
   * The revision of the template as it is, made where there is none; going back to an older one makes it the newest.
   * @throws KubeError, for one when a set of the same name that was deleted a moment ago still holds the revision's name
   */
  async current(set: Revisioned): Promise<ControllerRevision> {
    const { client, caches, signal } = this.#context;
    const all = this.of(set);
    const newest = all.at(-1)?.revision ?? 0;
    const known = all.findLast((revision) => sameTemplate(templateOf(revision), set.spec.template));
    if (known && known.revision === newest) return known;
    const { name = "", namespace } = known?.metadata ?? {};
    const written = known
      ? await client.patch(resources.controllerRevisions, name, {
          namespace,
          type: "merge",
          patch: { revision: newest + 1 },
          signal,
        })
      : await this.#create(set, newest + 1);
    await caches.controllerRevisions.seen([written]);
    return written;
  }

  async #create(set: Revisioned, revision: number): Promise<ControllerRevision> {
    const { client, signal } = this.#context;
    const wanted = revisionFor(set, this.#kind, revision);
    try {
      return await client.create(resources.controllerRevisions, wanted, { signal });
    } catch (error) {
      if (!KubeError.isAlreadyExists(error)) throw error;
      return this.#adopt(wanted, error);
    }
  }

  /** A set that was deleted and left its pods leaves its history, too. */
  async #adopt(wanted: ControllerRevision, taken: unknown): Promise<ControllerRevision> {
    const { client, signal } = this.#context;
    const { name = "", namespace, ownerReferences } = wanted.metadata;
    const found = await client.get(resources.controllerRevisions, name, { namespace, signal });
    if (controllerOf(found) || !sameTemplate(templateOf(found), templateOf(wanted))) throw taken;
    const { resourceVersion } = found.metadata;
    const patch = { metadata: { resourceVersion, ownerReferences }, revision: wanted.revision };
    return client.patch(resources.controllerRevisions, name, {
      namespace,
      type: "merge",
      patch,
      signal,
    });
  }

  /** Deletes the oldest revisions beyond the limit, of those that are not `inUse` by name. */
  async forget(set: Revisioned, inUse: ReadonlySet<string | undefined>): Promise<void> {
    const { client, signal } = this.#context;
    const unused = this.of(set).filter(({ metadata }) => !inUse.has(metadata.name));
    const excess = Math.max(0, unused.length - (set.spec.revisionHistoryLimit ?? 10));
    for (const { metadata } of unused.slice(0, excess)) {
      const { name = "", namespace } = metadata;
      await ignoreNotFound(
        client.delete(resources.controllerRevisions, name, { namespace, signal }),
      );
    }
  }
}

/** The template that a revision keeps; an empty one where somebody has broken it. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec {
  const { $patch: _, ...template } = data?.spec?.template ?? { spec: { containers: [] } };
  return template;
}

/** What the pods of a revision carry. */
export function hashOf({ metadata }: ControllerRevision): string {
  return metadata.labels?.[hashLabel] ?? "";
}

function revisionFor(
  set: Revisioned,
  kind: "DaemonSet" | "StatefulSet",
  revision: number,
): ControllerRevision {
  const { name = "", namespace, annotations } = set.metadata;
  const { template } = set.spec;
  const hash = templateHash(template);
  const { "kubectl.kubernetes.io/last-applied-configuration": _, ...told } = annotations ?? {};
  return {
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace ? { namespace } : {}),
      labels: { ...template.metadata?.labels, [hashLabel]: hash },
      annotations: told,
      ownerReferences: [controllerReference(set, apiVersionOf(resources.daemonSets), kind)],
    },
    revision,
    data: { spec: { template: { ...template, $patch: "replace" } } },
  };
}
