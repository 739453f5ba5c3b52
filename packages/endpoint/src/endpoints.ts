// The endpoints of this node: one table, kept on disk, changed only along the life cycle.
import { Mac } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import type { Attachment } from "./cni/environment.ts";
import { EndpointError } from "./error.ts";
import { EndpointIds } from "./ids.ts";
import type { Delegation, Endpoint, EndpointState } from "./model.ts";
import { attachmentKey, hostInterfaceName } from "./names.ts";
import type { StateFiles } from "./state-files.ts";
import { mayBecome } from "./states.ts";

/** What is known of an endpoint before anything was done for it. */
export type EndpointDraft = Pick<
  Endpoint,
  "netns" | "network" | "ipv4" | "ipv6" | "namespace" | "podName" | "podUid" | "labels"
> & {
  readonly attachment: Attachment;
  readonly identity: number;
  /** The pod's MAC address; a random one when absent. */
  readonly mac?: Mac | undefined;
  /** Of an interface that is there already, made by another plugin. */
  readonly existing?: Pick<Endpoint, "interfaceName" | "nodeMac" | "ifindex" | "mac"> | undefined;
  readonly delegation?: Delegation | undefined;
};

/** Fields that may change while an endpoint lives. */
export type EndpointChange = Partial<
  Pick<Endpoint, "ifindex" | "netnsCookie" | "labels" | "identity" | "attachedAt" | "policy">
> & {
  readonly state?: EndpointState;
};

export class Endpoints {
  /** Keyed by ID in decimal; index "attachment" by "containerID:ifname", "pod" by "namespace/name". */
  readonly table: Table<Endpoint> = new Table<Endpoint>({
    name: "endpoints",
    key: ({ id }) => String(id),
    indexes: {
      attachment: (row) => [
        attachmentKey({ containerId: row.containerId, ifName: row.containerInterface }),
      ],
      pod: (row) => (row.podName === "" ? [] : [`${row.namespace}/${row.podName}`]),
    },
  });
  readonly #files: StateFiles;
  readonly #ids = new EndpointIds();

  constructor(files: StateFiles) {
    this.#files = files;
  }

  get(id: number): Endpoint | undefined {
    return this.table.get(String(id));
  }

  /** The endpoint of an attachment, whatever its state. */
  find(attachment: Attachment): Endpoint | undefined {
    return this.table.by("attachment", attachmentKey(attachment))[0];
  }

  /**
   * A new endpoint, "creating", on disk before anything is made for it: what a crash leaves behind can then
   * be found and undone.
   * @throws EndpointError attachment_exists, id_exhausted
   */
  create(draft: EndpointDraft): Endpoint {
    const { attachment, existing: taken, delegation, ...rest } = draft;
    const existing = this.find(attachment);
    if (existing) {
      throw new EndpointError(
        "attachment_exists",
        `${attachmentKey(attachment)} is endpoint ${existing.id}, ${existing.state}`,
      );
    }
    const endpoint: Endpoint = {
      ...rest,
      id: this.#ids.allocate(),
      state: "creating",
      containerId: attachment.containerId,
      containerInterface: attachment.ifName,
      interfaceName: hostInterfaceName(attachment),
      ifindex: 0,
      netnsCookie: 0n,
      mac: rest.mac ?? Mac.random(),
      nodeMac: Mac.random(),
      ...(taken ? { ...taken, chained: true } : {}),
      ...(delegation ? { delegation } : {}),
      createdAt: new Date().toISOString(),
      attachedAt: undefined,
    };
    try {
      this.#files.write(endpoint);
    } catch (error) {
      this.#ids.release(endpoint.id);
      throw error;
    }
    this.table.upsert(endpoint);
    return endpoint;
  }

  /**
   * Takes an endpoint up again that an earlier agent left, as "restoring".
   * @throws EndpointError id_in_use, attachment_exists
   */
  restore(found: Endpoint): Endpoint {
    const { containerId, containerInterface: ifName } = found;
    if (this.find({ containerId, ifName })) {
      throw new EndpointError("attachment_exists", `${containerId}:${ifName} is on disk twice`);
    }
    this.#ids.take(found.id);
    const endpoint: Endpoint = { ...found, state: "restoring" };
    this.table.upsert(endpoint);
    return endpoint;
  }

  /**
   * Changes an endpoint; the disk follows unless only its state or its policy changed, which a restart forgets anyway.
   * @throws EndpointError unknown_endpoint, illegal_transition
   */
  change(id: number, change: EndpointChange): Endpoint {
    const before = this.#require(id);
    const after: Endpoint = { ...before, ...change };
    if (!mayBecome(before.state, after.state)) {
      throw new EndpointError(
        "illegal_transition",
        `endpoint ${id} cannot go from ${before.state} to ${after.state}`,
      );
    }
    const isOnDisk = (field: string) => field !== "state" && field !== "policy";
    if (Object.keys(change).some(isOnDisk)) this.#files.write(after);
    this.table.upsert(after);
    return after;
  }

  /**
   * Says that an endpoint goes away: from then on it is in no other table and its rows leave the kernel.
   * Idempotent.
   */
  disconnect(id: number): Endpoint {
    const { state } = this.#require(id);
    return state === "disconnecting" || state === "disconnected"
      ? this.#require(id)
      : this.change(id, { state: "disconnecting" });
  }

  /** Forgets an endpoint whose every trace is gone, on disk too. @throws EndpointError unknown_endpoint */
  remove(id: number): void {
    this.disconnect(id);
    this.change(id, { state: "disconnected" });
    this.#files.remove(id);
    this.table.delete(String(id));
    this.#ids.release(id);
  }

  #require(id: number): Endpoint {
    const endpoint = this.get(id);
    if (endpoint) return endpoint;
    throw new EndpointError("unknown_endpoint", `there is no endpoint ${id}`);
  }
}
