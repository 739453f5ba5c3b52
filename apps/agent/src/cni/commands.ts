// ADD, DEL, CHECK and what GC and STATUS ask, in terms of endpoints. ADD returns when the kernel has the pod;
// whatever fails on the way is undone before the error is reported.
import {
  type AddRequest,
  type AddResult,
  adoptChained,
  type Attachment,
  type CheckRequest,
  CniError,
  cniCode,
  type DeleteRequest,
  type EndpointDraft,
  EndpointError,
  type Endpoints,
  type GcRequest,
  hostInterfaceName,
  netnsCookie,
  type PassedOnResult,
  type PodInterfaces,
} from "@tsilium/endpoint";
import type { Endpoint, EndpointState } from "@tsilium/endpoint/model.ts";
import { initLabels } from "@tsilium/identity";
import type { Identity } from "@tsilium/identity/model.ts";
import type { PoolChoice } from "@tsilium/ipam/model.ts";
import type { Namespace, Pod } from "@tsilium/kube";
import { type Family, type Labels, Mac, Prefix } from "@tsilium/net";
import type { Logger, PartHealth } from "@tsilium/runtime";
import type { PodTraits } from "../policy/endpoint-policies.ts";
import { delegatedCheck, delegatedDelete } from "./delegated.ts";
import { type Addresses, delegationOf, type Lease, type LeaseOptions, takeLease } from "./lease.ts";
import type { PodFinder } from "./pods.ts";
import type { CniCommands } from "./service.ts";

export type EndpointCommandsOptions = {
  readonly endpoints: Endpoints;
  readonly interfaces: PodInterfaces;
  readonly pods: PodFinder;
  readonly labelsOf: (pod: Pod, namespace: Namespace) => Labels;
  readonly identities: {
    allocate(labels: Labels, signal: AbortSignal): Promise<Identity>;
    release(id: number): void;
  };
  readonly addresses: Addresses;
  readonly families: readonly Family[];
  /** Of attachments whose configuration does not say. */
  readonly chainingMode: LeaseOptions["chainingMode"];
  readonly whyForeign: LeaseOptions["whyForeign"];
  /** Which pools a pod's addresses come from; undefined: there is but one. */
  readonly poolOf?:
    | ((pod: Pod | undefined, namespace: Namespace | undefined) => PoolChoice)
    | undefined;
  /** Resolves when the kernel holds what the endpoint's row says (or holds nothing of it any more). */
  readonly inKernel: (endpoint: Endpoint, signal: AbortSignal) => Promise<void>;
  readonly policy: PodPolicies;
  readonly health: () => readonly PartHealth[];
  /** Why no pod could be added now although nothing is broken; undefined when one could. */
  readonly problem: () => string | undefined;
  readonly log: Logger;
};

/** What gives pods their policy. */
export type PodPolicies = {
  /** Resolves when the endpoint names a policy that the kernel holds. */
  assign(id: number, traits: PodTraits, signal: AbortSignal): Promise<void>;
  /** Resolves when the kernel knows whose the endpoint's addresses are. @throws EndpointError kernel_refused */
  place(endpoint: Endpoint, signal: AbortSignal): Promise<void>;
  /** What policy waits for; undefined: nothing. */
  readonly waitingFor: string | undefined;
};

/** Cilium's annotation for a MAC address of one's own choice. */
const macAnnotation = "cni.cilium.io/mac-address";
/** The API server has this long for what ADD must know of a pod; the runtime tries again. */
const apiPatienceMs = 10_000;
const connectedStates: ReadonlySet<EndpointState> = new Set([
  "ready",
  "regenerating",
  "waiting-for-identity",
  "waiting-to-regenerate",
]);
/** Policy has this long to be in force for a pod that is added. */
const policyPatienceMs = 10_000;
/** What removal waits for at most before it goes on regardless: rows leave by the reconciler's retries then. */
const removalPatienceMs = 10_000;

export class EndpointCommands implements CniCommands {
  readonly #options: EndpointCommandsOptions;

  constructor(options: EndpointCommandsOptions) {
    this.#options = options;
  }

  async add(request: AddRequest, signal: AbortSignal): Promise<AddResult | PassedOnResult> {
    const { endpoints, identities, poolOf, log } = this.#options;
    this.#refuseSecond(request.attachment);
    const startedAt = performance.now();
    await using undo = new AsyncDisposableStack();

    const { identity, ...traits } = await this.#learn(request, signal);
    undo.defer(() => identities.release(identity.id));
    const pool = poolOf?.(traits.pod, traits.namespace);
    const lease = await takeLease(request, ownerOf(request), { ...this.#options, pool, signal });
    undo.defer(() => lease.undo());
    const { id } = endpoints.create(draftOf(request, { identity, lease, pod: traits.pod }));
    undo.defer(() => this.#dismantle(id));
    endpoints.change(id, { state: "waiting-for-identity" });
    await this.#connect(id, traits, signal);

    const endpoint = endpoints.change(id, { attachedAt: new Date().toISOString() });
    signal.throwIfAborted();
    lease.confirm();
    undo.move();
    log.info(
      {
        ...subject(endpoint),
        identity: identity.id,
        durationMs: Math.round(performance.now() - startedAt),
      },
      "endpoint attached",
    );
    const { previousResult } = request.config;
    return lease.chained && previousResult
      ? { passedOn: previousResult.raw }
      : this.#result(endpoint);
  }

  async delete(request: Pick<DeleteRequest, "attachment"> & Partial<DeleteRequest>): Promise<void> {
    const { endpoints, interfaces, addresses } = this.#options;
    const { attachment, netns = "", config, invocation } = request;
    const endpoint = endpoints.find(attachment);
    if (endpoint) await this.#forget(endpoint);
    // An ADD of an agent that lost its state may have left an interface; its name says whose it is.
    else await interfaces.removeTogether(hostInterfaceName(attachment));
    if (addresses.mode !== "delegated-plugin") return;
    const asked = config && invocation ? delegationOf({ config, invocation }) : undefined;
    const delegation = asked ?? endpoint?.delegation;
    if (delegation) await delegatedDelete(delegation, { attachment, netns });
  }

  /** Removes an endpoint and everything it holds. */
  async remove(id: number): Promise<void> {
    const { endpoints, log } = this.#options;
    const endpoint = endpoints.get(id);
    if (!endpoint) return;
    await this.#forget(endpoint);
    if (!endpoint.delegation) return;
    const { containerId, containerInterface: ifName } = endpoint;
    try {
      await delegatedDelete(endpoint.delegation, {
        attachment: { containerId, ifName },
        netns: "",
      });
    } catch (error) {
      log.error({ ...subject(endpoint), error }, "another plugin did not take addresses back");
    }
  }

  /** All but what another plugin holds for it. */
  async #forget(endpoint: Endpoint): Promise<void> {
    const { addresses, identities, log } = this.#options;
    await this.#dismantle(endpoint.id);
    addresses.releasePair(endpoint);
    if (endpoint.identity !== 0) identities.release(endpoint.identity);
    log.info(subject(endpoint), "endpoint removed");
  }

  async check(request: CheckRequest): Promise<void> {
    const { attachment, netns } = request;
    const { delegation } = this.#inspect(request);
    if (delegation)
      await delegatedCheck(delegationOf(request) ?? delegation, { attachment, netns });
  }

  /** The endpoint of an attachment that is as ADD left it. @throws CniError, EndpointError */
  #inspect({ attachment, netns, previousResult }: CheckRequest): Endpoint {
    const { endpoints, interfaces } = this.#options;
    this.#refuseUnhealthy();
    const endpoint = endpoints.find(attachment);
    if (!endpoint) throw new EndpointError("unknown_endpoint", hostInterfaceName(attachment));
    // A pod that waits for a change of identity or policy is connected as it was.
    if (endpoint.attachedAt === undefined || !connectedStates.has(endpoint.state)) {
      throw mismatch(`endpoint ${endpoint.id} is ${endpoint.state}`);
    }
    if (!interfaces.find(endpoint.interfaceName)) {
      throw new EndpointError("interface_missing", `${endpoint.interfaceName} on the node`);
    }
    const found = interfaces.inspect(netns, attachment.ifName);
    if (!found) throw new EndpointError("interface_missing", `${attachment.ifName} in ${netns}`);
    if (!found.up) throw mismatch(`${attachment.ifName} is down`);
    const wantedMac = previousResult.interfaces.find(
      ({ name, sandbox }) => name === attachment.ifName && sandbox,
    )?.mac;
    if (wantedMac && found.mac?.toString() !== wantedMac.toLowerCase()) {
      throw mismatch(`${attachment.ifName} has the MAC address ${found.mac}, not ${wantedMac}`);
    }
    for (const wanted of previousResult.addresses) {
      if (!found.addresses.some((address) => isSameAddress(address, wanted))) {
        throw mismatch(`${attachment.ifName} has no address ${wanted}`);
      }
    }
    return endpoint;
  }

  status(): void {
    const failed = this.#failedParts();
    if (failed.some(({ name }) => name.startsWith("datapath"))) {
      throw new CniError(cniCode.limitedConnectivity, "the datapath is impaired", {
        details: listParts(failed),
      });
    }
    const details = failed.length > 0 ? listParts(failed) : this.#options.problem();
    if (details !== undefined)
      throw new CniError(cniCode.unavailable, "pods cannot be added", { details });
  }

  stale({ config, validAttachments }: GcRequest): Attachment[] {
    const valid = new Set(
      validAttachments.map(({ containerId, ifName }) => `${containerId}:${ifName}`),
    );
    return [...this.#options.endpoints.table.values()]
      .filter(({ network, attachedAt }) => network === config.name && attachedAt !== undefined)
      .map(({ containerId, containerInterface: ifName }) => ({ containerId, ifName }))
      .filter(({ containerId, ifName }) => !valid.has(`${containerId}:${ifName}`));
  }

  #refuseSecond(attachment: Attachment): void {
    const existing = this.#options.endpoints.find(attachment);
    if (!existing) return;
    throw new EndpointError("attachment_exists", `it is endpoint ${existing.id}; DEL it first`);
  }

  #refuseUnhealthy(): void {
    const failed = this.#failedParts();
    if (failed.length === 0) return;
    throw new CniError(cniCode.unhealthy, "the agent is not healthy", {
      details: listParts(failed),
    });
  }

  #failedParts(): PartHealth[] {
    return this.#options.health().filter(({ state }) => state === "failed");
  }

  /** What only the API server can tell of a pod that is added. @throws CniError 11 when it takes too long */
  async #learn(
    { pod: reference }: AddRequest,
    signal: AbortSignal,
  ): Promise<PodTraits & { identity: Identity }> {
    const { pods, labelsOf, identities } = this.#options;
    const late = AbortSignal.timeout(apiPatienceMs);
    const askable = AbortSignal.any([signal, late]);
    try {
      const found = reference ? await pods.find(reference, askable) : undefined;
      const labels = found ? labelsOf(found.pod, found.namespace) : initLabels;
      return {
        pod: found?.pod,
        namespace: found?.namespace,
        identity: await identities.allocate(labels, askable),
      };
    } catch (error) {
      if (signal.aborted || !late.aborted) throw error;
      throw new CniError(cniCode.tryAgainLater, "the API server did not answer", {
        details: `within ${apiPatienceMs / 1000} s, for ${podName(reference)}`,
        cause: error,
      });
    }
  }

  /** Policy first, then the row by which the pod's packets are let through at all. */
  async #connect(id: number, traits: PodTraits, signal: AbortSignal): Promise<void> {
    const { endpoints, interfaces, inKernel, policy } = this.#options;
    signal.throwIfAborted();
    const created = endpoints.get(id) as Endpoint;
    if (created.chained) adoptChained(created.netns, created.containerInterface, created);
    endpoints.change(id, {
      state: "waiting-to-regenerate",
      ifindex: created.chained ? created.ifindex : interfaces.create(created).index,
      netnsCookie: netnsCookie(created.netns),
    });
    const late = AbortSignal.timeout(policyPatienceMs);
    const both = AbortSignal.any([signal, late]);
    try {
      await policy.assign(id, traits, both);
      const endpoint = endpoints.get(id) as Endpoint;
      await inKernel(endpoint, both);
      await policy.place(endpoint, both);
    } catch (error) {
      if (signal.aborted || !late.aborted) throw error;
      throw new CniError(cniCode.tryAgainLater, "the pod's policy is not in force yet", {
        details: `within ${policyPatienceMs / 1000} s: waiting for ${policy.waitingFor ?? "the kernel"}`,
        cause: error,
      });
    }
  }

  async #dismantle(id: number): Promise<void> {
    const { endpoints, interfaces, inKernel, log } = this.#options;
    const endpoint = endpoints.disconnect(id);
    try {
      await inKernel(endpoint, AbortSignal.timeout(removalPatienceMs));
    } catch (error) {
      log.warn({ ...subject(endpoint), error }, "the kernel still holds rows of an endpoint");
    }
    if (!endpoint.chained) await interfaces.removeTogether(endpoint.interfaceName);
    endpoints.remove(id);
  }

  #result(endpoint: Endpoint): AddResult {
    const { gatewayIpv4, gatewayIpv6, deviceMtu, routeMtu } = this.#options.interfaces.network;
    const families = [
      { address: endpoint.ipv4, gateway: gatewayIpv4 },
      { address: endpoint.ipv6, gateway: gatewayIpv6 },
    ].flatMap(({ address, gateway }) => (address && gateway ? [{ address, gateway }] : []));
    return {
      host: { name: endpoint.interfaceName, mac: endpoint.nodeMac },
      container: {
        name: endpoint.containerInterface,
        mac: endpoint.mac,
        netns: endpoint.netns,
        mtu: deviceMtu,
      },
      addresses: families.map(({ address, gateway }) => ({
        prefix: Prefix.host(address),
        gateway,
      })),
      routes: families.flatMap(({ gateway }) => [
        { destination: Prefix.host(gateway), gateway: undefined, mtu: undefined },
        { destination: Prefix.of(gateway, 0, { mask: true }), gateway, mtu: routeMtu },
      ]),
    };
  }
}

function draftOf(
  { attachment, netns, config, pod: reference }: AddRequest,
  { identity, lease, pod }: { identity: Identity; lease: Lease; pod: Pod | undefined },
): EndpointDraft {
  const { pair, chained, delegation } = lease;
  return {
    attachment,
    netns,
    network: config.name,
    ipv4: pair.ipv4,
    ipv6: pair.ipv6,
    namespace: reference?.namespace ?? "",
    podName: reference?.name ?? "",
    podUid: pod?.metadata.uid ?? "",
    labels: identity.labels,
    identity: identity.id,
    mac: wantedMac(pod),
    delegation,
    existing: chained && {
      interfaceName: chained.interfaceName,
      ifindex: chained.ifindex,
      nodeMac: chained.nodeMac,
      mac: chained.mac,
    },
  };
}

function wantedMac(pod: Pod | undefined): Mac | undefined {
  const text = pod?.metadata.annotations?.[macAnnotation];
  if (text === undefined) return undefined;
  try {
    return Mac.parse(text);
  } catch (cause) {
    throw new CniError(cniCode.invalidConfig, `annotation ${macAnnotation} is not valid`, {
      details: text,
      cause,
    });
  }
}

function listParts(parts: readonly PartHealth[]): string {
  return parts.map(({ name, message }) => `${name}: ${message}`).join("; ");
}

function podName(reference: AddRequest["pod"]): string {
  return reference ? `pod ${reference.namespace}/${reference.name}` : "a container without a pod";
}

function ownerOf({ pod, attachment }: AddRequest): string {
  return pod ? `${pod.namespace}/${pod.name}` : attachment.containerId;
}

function isSameAddress(address: Prefix, text: string): boolean {
  try {
    return address.equals(Prefix.parse(text, { mask: true }));
  } catch {
    return false;
  }
}

function mismatch(message: string): EndpointError {
  return new EndpointError("interface_mismatch", message);
}

function subject({ id, namespace, podName, containerId }: Endpoint) {
  return { endpoint: id, pod: podName === "" ? undefined : `${namespace}/${podName}`, containerId };
}
