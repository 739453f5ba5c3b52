// discovery.k8s.io/v1 EndpointSlice: some of the endpoints of a Service, all of one address type and with the same ports.
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import {
  dnsLabel,
  dnsSubdomain,
  labelKeyFault,
  labelValueFault,
  type NameRule,
} from "../objects/names.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import { ageColumn, textColumn } from "../table/columns.ts";
import { destinationCauses } from "./address-rules.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { port, protocol, shape } from "./shape.ts";

type Endpoint = {
  addresses: string[];
  nodeName?: string;
  hostname?: string;
  hints?: { forZones?: { name: string }[]; forNodes?: { name: string }[] };
};
type Port = { name: string; appProtocol?: string };

const hints = shape.list(shape.object({ "name!": shape.string() }), { maxItems: 8 });

export const endpointSlices: Kind = builtin({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  schema: shape.object({
    "addressType!": shape.oneOf(["IPv4", "IPv6", "FQDN"]),
    endpoints: shape.list(
      shape.object({
        "addresses!": shape.list(shape.string(), { minItems: 1, maxItems: 100 }),
        conditions: shape.object({
          ready: shape.boolean(),
          serving: shape.boolean(),
          terminating: shape.boolean(),
        }),
        nodeName: shape.string(),
        zone: shape.string(),
        hostname: shape.string(),
        hints: shape.object({ forZones: hints, forNodes: hints }),
      }),
      { maxItems: 1000 },
    ),
    // Without a number: all ports.
    ports: shape.list(
      shape.object({
        name: shape.string({ default: "" }),
        protocol,
        port,
        appProtocol: shape.string(),
      }),
      { maxItems: 20_000 },
    ),
  }),
  columns: [
    textColumn("AddressType", (slice) => slice["addressType"]),
    textColumn("Ports", (slice) => joined(slice["ports"], (entry) => [entry["port"]])),
    textColumn("Endpoints", (slice) =>
      joined(slice["endpoints"], (entry) => entry["addresses"] as unknown[]),
    ),
    ageColumn,
  ],
  strategy: {
    validate(slice, before) {
      const type = slice["addressType"];
      const changed = before && before["addressType"] !== type;
      return [
        ...(changed ? [field.invalid("addressType", type, "field is immutable")] : []),
        ...endpointCauses(slice),
        ...portCauses((slice["ports"] ?? []) as Port[]),
      ];
    },
  },
});

function endpointCauses(slice: ApiObject): Cause[] {
  const check = addressChecks[slice["addressType"] as keyof typeof addressChecks];
  return ((slice["endpoints"] ?? []) as Endpoint[]).flatMap((endpoint, index) => {
    const path = `endpoints[${index}]`;
    return [
      ...endpoint.addresses.flatMap((text, at) => check(text, `${path}.addresses[${at}]`)),
      ...nameCauses(endpoint.nodeName, `${path}.nodeName`, dnsSubdomain),
      ...nameCauses(endpoint.hostname, `${path}.hostname`, dnsLabel),
      ...hintCauses(endpoint.hints?.forZones, `${path}.hints.forZones`, labelValueFault),
      ...hintCauses(endpoint.hints?.forNodes, `${path}.hints.forNodes`, dnsSubdomain),
    ];
  });
}

const addressChecks = {
  IPv4: (text: string, path: string) => destinationCauses(text, path, 4),
  IPv6: (text: string, path: string) => destinationCauses(text, path, 6),
  FQDN: (text: string, path: string) =>
    text.includes(".")
      ? nameCauses(text.replace(/\.$/, ""), path, dnsSubdomain)
      : [
          field.invalid(
            path,
            text,
            "should be a domain with at least two segments separated by dots",
          ),
        ],
};

function nameCauses(name: string | undefined, path: string, rule: NameRule): Cause[] {
  const fault = name === undefined ? undefined : rule(name);
  return fault ? [field.invalid(path, name, fault)] : [];
}

function hintCauses(
  list: readonly { readonly name: string }[] | undefined,
  path: string,
  rule: NameRule,
): Cause[] {
  const seen = new Set<string>();
  return (list ?? []).flatMap(({ name }, index) => {
    const at = `${path}[${index}].name`;
    const repeated = seen.has(name);
    seen.add(name);
    return repeated ? [field.duplicate(at, name)] : nameCauses(name, at, rule);
  });
}

function portCauses(ports: readonly Port[]): Cause[] {
  const seen = new Set<string>();
  return ports.flatMap(({ name, appProtocol }, index) => {
    const path = `ports[${index}]`;
    const repeated = seen.has(name);
    seen.add(name);
    return [
      ...(repeated ? [field.duplicate(`${path}.name`, name)] : []),
      ...nameCauses(name || undefined, `${path}.name`, dnsLabel),
      ...nameCauses(appProtocol, `${path}.appProtocol`, labelKeyFault),
    ];
  });
}

function joined(list: unknown, read: (entry: Fields) => unknown[]): string {
  const texts = (Array.isArray(list) ? list.filter(isRecord) : []).flatMap(read).map(String);
  if (texts.length === 0) return "<unset>";
  return texts.length > 3
    ? `${texts.slice(0, 3).join(",")} + ${texts.length - 3} more...`
    : texts.join(",");
}
