// The smallest rule that would allow one denied flow: its two ends' labels, its port, nothing else. Works in a
// browser too.
import type { Flow } from "@tsilium/hubble/model.ts";
import { type PolicyManifest, policyManifest, type RulePeer } from "./manifest.ts";
import { objectName, partyName } from "./names.ts";
import { type Party, partyOf } from "./party.ts";
import { type FlowPort, portOf } from "./port.ts";
import { writeYaml } from "./yaml.ts";

export type SmallestRule =
  | {
      readonly kind: "rule";
      /** The direction of the rule, as the pods that it selects see it. */
      readonly direction: "ingress" | "egress";
      /** A CiliumNetworkPolicy with one rule, ready to be applied. */
      readonly policy: PolicyManifest;
      /** `policy` as YAML. */
      readonly yaml: string;
      /** Sentences for people: what else to know before applying it. */
      readonly remarks: readonly string[];
    }
  /** No rule can allow it: `reason` is a sentence for people. */
  | { readonly kind: "none"; readonly reason: string };

/**
 * The rule that the denying side lacks (`flow.direction`). The other side may deny the flow as well: its own drop tells.
 * Whether the flow was denied is not looked at, but a deny rule that did it is remarked on.
 */
export function smallestRule(flow: Flow): SmallestRule {
  const direction = ruleDirection(flow);
  if (direction === undefined) return none("The flow does not say at whose side it was seen.");
  const port = portOf(flow);
  if (port === undefined) return none("Rules can name TCP, UDP, SCTP and ICMP only.");
  if (flow.isReply) return none("It is a reply: these are allowed with what they answer.");
  const [from, to] = [partyOf(flow.source), partyOf(flow.destination)];
  const [subject, peer] = direction === "egress" ? [from, to] : [to, from];
  if (subject?.kind !== "pods") return none("The side that it was seen at is not a pod.");
  if (peer === undefined) return none("Nobody knows who was at the other end.");
  const address = direction === "egress" ? flow.ip?.destination : flow.ip?.source;
  const policy = policyOf({ subject, peer: rulePeer(peer, subject, address), direction, port });
  return { kind: "rule", direction, policy, yaml: writeYaml([policy]), remarks: remarks(flow) };
}

function ruleDirection({ direction }: Flow): "ingress" | "egress" | undefined {
  if (direction === 1) return "ingress";
  return direction === 2 ? "egress" : undefined;
}

function none(reason: string): SmallestRule {
  return { kind: "none", reason };
}

type Needed = {
  readonly subject: Party & { readonly kind: "pods" };
  readonly peer: RulePeer;
  readonly direction: "ingress" | "egress";
  readonly port: FlowPort;
};

function policyOf({ subject, peer, direction, port }: Needed): PolicyManifest {
  const word = direction === "egress" ? "to" : "from";
  const ending = port.kind === "icmp" ? `icmp-${port.type}` : `${port.port}-${port.protocol}`;
  return policyManifest({
    kind: "CiliumNetworkPolicy",
    name: objectName("allow", partyName(subject), word, partyName(peer), ending),
    subject: { namespace: subject.namespace, labels: subject.labels, absent: [] },
    [direction]: [{ peers: [peer], ports: [port] }],
  });
}

/** The world is large: of somebody outside the cluster the rule names the address. */
function rulePeer(
  peer: Party,
  { cluster }: Needed["subject"],
  address: string | undefined,
): RulePeer {
  if (peer.kind === "entity") {
    const isKnown = peer.name === "world" && address !== undefined;
    return isKnown ? { kind: "address", address } : peer;
  }
  return { ...peer, absent: [], cluster: peer.cluster === cluster ? "" : peer.cluster };
}

function remarks(flow: Flow): string[] {
  const denied = [...flow.ingressDeniedBy, ...flow.egressDeniedBy];
  const denyRule = flow.dropReason === denyRuleReason;
  const found: string[] = [];
  if (denyRule) {
    const names = denied.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`);
    const who = names.length === 0 ? "A deny rule" : `A deny rule of ${names.join(", ")}`;
    found.push(`${who} denies it: deny rules win over this one, so change that policy.`);
  }
  if (denied.length === 0 && flow.verdict !== droppedVerdict)
    found.push("Where no policy selects the pods yet, this one isolates them in its direction.");
  return found;
}

/** flow.DropReason POLICY_DENY: a rule, not the lack of one. */
const denyRuleReason = 181;
const droppedVerdict = 2;
