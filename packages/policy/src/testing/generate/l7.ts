// Random `toPorts` entries that ask for a proxy, of every kind, on ports that plain entries name too.
import type { Random } from "@tsilium/testkit";
import { compact, portNames, portNumbers, portRanges, several, webPort } from "./dictionary.ts";

export type L7Entry = { readonly ports: readonly object[]; readonly [field: string]: unknown };

const paths = ["/", "/public", "/public/.*"];
const names = ["example.com", "*.example.com"];

export function randomL7Entry(random: Random, direction: "ingress" | "egress"): L7Entry {
  if (direction === "egress" && random.chance(0.2))
    return {
      ports: [{ port: "53", protocol: random.pick([undefined, "ANY", "TCP", "UDP"]) }].map(compact),
      rules: { dns: several(random, [0, 2], () => ({ matchPattern: random.pick(names) })) },
    };
  const ports = several(random, [1, 2], () => randomTcpPort(random));
  const kind = random.below(12);
  if (kind === 0)
    return { ports, rules: { kafka: several(random, [0, 1], () => ({ topic: "x" })) } };
  if (kind === 1) return { ports, serverNames: several(random, [1, 2], () => random.pick(names)) };
  if (kind === 2) return { ports, rules: { l7proto: "memcache", l7: [{ cmd: "get" }] } };
  if (kind === 3 && direction === "egress")
    return { ports, listener: { envoyConfig: { name: "config" }, name: "listener" } };
  const http = { http: several(random, [0, 2], () => ({ path: random.pick(paths) })) };
  const tls = random.chance(0.25);
  return compact({
    ports,
    rules: tls && random.chance(0.2) ? undefined : http,
    terminatingTLS: tls ? randomTls(random) : undefined,
    originatingTLS: random.chance(0.1) ? randomTls(random) : undefined,
    serverNames: tls && random.chance(0.3) ? [random.pick(names)] : undefined,
  });
}

function randomTls(random: Random): object {
  return { secret: { namespace: "certificates", name: random.pick(["one", "two"]) } };
}

/** The numbers and ranges that plain rules have, so that some are written alike. */
function randomTcpPort(random: Random): object {
  if (random.chance(0.15)) return { port: random.pick(portNames), protocol: "TCP" };
  if (random.chance(0.5)) return { port: String(webPort), protocol: "TCP" };
  if (random.chance(0.5)) return { port: String(random.pick(portNumbers)), protocol: "TCP" };
  const [first, endPort] = random.pick(portRanges);
  return { port: String(first), endPort, protocol: "TCP" };
}
