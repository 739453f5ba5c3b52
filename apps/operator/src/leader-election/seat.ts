// A place among the operators of a cluster: who it is, how it waits for its turn, and a client that writes in its turn alone.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import {
  connectionFromKubeconfig,
  connectionInCluster,
  type ConnectionOptions,
  KubeClient,
  LeaderElection,
} from "@tsilium/kube";
import type { Logger } from "@tsilium/runtime";
import type { OperatorConfig } from "../config/config.ts";

/** Cilium's, so that never one of each works in a cluster. */
export const leaseName = "cilium-operator-resource-lock";

export type Seat = Disposable & {
  readonly election: LeaderElection;
  /** Reads always; writes only while `election` leads. When it does no more, what is under way is dropped. */
  readonly client: KubeClient;
};

/** How long an operator that leads no more has for ending by itself. */
const endMs = 5_000;

/** @throws KubeError BadKubeconfig */
export function takeSeat(config: OperatorConfig, log: Logger): Seat {
  const connection = connectionOf(config);
  using resources = new DisposableStack();
  const identity = `${hostname()}-${randomBytes(5).toString("hex")}`;
  const election = resources.use(
    new LeaderElection({
      client: resources.use(new KubeClient(connection)),
      lease: { namespace: config["k8s-namespace"], name: leaseName },
      identity,
      leaseDurationMs: config["leader-election-lease-duration"],
      renewDeadlineMs: config["leader-election-renew-deadline"],
      retryPeriodMs: config["leader-election-retry-period"],
      onLeader: (holder) => {
        if (holder !== identity) log.info({ holder: holder || "nobody" }, "who leads");
      },
      onError: complainOnce(log),
    }),
  );
  const client = resources.use(
    new KubeClient({ ...connection, mayWrite: () => election.assertLeading() }),
  );
  election.lost.addEventListener("abort", () => {
    client[Symbol.dispose]();
    // What does not end must not stay either: whatever started us starts another candidate.
    setTimeout(() => process.exit(1), endMs).unref();
  });
  const owned = resources.move();
  return { election, client, [Symbol.dispose]: () => owned.dispose() };
}

function connectionOf({ kubeconfig }: OperatorConfig): ConnectionOptions {
  const connection =
    kubeconfig === "" ? connectionInCluster() : connectionFromKubeconfig(kubeconfig);
  return { ...connection, userAgent: "tsilium-operator" };
}

/** The same trouble at every look, twice a second, tells nothing new. */
function complainOnce(log: Logger): (error: unknown) => void {
  let last = "";
  return (error) => {
    const { message } = error as Error;
    if (message !== last) log.warn({ error }, "cannot read or renew the Lease yet, will retry");
    last = message;
  };
}
