// The pods of this node that a local redirect policy sends traffic to.
import type { Family } from "@tsilium/net";
import { addWarning } from "../kube/field.ts";
import { type ParsedPod, parsePod } from "../kube/pod.ts";
import type { ParsedRedirect, RedirectPort, RedirectRule } from "../kube/redirect-policy.ts";
import {
  type BackendPool,
  type DecidedBackend,
  endpointText,
  type ServiceProtocol,
  serviceProtocols,
  type ServiceWarning,
} from "../model.ts";
import { chooseCluster } from "./choose.ts";
import type { LocalPod, ServiceContext } from "./context.ts";
import { withoutTwins } from "./pool.ts";

/** What of a frontend decides where it is redirected to. */
export type RedirectedPort = {
  readonly portName: string;
  readonly port: number;
  readonly protocol: ServiceProtocol;
  readonly family: Family;
};

export type RedirectBackends = {
  readonly pool: BackendPool;
  /** Not empty. */
  readonly chosen: readonly DecidedBackend[];
  /** Network namespaces that are not redirected. */
  readonly exceptions: readonly bigint[];
};

export type RedirectQuestion = ServiceContext & { readonly warnings: ServiceWarning[] };

/** undefined: no pod of the node can serve that port now, and it is not redirected. */
export function redirectBackends(
  { head }: ParsedRedirect,
  rule: RedirectRule,
  at: RedirectedPort & RedirectQuestion,
): RedirectBackends | undefined {
  const backendPort = backendPortFor(rule, at);
  if (!backendPort) return undefined;
  const pods = selectedPods(head.namespace, rule, at);
  const byName = rule.backendPorts.length > 1;
  const backends = withoutTwins(
    pods
      .filter(({ parsed }) => declares(parsed, backendPort, byName))
      .flatMap((pod) => backendOf(pod, backendPort, { ...at, rule }) ?? []),
  );
  const chosen = chooseCluster(backends, { facts: at.facts, heedsHints: false });
  if (chosen.length === 0) return undefined;
  const key = `${at.port}/${serviceProtocols[at.protocol]}/${at.family}/redirect`;
  return { pool: { key, backends }, chosen, exceptions: rule.skipsBackends ? cookiesOf(pods) : [] };
}

/** The only one, or the one of the same name. */
function backendPortFor(
  { backendPorts }: RedirectRule,
  { portName, protocol }: RedirectedPort,
): RedirectPort | undefined {
  const name = portName.toLowerCase();
  return backendPorts.find(
    (port) => port.protocol === protocol && (backendPorts.length === 1 || port.name === name),
  );
}

type SelectedPod = { readonly parsed: ParsedPod; readonly netnsCookie: bigint | undefined };

function selectedPods(
  namespace: string,
  { selects }: RedirectRule,
  { localPods = [], facts }: RedirectQuestion,
): SelectedPod[] {
  return localPods.flatMap(({ pod, netnsCookie }: LocalPod) => {
    const parsed = parsePod(pod);
    if (!parsed || parsed.head.namespace !== namespace || parsed.nodeName !== facts.name) return [];
    if (parsed.isFinished || !selects(parsed.head.labels)) return [];
    return { parsed, netnsCookie: parsed.hostNetwork ? undefined : netnsCookie || undefined };
  });
}

function declares({ ports }: ParsedPod, wanted: RedirectPort, byName: boolean): boolean {
  return ports.some(
    ({ port, protocol, name }) =>
      port === wanted.port &&
      protocol === wanted.protocol &&
      (!byName || name.toLowerCase() === wanted.name),
  );
}

type BackendOptions = RedirectedPort & RedirectQuestion & { readonly rule: RedirectRule };

function backendOf(
  { parsed, netnsCookie }: SelectedPod,
  { port, protocol }: RedirectPort,
  { family, rule, facts, warnings }: BackendOptions,
): DecidedBackend | undefined {
  const address = parsed.addresses.find((each) => each.family === family);
  if (!address) return undefined;
  // It would be sent to itself when it asks for what it stands in for.
  const loops = rule.skipsBackends && netnsCookie === undefined;
  if (loops && parsed.isReady)
    addWarning(warnings, {
      path: "spec.skipRedirectFromBackend",
      message: `pod ${parsed.head.name} has no network namespace of its own that is known: not used`,
    });
  const isReady = parsed.isReady && !loops;
  return {
    key: endpointText(address, port, protocol),
    address,
    port,
    protocol,
    state: parsed.head.isDeleted ? "terminating" : isReady ? "active" : "maintenance",
    serving: isReady,
    nodeName: facts.name,
    zone: facts.zone,
    weight: 100,
    forZones: undefined,
    forNodes: undefined,
  };
}

/** Not only of pods that are ready: they may need what they stand in for to become so. */
function cookiesOf(pods: readonly SelectedPod[]): bigint[] {
  const cookies = new Set(pods.flatMap(({ netnsCookie }) => netnsCookie ?? []));
  return [...cookies].toSorted((a, b) => (a < b ? -1 : 1));
}
