// Who is at the other end of a rule of Cilium's policies. `toEndpoints` and `fromEndpoints` differ in name alone.
import type { JsonSchema } from "@tsilium/kube";
import { choice, described, exactlyOne, kept, list, text } from "../schema.ts";
import { selector } from "./selector.ts";

const prefix: JsonSchema = { ...text, format: "cidr" };
/** A prefix, or an address that stands for itself alone. */
const prefixOrAddress: JsonSchema = {
  ...text,
  anyOf: [{ format: "cidr" }, { format: "ipv4" }, { format: "ipv6" }],
};

const anything: JsonSchema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

const entity = choice(
  "all",
  "world",
  "world-ipv4",
  "world-ipv6",
  "cluster",
  "cluster-mesh",
  "host",
  "init",
  "ingress",
  "unmanaged",
  "remote-node",
  "health",
  "none",
  "kube-apiserver",
);

const cidrRule = kept(
  {
    cidr: prefix,
    cidrGroupRef: described("name of a CiliumCIDRGroup", {
      ...text,
      maxLength: 253,
      pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    }),
    cidrGroupSelector: described("CiliumCIDRGroups by their labels", selector),
    except: described("prefixes within, which the rule does not match", list(prefix)),
  },
  exactlyOne("cidr", "cidrGroupRef", "cidrGroupSelector"),
);

/** Peers that a rule of either direction can name. */
export function peers(side: "from" | "to"): Record<string, JsonSchema> {
  return {
    [`${side}Endpoints`]: described(
      "pods by their labels; an empty list is nobody",
      list(selector),
    ),
    [`${side}Entities`]: described("peers by what they are", list(entity)),
    [`${side}CIDR`]: described("addresses outside the cluster", list(prefixOrAddress)),
    [`${side}CIDRSet`]: described("addresses outside the cluster, with exceptions", list(cidrRule)),
    [`${side}Nodes`]: described("nodes by their labels", list(selector)),
    [`${side}Groups`]: described("not supported: CiliumCIDRGroups are", list(anything)),
    [`${side}Requires`]: described(
      "gone from the API: empty, or absent",
      list(anything, { maxItems: 0 }),
    ),
  };
}

export const services = described(
  "Kubernetes Services",
  list(
    kept(
      {
        k8sService: kept({ serviceName: text, namespace: text }),
        k8sServiceSelector: kept({ "selector!": selector, namespace: text }),
      },
      exactlyOne("k8sService", "k8sServiceSelector"),
    ),
  ),
);

/** Labels between dots. Cilium's own expression for it takes for ever on some texts where engines backtrack. */
function dotted(label: string): JsonSchema {
  return { ...text, maxLength: 255, pattern: `^${label}([.]${label})*[.]?$` };
}

/** A DNS name in which `*` may stand for something. */
export const namePattern = dotted("[-a-zA-Z0-9_*]+");

/** A name of the DNS as it is, or with "*" in it. */
export const dnsName = kept(
  {
    matchName: dotted("[-a-zA-Z0-9_]+"),
    matchPattern: namePattern,
  },
  exactlyOne("matchName", "matchPattern"),
);
