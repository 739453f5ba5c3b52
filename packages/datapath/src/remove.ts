// Clean-up of a node that shall have no datapath any more, whether or not an agent ever ran here in this process.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ClsactFilter } from "@tsilium/ebpf";
import { Rtnl } from "@tsilium/netlink";
import { deleteDevices } from "./node/devices.ts";
import { removeProxyRoutes } from "./node/proxy-routes.ts";
import { removeLink } from "./programs/pinned-link.ts";
import { routeProtocolNumber } from "./node/node-routes.ts";
import { Pins } from "./pinned/pins.ts";

/**
 * Detaches every program pinned under `bpffs`, removes all pins there, our routes and our devices. Runs in the node's
 * network namespace. Idempotent. Filters that were attached by clsact are taken off the devices given.
 */
export function removeDatapath(options: {
  readonly bpffs: string;
  readonly clsactDevices?: readonly number[];
}): void {
  const pins = new Pins(options.bpffs);
  for (const name of pins.listLinks()) removeLink(join(pins.linksDirectory, name));
  for (const ifindex of options.clsactDevices ?? [])
    for (const direction of ["ingress", "egress"] as const)
      ClsactFilter.adopt(ifindex, direction).detach();
  for (const directory of [pins.mapsDirectory, pins.linksDirectory])
    rmSync(directory, { recursive: true, force: true });
  using rtnl = Rtnl.open();
  for (const route of rtnl.routes.list())
    if (route.protocol === routeProtocolNumber)
      rtnl.routes.delete({ destination: route.destination, protocol: route.protocol });
  removeProxyRoutes(rtnl);
  deleteDevices(rtnl);
}
