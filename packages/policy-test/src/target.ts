// A test's port as a number: names are looked up in the containers of who is reached.
import type { Pod } from "@tsilium/kube";
import { TestError } from "./error.ts";
import { type Party, partyName } from "./model.ts";
import type { PortProtocol, TestPort } from "./port.ts";

/** @param pods by "namespace/name" @throws TestError port_invalid for a name that nobody has there */
export function portNumber(
  port: TestPort & { readonly kind: "number" | "named" },
  to: Party,
  pods: ReadonlyMap<string, Pod>,
): { readonly protocol: PortProtocol; readonly number: number } {
  if (port.kind === "number") return { protocol: port.protocol, number: port.port };
  const containers = pods.get(partyName(to))?.spec.containers ?? [];
  const found = containers
    .flatMap(({ ports = [] }) => ports)
    .find(
      ({ name, protocol = "TCP" }) =>
        name === port.name && (port.protocol ?? protocol) === protocol,
    );
  if (found) return { protocol: found.protocol ?? "TCP", number: found.containerPort };
  throw new TestError("port_invalid", `${partyName(to)} has no port called "${port.name}"`);
}
