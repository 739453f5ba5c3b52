// networking.k8s.io/v1 NetworkPolicy: which pods may be reached by whom, and reach whom.
import { Prefix } from "@tsilium/net";
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import { selectorCauses, selectorText, type LabelSelector } from "../objects/label-selector.ts";
import type { ApiObject } from "../objects/object.ts";
import { ageColumn, textColumn } from "../table/columns.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { labelSelector, protocol, shape } from "./shape.ts";

type Port = {
  readonly port?: number | string;
  readonly endPort?: number;
};
type IpBlock = { readonly cidr: string; readonly except?: readonly string[] };
type Peer = {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: IpBlock;
};
type Rule = {
  readonly ports?: readonly Port[];
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
};
type Spec = {
  readonly podSelector: LabelSelector;
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
  policyTypes?: readonly string[];
};

const specOf = (object: ApiObject) => object["spec"] as Spec;

const ports = shape.list(
  shape.object({
    protocol,
    port: shape.intOrString,
    endPort: shape.integer(1, 65535),
  }),
);
const peers = shape.list(
  shape.object({
    podSelector: labelSelector,
    namespaceSelector: labelSelector,
    ipBlock: shape.object({
      "cidr!": shape.string(),
      except: shape.list(shape.string()),
    }),
  }),
);

export const networkPolicies: Kind = builtin({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  plural: "networkpolicies",
  shortNames: ["netpol"],
  schema: shape.object({
    spec: shape.object(
      {
        // Absent means the same as empty: every pod of the namespace.
        podSelector: { ...labelSelector, default: {} },
        ingress: shape.list(shape.object({ ports, from: peers })),
        egress: shape.list(shape.object({ ports, to: peers })),
        policyTypes: shape.list(shape.oneOf(["Ingress", "Egress"])),
      },
      { default: {} },
    ),
  }),
  columns: [
    textColumn("Pod-Selector", (object) => selectorText(specOf(object).podSelector)),
    ageColumn,
  ],
  strategy: { prepare, validate },
});

function prepare(object: ApiObject): void {
  const spec = specOf(object);
  if ((spec.policyTypes ?? []).length > 0) return;
  spec.policyTypes = spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
}

function validate(object: ApiObject): Cause[] {
  const spec = specOf(object);
  const causes = selectorCauses(spec.podSelector, "spec.podSelector");
  for (const direction of ["ingress", "egress"] as const) {
    spec[direction]?.forEach((rule, index) => {
      const at = `spec.${direction}[${index}]`;
      const side = direction === "ingress" ? "from" : "to";
      rule.ports?.forEach((port, nth) => causes.push(...portCauses(port, `${at}.ports[${nth}]`)));
      rule[side]?.forEach((peer, nth) => causes.push(...peerCauses(peer, `${at}.${side}[${nth}]`)));
    });
  }
  if ((spec.policyTypes ?? []).length > 2) {
    causes.push(
      field.invalid(
        "spec.policyTypes",
        spec.policyTypes,
        "may not specify more than two policyTypes",
      ),
    );
  }
  return causes;
}

function portCauses({ port, endPort }: Port, at: string): Cause[] {
  const causes: Cause[] = [];
  if (typeof port === "number" && (port < 1 || port > 65535))
    causes.push(field.invalid(`${at}.port`, port, "must be between 1 and 65535, inclusive"));
  if (typeof port === "string") {
    const fault = portNameFault(port);
    if (fault) causes.push(field.invalid(`${at}.port`, port, fault));
  }
  if (endPort === undefined) return causes;
  const fault =
    port === undefined
      ? "may not be specified when `port` is not specified"
      : typeof port === "string"
        ? "may not be specified when `port` is non-numeric"
        : endPort < port
          ? "must be greater than or equal to `port`"
          : undefined;
  if (fault) causes.push(field.invalid(`${at}.endPort`, endPort, fault));
  return causes;
}

/** RFC 6335 5.1, as far as Kubernetes goes. */
function portNameFault(name: string): string | undefined {
  if (name.length > 15) return "must be no more than 15 characters";
  if (!/^[-a-z0-9]+$/.test(name))
    return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
  if (!/[a-z]/.test(name)) return "must contain at least one letter (a-z)";
  if (name.includes("--")) return "must not contain consecutive hyphens";
  if (/^-|-$/.test(name)) return "must not begin or end with a hyphen";
  return undefined;
}

function peerCauses(peer: Peer, at: string): Cause[] {
  const causes: Cause[] = [];
  for (const name of ["podSelector", "namespaceSelector"] as const) {
    const selector = peer[name];
    if (selector) causes.push(...selectorCauses(selector, `${at}.${name}`));
  }
  if (peer.ipBlock) causes.push(...ipBlockCauses(peer.ipBlock, `${at}.ipBlock`));
  const selects = isRecord(peer.podSelector) || isRecord(peer.namespaceSelector);
  if (!selects && !peer.ipBlock) causes.push(field.required(at, "must specify a peer"));
  if (selects && peer.ipBlock)
    causes.push(field.forbidden(at, "may not specify both ipBlock and another peer"));
  return causes;
}

function ipBlockCauses({ cidr, except = [] }: IpBlock, at: string): Cause[] {
  if (cidr === "") return [field.required(`${at}.cidr`)];
  const block = parsePrefix(cidr);
  if (!block) return [notCidr(`${at}.cidr`, cidr)];
  return except.flatMap((text, index) => {
    const path = `${at}.except[${index}]`;
    const hole = parsePrefix(text);
    if (!hole) return [notCidr(path, text)];
    const within = block.length < hole.length && block.contains(hole);
    return within ? [] : [field.invalid(path, text, "must be a strict subset of `cidr`")];
  });
}

function notCidr(path: string, text: string): Cause {
  return field.invalid(
    path,
    text,
    "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
  );
}

/** Host bits may be set, as Kubernetes has it. */
function parsePrefix(text: string): Prefix | undefined {
  return Prefix.tryParse(text, { mask: true });
}
