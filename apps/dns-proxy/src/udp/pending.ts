// A query over UDP that waits for its answer.
import type { Decide, Decision, Query } from "@tsilium/dns";
import type { Client, Route } from "./clients.ts";
import type { Upstream } from "./upstream.ts";

export type PendingQuery = {
  readonly query: Query;
  /** As it came, up to the question's end. */
  readonly question: Buffer;
  /** The rules that it was asked under. */
  readonly decide: Decide;
  readonly decision: Decision;
  readonly listenerPort: number;
  readonly client: Client;
  /** Sockaddr bytes of who asked. */
  readonly peer: Uint8Array;
  readonly peerPort: number;
  readonly route: Route;
  readonly upstream: Upstream;
  /** The id it went on with. */
  readonly id: number;
  readonly startMs: number;
};
