// One way for packets to get from a client to a server, as the path bench drives it.

export type Family = "IPv4" | "IPv6";

export type Variant = {
  readonly name: string;
  /** Paths of network namespaces. */
  readonly clientNetns: string;
  readonly serverNetns: string;
  readonly serverAddress: Readonly<Record<Family, string>>;
};
