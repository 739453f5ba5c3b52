// core/v1 Endpoints: the addresses behind a service as one object. EndpointSlices have replaced it; kubectl still asks for it.
import { field, type Cause } from "../errors.ts";
import { dnsLabel, dnsSubdomain } from "../objects/names.ts";
import type { ApiObject } from "../objects/object.ts";
import { ageColumn, textColumn } from "../table/columns.ts";
import { destinationCauses } from "./address-rules.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { port, protocol, shape } from "./shape.ts";

type EndpointAddress = {
  readonly ip: string;
  readonly hostname?: string;
  readonly nodeName?: string;
};
type Port = { readonly name?: string; readonly port: number };
type Subset = {
  readonly addresses?: readonly EndpointAddress[];
  readonly notReadyAddresses?: readonly EndpointAddress[];
  readonly ports?: readonly Port[];
};

const addresses = shape.list(
  shape.object({ "ip!": shape.string(), hostname: shape.string(), nodeName: shape.string() }),
);

export const endpoints: Kind = builtin({
  apiVersion: "v1",
  kind: "Endpoints",
  plural: "endpoints",
  shortNames: ["ep"],
  schema: shape.object({
    subsets: shape.list(
      shape.object({
        addresses,
        notReadyAddresses: addresses,
        ports: shape.list(
          shape.object({
            name: shape.string(),
            protocol,
            "port!": port,
            appProtocol: shape.string(),
          }),
        ),
      }),
    ),
  }),
  columns: [textColumn("Endpoints", (object) => shownAddresses(subsetsOf(object))), ageColumn],
  strategy: {
    validate: (object) => subsetsOf(object).flatMap(subsetCauses),
  },
});

const subsetsOf = (object: ApiObject) => (object["subsets"] ?? []) as Subset[];

function subsetCauses(subset: Subset, index: number): Cause[] {
  const path = `subsets[${index}]`;
  const { addresses: ready = [], notReadyAddresses: notReady = [], ports = [] } = subset;
  if (ready.length + notReady.length === 0)
    return [field.required(path, "must specify `addresses` or `notReadyAddresses`")];
  return [
    ...ready.flatMap((entry, at) => addressCauses(entry, `${path}.addresses[${at}]`)),
    ...notReady.flatMap((entry, at) => addressCauses(entry, `${path}.notReadyAddresses[${at}]`)),
    ...ports.flatMap(({ name = "" }, at) => {
      const where = `${path}.ports[${at}].name`;
      if (name === "") return ports.length > 1 ? [field.required(where)] : [];
      const fault = dnsLabel(name);
      return fault ? [field.invalid(where, name, fault)] : [];
    }),
  ];
}

function addressCauses({ ip, hostname, nodeName }: EndpointAddress, path: string): Cause[] {
  const hostFault = hostname && dnsLabel(hostname);
  const nodeFault = nodeName && dnsSubdomain(nodeName);
  return [
    ...destinationCauses(ip, `${path}.ip`),
    ...(hostFault ? [field.invalid(`${path}.hostname`, hostname, hostFault)] : []),
    ...(nodeFault ? [field.invalid(`${path}.nodeName`, nodeName, nodeFault)] : []),
  ];
}

/** How many addresses `kubectl get endpoints` shows. */
const maxShown = 3;

/** "10.0.0.1:80,10.0.0.2:80", of those that are ready. */
function shownAddresses(subsets: readonly Subset[]): string | undefined {
  const all = subsets.flatMap(({ addresses: ready = [], ports = [] }) =>
    ports.length === 0
      ? ready.map(({ ip }) => ip)
      : ports.flatMap((each) =>
          ready.map(({ ip }) => `${ip.includes(":") ? `[${ip}]` : ip}:${each.port}`),
        ),
  );
  if (subsets.length === 0) return undefined;
  const shown = all.slice(0, maxShown).join(",");
  return all.length > maxShown ? `${shown} + ${all.length - maxShown} more...` : shown;
}
