// The EC2 simulation as a process, beside a lab: in the fabric's network namespace, with the lab's nodes as instances.
//   nsenter --net=/run/netns/tsi-NAME-fabric node main.ts < setup.json
// Reads one JSON document (LabAccount) up to the first line end, prints {"ready":URL}, then {"at","interfaces"} after every
// change of an instance's interfaces; ends when its input ends. A line "terminate ID" ends an instance.
import { createInterface } from "node:readline";
import { Rtnl } from "@tsilium/netlink";
import { Address } from "@tsilium/net";
import { Ec2Server } from "./ec2-server.ts";
import { LabWires } from "./lab-wires.ts";
import { MetadataServer } from "./metadata-server.ts";
import type { Account } from "./signature.ts";
import { World, type WorldSetup } from "./world.ts";

export type LabAccount = {
  readonly setup: WorldSetup;
  readonly account: Account;
  readonly region: string;
  /** Where the API is to listen. */
  readonly port: number;
  readonly limit?: { readonly perSecond: number; readonly burst: number };
  readonly instances: readonly {
    readonly id: string;
    readonly type: string;
    readonly subnetId: string;
    readonly groups: readonly string[];
    readonly address: string;
    readonly mac: string;
    readonly netns: string;
  }[];
};

const metadataAddress = "169.254.169.254";

await using parts = new AsyncDisposableStack();
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const first = await lines.next();
const wanted = JSON.parse(String(first.value)) as LabAccount;
const world = new World(wanted.setup);
const netns = new Map(wanted.instances.map((instance) => [instance.id, instance.netns]));
parts.use(new LabWires(world, (id) => netns.get(id)));
const rewire = world.onChange;
world.onChange = (change) => {
  rewire(change);
  const interfaces = world.interfacesOf(change.instanceId);
  say({ at: Date.now(), instanceId: change.instanceId, interfaces });
};
for (const instance of wanted.instances) world.runInstance(instance);
{
  using rtnl = Rtnl.open();
  rtnl.addresses.add({ device: "lo", address: Address.parse(metadataAddress), length: 32 });
}
const { account, region, port, limit } = wanted;
const server = parts.use(new Ec2Server({ world, account, region, ...(limit ? { limit } : {}) }));
const metadata = parts.use(new MetadataServer(world));
await metadata.listen(metadataAddress, 80);
say({ ready: await server.listen("127.0.0.1", port) });
for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const [verb, id = ""] = line.value.split(" ");
  if (verb === "terminate") world.terminate(id);
  if (verb === "calls")
    say({ calls: server.calls.map(({ action, outcome }) => ({ action, outcome })) });
}

function say(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
