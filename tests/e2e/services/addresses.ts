// What tests of services' addresses look at, and a way from the world where a lab has none.
import assert from "node:assert/strict";
import { run } from "../harness.ts";
import { type Drops, drops } from "../metrics.ts";
import { endText, type ServiceLab } from "./service-lab.ts";
import { echoPod } from "./service-objects.ts";
import { namespace } from "./shop.ts";

const nodes = ["node-1", "node-2"] as const;

/** How many packets were dropped for a reason since then, on any node. */
export async function dropsSince(
  cluster: ServiceLab,
  earlier: Drops,
  reason: string,
): Promise<number> {
  const later = await drops(cluster.lab, nodes);
  return Object.entries(later)
    .filter(([key]) => key.includes(` ${reason} `))
    .reduce((sum, [key, packets]) => sum + packets - (earlier[key] ?? 0), 0);
}

/** The addresses that node-1's agent serves of a service: "10.96.0.1:80/TCP". */
export async function frontendsOf(cluster: ServiceLab, name: string): Promise<string[]> {
  const rows = await cluster.lab.json<
    { name: string; frontend: { address: string; port: number; protocol: string } }[]
  >("--node", "node-1", "service", "list", "-n", namespace);
  return rows
    .filter((row) => row.name === name)
    .map(({ frontend: { address, port, protocol } }) => `${endText(address, port)}/${protocol}`);
}

/** What the world has by itself to no cluster IP: a route through node-2. `await using` takes it away. */
export async function routeFromWorld(
  cluster: ServiceLab,
  address: string,
): Promise<AsyncDisposable> {
  const family = address.includes(":") ? "-6" : "-4";
  const fabric = `tsi-${cluster.lab.name}-fabric`;
  const via = family === "-6" ? ["2001:db8:113::1", "fc00:18::3"] : ["203.0.113.1", "172.18.0.3"];
  const change = async (verb: string) => {
    const world = await cluster.lab.worldExec([
      "ip",
      family,
      "route",
      verb,
      address,
      "via",
      via[0] ?? "",
    ]);
    const route = ["-n", fabric, family, "route", verb, address, "via", via[1] ?? ""];
    const inFabric = await run("ip", route);
    assert.equal(world.status + inFabric.status, 0, world.stderr + inFabric.stderr);
  };
  await change("add");
  return { [Symbol.asyncDispose]: () => change("del") };
}

/** The address that the next pod of node-1 is given: they are given out in turn, used ones last. */
export async function nextPodAddress(cluster: ServiceLab): Promise<string> {
  const scout = echoPod({ name: "scout", namespace, node: "node-1" });
  let address = "";
  await cluster.lab.apply(JSON.stringify(scout));
  try {
    await cluster.lab.wait(namespace);
    address = await cluster.podAddress(namespace, "scout", 4);
  } finally {
    await cluster.delete(scout);
  }
  return address.replace(/\d+$/, (last) => String(Number(last) + 1));
}
