// The services of all these benches, the same in every run: number 0 to n - 1, each of one TCP port and two endpoints
// that nobody answers at. Some have a node port besides, as many as Kubernetes' range lets a cluster have.
import { Address } from "@tsilium/net";

export type ServiceEndpoint = { readonly address: string; readonly port: number };

export type BenchService = {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIp: string;
  readonly port: number;
  readonly nodePort: number | undefined;
  readonly endpoints: readonly ServiceEndpoint[];
};

/** Of Kubernetes' service-node-port-range; the first few are the measured services'. */
const nodePorts = { first: 30_000, reserved: 10, count: 2000 };
const nodePortEvery = 5;
const endpointsPerService = 2;
const servicesPerNamespace = 100;

const clusterIps = Address.parse("10.96.1.0");
const podAddresses = Address.parse("10.128.0.0");

/** The service of this number, from 0. */
export function serviceOf(number: number): BenchService {
  const nth = number / nodePortEvery;
  return {
    namespace: `ns-${Math.floor(number / servicesPerNamespace)}`,
    name: `service-${number}`,
    clusterIp: String(clusterIps.add(number)),
    port: 80,
    nodePort:
      Number.isInteger(nth) && nth < nodePorts.count
        ? nodePorts.first + nodePorts.reserved + nth
        : undefined,
    endpoints: Array.from({ length: endpointsPerService }, (_, index) => ({
      address: String(podAddresses.add(number * endpointsPerService + index)),
      port: 8080,
    })),
  };
}

/**
 * `count` services, the measured ones among them: in the middle, where a rule set that is gone through one by one has
 * its mean, and in place of others (but there are never fewer than the measured ones).
 */
export function servicesWith(
  measured: readonly BenchService[],
  count: number,
): readonly BenchService[] {
  const others = Array.from({ length: Math.max(0, count - measured.length) }, (_, number) =>
    serviceOf(number),
  );
  return others.toSpliced(Math.floor(others.length / 2), 0, ...measured);
}

/** A service of a bench's own, out of the way of the numbered ones; `number` below 10. */
export function measuredService(
  number: number,
  endpoints: readonly ServiceEndpoint[],
  clusterIp = `10.96.0.${10 + number}`,
): BenchService {
  return {
    namespace: "bench",
    name: `measured-${number}`,
    clusterIp,
    port: 80,
    nodePort: nodePorts.first + number,
    endpoints,
  };
}
