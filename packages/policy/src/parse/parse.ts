// Policy objects, whatever their kind, into the one form that is compiled. Pure, and prepared for anything: an object is
// understood whole or refused with every fault it has and where.
import type { PolicyKind, PolicySpec } from "../model.ts";
import { parseGroup } from "./cidr-group.ts";
import { parseCiliumSpec } from "./cilium-spec.ts";
import { parseClusterSpec } from "./cluster-network-policy.ts";
import { Field, Report } from "./field.ts";
import { parseHead, type Head } from "./metadata.ts";
import { parseNetworkPolicySpec } from "./network-policy.ts";
import type { CidrGroupResult, ParseOptions, ParseResult } from "./result.ts";

type Kind = {
  readonly kind: PolicyKind;
  readonly apiVersion: string;
  readonly namespaced: boolean;
  /** Of Go's built-in types, to which null is nothing. */
  readonly builtIn?: true;
  readonly parse: (object: Field, head: Head, options: ParseOptions) => readonly PolicySpec[];
};

const kinds: readonly Kind[] = [
  {
    kind: "NetworkPolicy",
    apiVersion: "networking.k8s.io/v1",
    namespaced: true,
    builtIn: true,
    parse: (object, { ref }, options) =>
      list(parseNetworkPolicySpec(object.at("spec"), { namespace: ref.namespace, options })),
  },
  {
    kind: "CiliumNetworkPolicy",
    apiVersion: "cilium.io/v2",
    namespaced: true,
    parse: (object, { ref }, options) => parseCilium(object, ref.namespace, options),
  },
  {
    kind: "CiliumClusterwideNetworkPolicy",
    apiVersion: "cilium.io/v2",
    namespaced: false,
    parse: (object, _head, options) => parseCilium(object, undefined, options),
  },
  {
    kind: "ClusterNetworkPolicy",
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    namespaced: false,
    parse: (object, _head, options) => list(parseClusterSpec(object.at("spec"), options)),
  },
];

/** A policy object as the API server hands it out or a file holds it. Never throws. */
export function parsePolicy(object: unknown, options: ParseOptions): ParseResult {
  const kind = kindOf(object);
  const report = new Report({ nullIsAbsent: kind?.builtIn ?? false });
  const root = Field.root(object, report);
  if (kind === undefined) {
    refuseKind(root);
    return { ok: false, problems: report.problems };
  }
  // A section beside spec instead of in it, as a wrong indentation makes it, would be missed: it may be what denies.
  root.only(["apiVersion", "kind", "metadata", "spec", "specs", "status"]);
  const head = parseHead(root, kind.kind, kind.namespaced);
  const specs = head ? kind.parse(root, head, options) : [];
  if (head === undefined || report.problems.length > 0)
    return { ok: false, problems: report.problems };
  return { ok: true, policy: { ...head, specs }, warnings: report.warnings };
}

/** A CiliumCIDRGroup. Never throws. */
export function parseCidrGroup(object: unknown): CidrGroupResult {
  const report = new Report();
  const root = Field.root(object, report);
  const isGroup =
    root.at("apiVersion").value === "cilium.io/v2" && root.at("kind").value === "CiliumCIDRGroup";
  if (!isGroup) root.at("kind").problem("must be CiliumCIDRGroup of cilium.io/v2");
  const group = isGroup ? parseGroup(root) : undefined;
  if (group === undefined || report.problems.length > 0)
    return { ok: false, problems: report.problems };
  return { ok: true, group, warnings: report.warnings };
}

/** Which of our kinds an object is. */
function kindOf(object: unknown): Kind | undefined {
  const root = Field.root(object, new Report());
  return kinds.find(
    ({ kind, apiVersion }) =>
      root.at("kind").value === kind && root.at("apiVersion").value === apiVersion,
  );
}

function refuseKind(root: Field): void {
  if (!root.isObject()) return;
  const named = kinds.find(({ kind }) => root.at("kind").value === kind);
  if (named) root.at("apiVersion").problem(`must be ${named.apiVersion} for a ${named.kind}`);
  else root.at("kind").problem(`must be one of ${kinds.map(({ kind }) => kind).join(", ")}`);
}

/** `spec`, `specs` or both: each is a set of rules of its own. */
function parseCilium(
  object: Field,
  namespace: string | undefined,
  options: ParseOptions,
): readonly PolicySpec[] {
  const single = object.at("spec");
  const several = object.at("specs");
  if (!single.isGiven && !several.isGiven) single.problem("needs spec or specs");
  const items = several.items() ?? [];
  if (several.isGiven && items.length === 0) several.problem("needs at least one spec");
  return [...(single.isGiven ? [single] : []), ...items].flatMap((spec) =>
    list(parseCiliumSpec(spec, { namespace, options })),
  );
}

function list<T>(item: T | undefined): readonly T[] {
  return item === undefined ? [] : [item];
}
