// An agent's policy state (GET /v1/policy/state) as this process compiles it once more: everybody in the cluster is a
// subject, not only the pods of that agent's node.
import { Labels, Prefix } from "@tsilium/net";
import { parseCidrGroup, parsePolicy } from "@tsilium/policy";
import type { CidrGroup, Policy, PolicyService, Subject } from "@tsilium/policy/model.ts";
import type { EngineInput, EngineSettings } from "@tsilium/policy-test";
import type { PolicyState } from "../api.ts";

/** Names of pods, by their identity. */
export function podsByIdentity(state: PolicyState): ReadonlyMap<number, readonly string[]> {
  const namespaces = new Map(
    state.identities.map(({ id, labels }) => [
      id,
      Labels.parse(labels).get("io.kubernetes.pod.namespace", "k8s"),
    ]),
  );
  const found = new Map<number, Set<string>>();
  for (const { identity, owner } of state.addresses) {
    const [namespace, name, uid] = owner.split("/");
    if (uid === undefined || namespace !== namespaces.get(identity)) continue;
    const names = found.get(identity) ?? new Set();
    found.set(identity, names.add(`${namespace}/${name}`));
  }
  return new Map([...found].map(([id, names]) => [id, [...names].toSorted()]));
}

/** What is not valid is left out, as it is by agents. */
export function engineInput(state: PolicyState): EngineInput {
  return {
    policies: state.policies.flatMap((object) => understood(object, state)),
    cidrGroups: state.cidrGroups.flatMap(groupOf),
    services: state.services.map(serviceOf),
    identities: state.identities.map(({ id, labels, namedPorts }) => ({
      id,
      labels: Labels.parse(labels),
      namedPorts,
    })),
    subjects: subjectsOf(state),
    addresses: state.addresses.map(({ prefix, identity }) => ({
      prefix: Prefix.parse(prefix),
      identity,
    })),
  };
}

export function engineSettingsOf({ settings }: PolicyState): EngineSettings {
  return { ...settings, labels: [], families: settings.dualStack ? [4, 6] : [4] };
}

function understood(object: object, { settings }: PolicyState): Policy[] {
  const result = parsePolicy(object, settings);
  return result.ok ? [result.policy] : [];
}

function groupOf(object: object): CidrGroup[] {
  const result = parseCidrGroup(object);
  return result.ok ? [result.group] : [];
}

function serviceOf(service: PolicyState["services"][number]): PolicyService {
  const { namespace, name, labels, selector, backends } = service;
  return {
    namespace,
    name,
    labels: Labels.parse(labels),
    selector,
    backends: backends.map((text) => Prefix.parse(text)),
  };
}

/**
 * One for each identity of pods. Audit mode of single pods and namespaces is known of this node's alone: of others it
 * counts as off.
 */
function subjectsOf({ identities, subjects }: PolicyState): Subject[] {
  const audited = new Set(subjects.filter(({ audit }) => audit).map(({ identity }) => identity));
  return identities
    .map(({ labels, ...rest }) => ({ ...rest, labels: Labels.parse(labels) }))
    .filter(({ labels }) => isPod(labels))
    .map(({ id: identity, labels, namedPorts }, at) => ({
      id: at + 1,
      identity,
      labels,
      namedPorts,
      audit: audited.has(identity),
    }));
}

function isPod(labels: Labels): boolean {
  return labels.has("io.kubernetes.pod.namespace", "k8s") || labels.has("init", "reserved");
}
