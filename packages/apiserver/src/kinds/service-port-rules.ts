// What a Service's ports must not say.
import { field, type Cause } from "../errors.ts";
import { dnsLabel, labelKeyFault } from "../objects/names.ts";
import type { ServicePort, Spec } from "./service-spec.ts";

export function portListCauses(spec: Spec): Cause[] {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  return ports.flatMap((entry, index) => {
    const path = `spec.ports[${index}]`;
    const causes = [
      ...nameCauses(entry, path, { many: ports.length > 1, names }),
      ...targetCauses(entry, path),
    ];
    const { port, protocol, nodePort, appProtocol } = entry;
    if (isRepeated(numbers, `${protocol}/${port}`))
      causes.push(field.duplicate(path, { port, protocol }));
    const appFault = appProtocol === undefined ? undefined : labelKeyFault(appProtocol);
    if (appFault) causes.push(field.invalid(`${path}.appProtocol`, appProtocol, appFault));
    if (!nodePort) return causes;
    if (spec.type === "ClusterIP")
      causes.push(
        field.forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"),
      );
    if (isRepeated(nodePorts, `${protocol}/${nodePort}`))
      causes.push(field.duplicate(`${path}.nodePort`, nodePort));
    return causes;
  });
}

function nameCauses(
  { name = "" }: ServicePort,
  path: string,
  { many, names }: { readonly many: boolean; readonly names: Set<string> },
): Cause[] {
  if (name === "") return many ? [field.required(`${path}.name`)] : [];
  const fault = dnsLabel(name);
  return [
    ...(fault ? [field.invalid(`${path}.name`, name, fault)] : []),
    ...(isRepeated(names, name) ? [field.duplicate(`${path}.name`, name)] : []),
  ];
}

function targetCauses({ targetPort }: ServicePort, path: string): Cause[] {
  const fault = typeof targetPort === "string" ? portNameFault(targetPort) : portFault(targetPort);
  return fault ? [field.invalid(`${path}.targetPort`, targetPort, fault)] : [];
}

function portFault(port: number | undefined): string | undefined {
  const valid = port !== undefined && Number.isInteger(port) && port >= 1 && port <= 65535;
  return valid ? undefined : "must be between 1 and 65535, inclusive";
}

/** IANA service names (RFC 6335, 5.1), as the ports of containers are named. */
function portNameFault(name: string): string | undefined {
  if (name.length > 15) return "must be no more than 15 characters";
  if (!/^[-a-z0-9]+$/.test(name))
    return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
  if (!/[a-z]/.test(name)) return "must contain at least one letter (a-z)";
  if (name.includes("--")) return "must not contain consecutive hyphens";
  return name.startsWith("-") || name.endsWith("-")
    ? "must not begin or end with a hyphen"
    : undefined;
}

/** Whether it was there before; it is afterwards. */
function isRepeated(seen: Set<string>, key: string): boolean {
  if (seen.has(key)) return true;
  seen.add(key);
  return false;
}
