// What the verbs of the client take besides the resource and the object. Every call has a signal.
export type CallOptions = { readonly signal: AbortSignal };
export type ObjectOptions = CallOptions & { readonly namespace?: string | undefined };
export type SelectOptions = ObjectOptions & {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
};
export type ListOptions = SelectOptions & {
  /** Objects per page. Default 500. */
  readonly pageSize?: number;
};
export type WatchOptions = SelectOptions & {
  /** Events after this version. */
  readonly resourceVersion: string;
  /** The server ends the watch after this long. Default 290. */
  readonly timeoutSeconds?: number;
};
export type WriteOptions = ObjectOptions & {
  readonly dryRun?: "All";
  readonly fieldManager?: string;
  readonly subresource?: string;
};
export type PatchOptions = WriteOptions & {
  readonly type: "merge" | "json" | "strategic" | "apply";
  readonly patch: unknown;
  /** apply only: take over fields that others own. */
  readonly force?: boolean;
};
export type DeleteOptions = ObjectOptions & {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: "All";
};
