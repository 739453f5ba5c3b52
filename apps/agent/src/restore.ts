// Takes up the endpoints that an earlier agent of this node left, and undoes those it left half made.
import {
  type Endpoints,
  netnsCookie,
  netnsExists,
  type PodInterfaces,
  type StateFiles,
} from "@tsilium/endpoint";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Labels } from "@tsilium/net";
import type { Address } from "@tsilium/net";
import type { Pod } from "@tsilium/kube";
import type { Table } from "@tsilium/tables";
import type { Logger } from "@tsilium/runtime";

export type RestoreOptions = {
  readonly files: StateFiles;
  readonly endpoints: Endpoints;
  readonly addresses: { restore(address: Address, owner: string): void };
  readonly identities: { restore(id: number, labels: Labels): unknown };
  readonly log: Logger;
};

/**
 * Reads every endpoint on disk into the table, as "restoring", with its addresses and its identity held. What
 * cannot be read or held is left on disk and said in the log: it is nobody's by then.
 */
export function restoreEndpoints({
  files,
  endpoints,
  addresses,
  identities,
  log,
}: RestoreOptions): void {
  const { endpoints: found, invalid } = files.readAll();
  for (const { file, error } of invalid)
    log.error({ file, error }, "an endpoint's state cannot be read");
  for (const endpoint of found) {
    try {
      endpoints.restore(endpoint);
      for (const address of [endpoint.ipv4, endpoint.ipv6]) {
        if (address) addresses.restore(address, ownerOf(endpoint));
      }
    } catch (error) {
      log.error({ endpoint: endpoint.id, error }, "an endpoint cannot be restored as it was");
    }
    if (endpoint.identity !== 0) identities.restore(endpoint.identity, endpoint.labels);
  }
}

export type AdoptOptions = {
  readonly endpoints: Endpoints;
  readonly interfaces: PodInterfaces;
  /** Removes an endpoint and everything it holds. */
  readonly remove: (id: number) => Promise<void>;
  readonly log: Logger;
};

/**
 * Puts restored endpoints back to work; those whose ADD never ended, or whose interface or namespace is gone,
 * are removed. Queued DELs must have been replayed.
 */
export async function adoptRestored({
  endpoints,
  interfaces,
  remove,
  log,
}: AdoptOptions): Promise<void> {
  const restoring = [...endpoints.table.values()].filter(({ state }) => state === "restoring");
  for (const endpoint of restoring) {
    const link = interfaces.find(endpoint.interfaceName);
    const problem =
      endpoint.attachedAt === undefined
        ? "its ADD never ended"
        : link === undefined
          ? `its interface ${endpoint.interfaceName} is gone`
          : netnsExists(endpoint.netns)
            ? undefined
            : `its namespace ${endpoint.netns} is gone`;
    if (problem === undefined && link) {
      endpoints.change(endpoint.id, {
        state: "waiting-to-regenerate",
        ...(link.index === endpoint.ifindex ? {} : { ifindex: link.index }),
        // An agent of before there were cookies left none.
        ...(endpoint.netnsCookie === 0n ? { netnsCookie: netnsCookie(endpoint.netns) } : {}),
      });
    } else {
      log.info({ endpoint: endpoint.id, reason: problem }, "a restored endpoint is removed");
      await remove(endpoint.id);
    }
  }
  log.info({ restored: restoring.length, kept: endpoints.table.size }, "endpoints restored");
}

export type PodlessOptions = Pick<AdoptOptions, "endpoints" | "remove" | "log"> & {
  /** Pods of this node, complete. */
  readonly pods: Table<Pod>;
  /** Endpoints created before this moment are looked at; the others' pods may be news to the watch. */
  readonly before: string;
};

/** Removes endpoints whose pod was deleted while no agent was there to be told. */
export async function removePodless({
  endpoints,
  pods,
  remove,
  before,
  log,
}: PodlessOptions): Promise<void> {
  for (const endpoint of endpoints.table.values().toArray()) {
    if (endpoint.podName === "" || endpoint.createdAt >= before) continue;
    const pod = pods.get(`${endpoint.namespace}/${endpoint.podName}`);
    if (pod?.metadata.uid === endpoint.podUid) continue;
    log.info(
      { endpoint: endpoint.id, reason: "its pod is gone" },
      "a restored endpoint is removed",
    );
    await remove(endpoint.id);
  }
}

function ownerOf({ namespace, podName, containerId }: Endpoint): string {
  return podName === "" ? containerId : `${namespace}/${podName}`;
}
