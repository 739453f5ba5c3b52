// What the agent did, as events of Hubble (GetAgentEvents): made of what the worker is told anyway. What is told as the
// state at the start happened before, and makes none.
import { AgentEventType } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import type { AgentEvent } from "@tsilium/hubble/model.ts";
import type { FeedItem } from "../feed/model.ts";

type Item<Kind extends FeedItem["kind"]> = Extract<FeedItem, { kind: Kind }>;
type Notification = AgentEvent["notification"];

export class AgentEvents {
  readonly #now: () => bigint;
  readonly #endpoints = new Map<number, Item<"endpoint">>();
  readonly #addresses = new Map<string, Item<"address">>();
  #isSynced = false;

  /** @param now UNIX time, nanoseconds */
  constructor(now: () => bigint) {
    this.#now = now;
  }

  /** The agent has started. */
  started(): AgentEvent {
    return this.#event(AgentEventType.AGENT_STARTED, { kind: "agentStart" });
  }

  /** What an item tells of; undefined: nothing that is new. */
  of(item: FeedItem): AgentEvent | undefined {
    const event = this.#noted(item);
    return this.#isSynced ? event : undefined;
  }

  #noted(item: FeedItem): AgentEvent | undefined {
    switch (item.kind) {
      case "synced":
        this.#isSynced = true;
        return undefined;
      case "endpoint":
        return this.#endpoint(item);
      case "endpoint-gone":
        return this.#endpointGone(item.id);
      case "address":
        return this.#address(item);
      case "address-gone":
        return this.#addressGone(item.prefix);
      case "policy":
        return this.#policy(item);
      case "self":
      case "identity":
      case "identity-gone":
      case "frontend":
      case "frontend-gone":
      case "interface":
      case "node":
      case "node-gone":
      case "rule":
        return undefined;
    }
  }

  #endpoint(item: Item<"endpoint">): AgentEvent | undefined {
    const isNew = !this.#endpoints.has(item.id);
    this.#endpoints.set(item.id, item);
    if (!isNew) return undefined;
    return this.#event(AgentEventType.ENDPOINT_CREATED, endpointUpdate(item));
  }

  #endpointGone(id: number): AgentEvent | undefined {
    const item = this.#endpoints.get(id);
    if (!item) return undefined;
    this.#endpoints.delete(id);
    return this.#event(AgentEventType.ENDPOINT_DELETED, endpointUpdate(item));
  }

  #address(item: Item<"address">): AgentEvent | undefined {
    const before = this.#addresses.get(item.prefix);
    this.#addresses.set(item.prefix, item);
    const isSame = before?.identity === item.identity && before.hostIp === item.hostIp;
    return isSame ? undefined : this.#event(AgentEventType.IPCACHE_UPSERTED, ipCacheUpdate(item));
  }

  #addressGone(prefix: string): AgentEvent | undefined {
    const item = this.#addresses.get(prefix);
    if (!item) return undefined;
    this.#addresses.delete(prefix);
    return this.#event(AgentEventType.IPCACHE_DELETED, ipCacheUpdate(item));
  }

  #policy({ ref, revision, rules, gone }: Item<"policy">): AgentEvent {
    const { kind, namespace, name } = ref;
    const labels = [
      `k8s:io.cilium.k8s.policy.derived-from=${kind}`,
      `k8s:io.cilium.k8s.policy.name=${name}`,
      ...(namespace === "" ? [] : [`k8s:io.cilium.k8s.policy.namespace=${namespace}`]),
    ];
    const type = gone ? AgentEventType.POLICY_DELETED : AgentEventType.POLICY_UPDATED;
    return this.#event(type, { kind: "policyUpdate", labels, revision, ruleCount: rules });
  }

  #event(type: number, notification: Notification): AgentEvent {
    return { timeNs: this.#now(), type, notification };
  }
}

function endpointUpdate({ id, labels, podName, namespace }: Item<"endpoint">): Notification {
  return { kind: "endpointUpdate", id, labels, error: "", podName, namespace };
}

function ipCacheUpdate(item: Item<"address">): Notification {
  const { prefix: cidr, identity, hostIp = "", namespace, podName } = item;
  return { kind: "ipCacheUpdate", cidr, identity, hostIp, namespace, podName };
}
