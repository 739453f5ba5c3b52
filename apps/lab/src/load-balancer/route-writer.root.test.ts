// Routes to load balancers in a lab's wires.
//
//   world -- fabric -- node-1 (192.0.2.7 on lo), node-2 (too)
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { Address, bitsOf, Prefix } from "@tsilium/net";
import { Rtnl } from "@tsilium/netlink";
import {
  AF_INET6,
  bind,
  listen,
  SOCK_STREAM,
  sockaddrIn6,
  socket,
  withNetns,
} from "@tsilium/syscall";
import { dial } from "../kubelet/dial.ts";
import type { NodeLayout } from "../layout.ts";
import { layWires } from "../testing/wires.ts";
import { RouteWriter } from "./route-writer.ts";

const stack = new AsyncDisposableStack();
const { lab, nodes } = stack.use(layWires(2));
const addresses = ["192.0.2.7", "2001:db8:7::7"];

before(async () => {
  for (const node of nodes) await serve(node);
});
after(() => stack.disposeAsync());

/** A server on the node that says its name, at the load balancer's addresses. */
async function serve({ netns, name }: NodeLayout): Promise<void> {
  using rtnl = Rtnl.open({ netns });
  for (const text of addresses) {
    const address = Address.parse(text);
    rtnl.addresses.add({ device: "lo", address, length: bitsOf(address.family), noDad: true });
  }
  const fd = withNetns(netns, () => {
    const listening = socket(AF_INET6, SOCK_STREAM);
    bind(listening, sockaddrIn6(new Uint8Array(16), 80));
    listen(listening);
    return listening;
  });
  const server = createServer((client) => client.end(name)).listen({ fd });
  await once(server, "listening");
  stack.defer(() => void server.close());
}

/** Whom the world meets at an address; the error's code when it meets nobody. */
async function answering(host: string): Promise<string> {
  const connection = dial({ netns: lab.worldNetns, host, port: 80 });
  try {
    const [answer] = (await once(connection, "data", { signal: AbortSignal.timeout(2000) })) as [
      Buffer,
    ];
    return answer.toString();
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    connection.destroy();
  }
}

for (const address of addresses) {
  test(`the world reaches ${address} through the node that its route names, and nobody without`, async () => {
    using writer = RouteWriter.open(lab, nodes);
    const prefix = Prefix.host(Address.parse(address));
    assert.equal(await answering(address), "ENETUNREACH");
    for (const node of ["node-1", "node-2", "node-2"]) {
      writer.put({ prefix, node, of: [] });
      assert.equal(await answering(address), node);
    }
    for (const _time of [1, 2]) {
      writer.remove(prefix);
      assert.equal(await answering(address), "ENETUNREACH");
    }
  });
}
