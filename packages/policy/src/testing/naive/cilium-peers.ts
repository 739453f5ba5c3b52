// The peers of a Cilium rule: fromEndpoints, toEntities, toCIDRSet and so on.
import { isInBlock } from "./address.ts";
import type { CiliumContext } from "./cilium.ts";
import { type Encounter, isMeantByCidr, ownLabels, peerLabels, peerPod } from "./encounter.ts";
import type {
  CidrGroup,
  CidrRule,
  CiliumPeers,
  CiliumRule,
  EndpointSlice,
  LabelSelector,
  Service,
  ServiceRef,
} from "./objects.ts";
import { keysOf, selectsLabels, selectsSourced, type SourcedLabel } from "./selector.ts";

/**
 * Whether the rule is about the peer. Without any list of peers it is about everybody if it has ports, and about nobody
 * otherwise: `ingress: [{}]` allows nothing.
 */
export function isCiliumPeer(
  rule: CiliumRule,
  encounter: Encounter,
  context: CiliumContext,
): boolean {
  const peers = peersOf(rule, encounter.direction);
  if (Object.keys(peers).length === 0)
    return rule.toPorts !== undefined || rule.icmps !== undefined;
  return (
    (peers.Endpoints ?? []).some((selector) => isEndpoint(selector, encounter, context)) ||
    (peers.Entities ?? []).some((entity) => isEntity(entity, encounter)) ||
    (peers.CIDR ?? []).some((cidr) => isExternal({ cidr }, encounter, context)) ||
    (peers.CIDRSet ?? []).some((cidr) => isExternal(cidr, encounter, context)) ||
    (peers.Nodes ?? []).some((selector) => isNode(selector, encounter)) ||
    (peers.Services ?? []).some((service) => isBackend(service, encounter, context))
  );
  // FQDNs and Groups: no name is known to anybody, and no group has members.
}

function peersOf(rule: CiliumRule, direction: "ingress" | "egress"): CiliumPeers {
  const prefix = direction === "ingress" ? "from" : "to";
  return Object.fromEntries(
    Object.entries(rule)
      .filter(([key]) => key.startsWith(prefix) && key !== "toPorts")
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
}

/** A selector that says nothing of namespaces means the policy's own, or any; never the world or a node. */
function isEndpoint(
  selector: LabelSelector,
  encounter: Encounter,
  { namespace, isAboutInit }: CiliumContext,
): boolean {
  const labels = peerLabels(encounter);
  const keys = keysOf(selector);
  const isReserved = keys.some(({ source }) => source === "reserved");
  if (!isReserved && !isAboutInit) {
    const home = valueOf(labels, "io.kubernetes.pod.namespace");
    const ofPods = keys.filter(({ source }) => source === "k8s" || source === "any");
    const saysNamespace = ofPods.some(({ name }) => name === "io.kubernetes.pod.namespace");
    const saysLabels = ofPods.some(({ name }) => name.startsWith("io.cilium.k8s.namespace.labels"));
    if (namespace === undefined && !saysNamespace && home === undefined) return false;
    if (namespace !== undefined && !saysNamespace && !saysLabels && home !== namespace)
      return false;
  }
  return selectsSourced(selector, labels);
}

function valueOf(labels: readonly SourcedLabel[], wanted: string): string | undefined {
  return labels.find(({ source, key }) => source === "k8s" && key === wanted)?.value;
}

function isEntity(entity: string, encounter: Encounter): boolean {
  const labels = peerLabels(encounter);
  const is = (...names: readonly string[]) =>
    labels.some(({ source, key }) => source === "reserved" && names.includes(key));
  switch (entity) {
    case "all":
      return true;
    case "none":
      return false;
    case "world":
      return is("world", "world-ipv4", "world-ipv6");
    case "cluster":
      return (
        is("host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver") ||
        valueOf(labels, "io.cilium.k8s.policy.cluster") === encounter.world.clusterName
      );
    default:
      return is(entity);
  }
}

/** A block without its exceptions, of who can be meant by one. */
function isExternal(rule: CidrRule, encounter: Encounter, context: CiliumContext): boolean {
  const { address } = encounter;
  const isExcepted = (rule.except ?? []).some((block) => isInBlock(address, block));
  const isInside = blocksOf(rule, context).some((block) => isInBlock(address, block));
  return isMeantByCidr(encounter, context.settings) && isInside && !isExcepted;
}

function blocksOf(rule: CidrRule, { objects }: CiliumContext): readonly string[] {
  if (rule.cidr !== undefined) return [rule.cidr];
  return objects
    .filter((object): object is CidrGroup => object.kind === "CiliumCIDRGroup")
    .filter(
      ({ metadata }) =>
        metadata.name === rule.cidrGroupRef ||
        (rule.cidrGroupSelector !== undefined &&
          selectsLabels(rule.cidrGroupSelector, metadata.labels ?? {})),
    )
    .flatMap(({ spec }) => spec.externalCIDRs ?? []);
}

/** Other nodes than the pod's own, by the labels that nodes have: no pod can pretend to be one. */
function isNode(selector: LabelSelector, encounter: Encounter): boolean {
  const { peer, subject } = encounter;
  if (peer.kind !== "node" || peer.node.name === subject.node) return false;
  return selectsLabels(selector, peer.node.labels);
}

/** A service's pods, or, where it selects none itself, the addresses of its EndpointSlices. */
function isBackend(ref: ServiceRef, encounter: Encounter, context: CiliumContext): boolean {
  const services = context.objects.filter((object): object is Service => object.kind === "Service");
  return services
    .filter((service) => isMeantBy(ref, service))
    .some(({ spec, metadata }) => {
      const namespace = metadata.namespace ?? "default";
      if (spec.selector) {
        const pod = peerPod(encounter);
        return (
          pod?.namespace === namespace &&
          selectsLabels({ matchLabels: spec.selector }, ownLabels(pod))
        );
      }
      return slicesOf(metadata.name, namespace, context).some(({ endpoints }) =>
        (endpoints ?? []).some(({ addresses }) =>
          addresses.some((cidr) => isExternal({ cidr }, encounter, context)),
        ),
      );
    });
}

function isMeantBy({ k8sService, k8sServiceSelector }: ServiceRef, { metadata }: Service): boolean {
  const namespace = metadata.namespace ?? "default";
  if (k8sService)
    return k8sService.serviceName === metadata.name && k8sService.namespace === namespace;
  if (!k8sServiceSelector) return false;
  const wanted = k8sServiceSelector.namespace;
  return (
    (wanted === undefined || wanted === "" || wanted === namespace) &&
    selectsLabels(k8sServiceSelector.selector ?? {}, metadata.labels ?? {})
  );
}

function slicesOf(service: string, namespace: string, { objects }: CiliumContext): EndpointSlice[] {
  return objects.filter(
    (object): object is EndpointSlice =>
      object.kind === "EndpointSlice" &&
      (object.metadata.namespace ?? "default") === namespace &&
      object.metadata.labels?.["kubernetes.io/service-name"] === service,
  );
}
