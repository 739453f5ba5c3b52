// apps/v1: StatefulSet, and ControllerRevision, the past templates of those and of DaemonSets.
import type { Condition, KubeObject, LabelSelector } from "./meta.ts";
import type { PodTemplateSpec } from "./pod.ts";

export type StatefulSet = KubeObject & {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: LabelSelector;
    readonly template: PodTemplateSpec;
    /** The headless service that gives the pods their names in DNS. */
    readonly serviceName?: string;
    readonly podManagementPolicy?: "OrderedReady" | "Parallel";
    readonly updateStrategy?: {
      readonly type?: "RollingUpdate" | "OnDelete";
      /** Pods below this ordinal keep the template that they have. */
      readonly rollingUpdate?: { readonly partition?: number };
    };
    readonly ordinals?: { readonly start?: number };
    readonly minReadySeconds?: number;
    readonly revisionHistoryLimit?: number;
    readonly volumeClaimTemplates?: readonly KubeObject[];
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly currentReplicas?: number;
    readonly updatedReplicas?: number;
    readonly currentRevision?: string;
    readonly updateRevision?: string;
    readonly collisionCount?: number;
    readonly conditions?: readonly Condition[];
  };
};

export type ControllerRevision = KubeObject & {
  /** Counts up; the newest is the template as it is. */
  readonly revision: number;
  /** A strategic merge patch of the set: its template, replaced. */
  readonly data?: {
    readonly spec?: { readonly template?: PodTemplateSpec & { readonly $patch?: "replace" } };
  };
};
