// One way from a client to a service, as the bench of connections drives it.
import type { ServiceEndpoint } from "../workload.ts";

/** Where the client is and where its answer comes from. What goes the same route crosses the same nodes. */
export type Route = "pod" | "world" | "world-remote";

export type Client = {
  /** Path of its network namespace. */
  readonly netns: string;
  /** Folder of its cgroup; absent: the bench's own. */
  readonly cgroup?: string;
};

export type Path = {
  readonly route: Route;
  /** By what the service is served. */
  readonly name: string;
  readonly client: Client;
  /** What the client connects to. */
  readonly target: ServiceEndpoint;
};

/** An end that answers, for as long as the paths of its scene are measured. */
export type Server = { readonly netns: string; readonly port: number };

/** Of all servers. */
export const serverPort = 7002;
