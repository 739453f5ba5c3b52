// What a cluster and the probes inside its pods say to each other: a JSON object a line.

export type ProbeRequest =
  /** Has something that answers on a port. Done already when somebody else does. */
  | {
      readonly kind: "serve";
      readonly protocol: "tcp" | "udp";
      readonly port: number;
      /** At this alone: where somebody has several, an answer must leave from the one that was asked. */
      readonly address?: string;
    }
  /** Tries to reach somebody, once, for as long as `timeoutMs`. `port` is 0 for icmp. */
  | {
      readonly kind: "reach";
      readonly protocol: "tcp" | "udp" | "icmp";
      readonly address: string;
      readonly port: number;
      readonly timeoutMs: number;
    };

export type ProbeAnswer =
  | { readonly kind: "serving" }
  | {
      readonly kind: "reached";
      readonly reached: boolean;
      /** "answered", "no answer within 1000 ms", "refused (RST)", "ICMP: administratively prohibited", ... */
      readonly observed: string;
    }
  | { readonly kind: "failed"; readonly message: string };

export type Numbered<T> = T & { readonly number: number };
