// The cluster's state in a few numbers.
export type StatusNode = {
  readonly name: string;
  readonly version: string;
  readonly address: string;
  /** "connected", "unavailable", "gone", "error", "unknown". */
  readonly state: string;
  readonly seenFlows: number;
  readonly numFlows: number;
  readonly maxFlows: number;
  readonly uptimeMs: number;
};

export type Status = {
  readonly relay: {
    readonly address: string;
    /** "": it answers. */
    readonly error: string;
    readonly version: string;
    readonly flowsPerSecond: number;
    readonly seenFlows: number;
    readonly numFlows: number;
    readonly maxFlows: number;
  };
  readonly nodes: readonly StatusNode[];
  readonly namespaces: readonly string[];
  /** The API server: "" it answers, "none": none was given, else why not. */
  readonly kube: string;
};
