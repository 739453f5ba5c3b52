// A test's port as a lab's probe can try it.
import type { Pod } from "@tsilium/kube";
import { TestError } from "../error.ts";
import type { Attempt } from "../model.ts";
import { echoRequest } from "../port.ts";
import { portNumber } from "../target.ts";

export type ProbePort =
  | { readonly protocol: "tcp" | "udp"; readonly port: number }
  | { readonly protocol: "icmp"; readonly port: 0 };

/** @param pods that names are looked up in @throws TestError unsupported, port_invalid */
export function probePort(
  { port, to, family }: Attempt,
  pods: ReadonlyMap<string, Pod>,
): ProbePort {
  if (port.kind === "icmp") {
    if (port.family !== undefined && port.type !== echoRequest[family])
      throw new TestError("unsupported", "of ICMP, a lab sends echo requests only");
    return { protocol: "icmp", port: 0 };
  }
  const { protocol, number } = portNumber(port, to, pods);
  if (protocol === "SCTP") throw new TestError("unsupported", "a lab's probes do not speak SCTP");
  return { protocol: protocol === "TCP" ? "tcp" : "udp", port: number };
}
