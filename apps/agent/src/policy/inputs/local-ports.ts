// Tells the named ports of this node's endpoints, which nobody needs to be asked for.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Pod } from "@tsilium/kube";
import type { Table } from "@tsilium/tables";
import type { NamedPorts } from "./named-ports.ts";
import { namedPortsOf } from "./pod-traits.ts";

export type LocalPortsOptions = {
  readonly namedPorts: NamedPorts;
  /** Indexed by "pod". */
  readonly endpoints: Table<Endpoint>;
  /** Pods of this node, keyed "namespace/name". */
  readonly pods: Table<Pod>;
};

/** From now on, until disposed of. */
export function keepLocalPorts({ namedPorts, endpoints, pods }: LocalPortsOptions): Disposable {
  const subscriptions = new DisposableStack();
  const tell = (endpoint: Endpoint) => {
    const { id, identity, namespace, podName, podUid } = endpoint;
    const pod = podName === "" ? undefined : pods.get(`${namespace}/${podName}`);
    const isIts = pod?.metadata.uid === podUid;
    namedPorts.set(`endpoint/${id}`, identity, isIts ? namedPortsOf(pod) : []);
  };
  subscriptions.use(
    endpoints.subscribe(
      ({ kind, row }) => {
        if (kind === "delete" || isLeaving(row)) namedPorts.delete(`endpoint/${row.id}`);
        else tell(row);
      },
      { replay: true },
    ),
  );
  subscriptions.use(
    pods.subscribe(({ kind, row }) => {
      if (kind === "upsert")
        for (const endpoint of endpoints.by("pod", pods.key(row)))
          if (!isLeaving(endpoint)) tell(endpoint);
    }),
  );
  return subscriptions;
}

function isLeaving({ state, identity }: Endpoint): boolean {
  return identity === 0 || state === "disconnecting" || state === "disconnected";
}
