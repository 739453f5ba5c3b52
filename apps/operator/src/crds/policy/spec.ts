// One rule set of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy, `spec` and each of `specs`, and the status.
import type { JsonSchema } from "@tsilium/kube";
import {
  anyOne,
  described,
  exactlyOne,
  flag,
  kept,
  list,
  object,
  record,
  text,
  whole,
} from "../schema.ts";
import { authentication } from "./l7.ts";
import { dnsName, peers, services } from "./peers.ts";
import { allowedPorts, deniedPorts, icmps } from "./ports.ts";
import { selector } from "./selector.ts";

const allowed = { toPorts: allowedPorts, icmps, authentication };
const denied = { toPorts: deniedPorts, icmps };

const common = {
  ingress: described(
    "who may open connections to the selected pods; all others may not",
    list(kept({ ...peers("from"), ...allowed })),
  ),
  ingressDeny: described(
    "who may not, whatever else allows it",
    list(kept({ ...peers("from"), ...denied })),
  ),
  egress: described(
    "to whom the selected pods may open connections; to others they may not",
    list(kept({ ...peers("to"), toServices: services, toFQDNs: list(dnsName), ...allowed })),
  ),
  egressDeny: described(
    "to whom they may not, whatever else allows it",
    list(kept({ ...peers("to"), toServices: services, ...denied })),
  ),
  enableDefaultDeny: described(
    "false: what no rule allows is left to other policies, and allowed if there is none",
    kept({ ingress: flag, egress: flag }),
  ),
  description: text,
  labels: list(kept({ "key!": text, value: text, source: text })),
  log: kept({ value: { ...text, maxLength: 32 } }),
};

const rules = anyOne("ingress", "ingressDeny", "egress", "egressDeny");
const endpointSelector = described("the pods that are held to it, by their labels", selector);

/** @param subject "nodes": the rule set may select nodes in place of pods. */
export function specSchema(subject: "endpoints" | "nodes"): JsonSchema {
  if (subject === "endpoints")
    return kept({ "endpointSelector!": endpointSelector, ...common }, rules);
  const nodeSelector = described("the nodes that are held to it, by their labels", selector);
  return kept(
    { endpointSelector, nodeSelector, ...common },
    { ...exactlyOne("endpointSelector", "nodeSelector"), ...rules },
  );
}

/** Both kinds' root: one spec, or several. */
export function policySchema(subject: "endpoints" | "nodes"): JsonSchema {
  const spec = specSchema(subject);
  return kept(
    {
      apiVersion: text,
      kind: text,
      metadata: { type: "object" },
      spec: described("a rule set", spec),
      specs: described("several rule sets in one object", list(spec)),
      status: object({
        conditions: {
          ...list(
            object({
              "type!": text,
              "status!": text,
              reason: text,
              message: text,
              observedGeneration: described("generation that the condition speaks of", whole),
              lastTransitionTime: { ...text, format: "date-time" },
            }),
          ),
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["type"],
        },
        derivativePolicies: record({
          type: "object",
          "x-kubernetes-preserve-unknown-fields": true,
        }),
      }),
    },
    anyOne("spec", "specs"),
  );
}
