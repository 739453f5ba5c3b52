import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { after, test } from "node:test";
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
import { namespaceFolder, worldAddresses } from "../layout.ts";
import { sweepLab } from "../sweep.ts";
import { layWires } from "../testing/wires.ts";

const wires = layWires(3);
const { lab, nodes } = wires;
after(() => wires[Symbol.asyncDispose]());

/** A server on port 80 of a namespace, both families. */
async function serve(netns: string): Promise<Disposable> {
  const fd = withNetns(netns, () => {
    const listening = socket(AF_INET6, SOCK_STREAM);
    bind(listening, sockaddrIn6(new Uint8Array(16), 80));
    listen(listening);
    return listening;
  });
  const server = createServer((client) => client.end()).listen({ fd });
  await once(server, "listening");
  return { [Symbol.dispose]: () => server.close() };
}

async function reaches(netns: string, host: string): Promise<boolean> {
  const connection = dial({ netns, host, port: 80 });
  try {
    await once(connection, "connect", { signal: AbortSignal.timeout(2000) });
    return true;
  } catch {
    return false;
  } finally {
    connection.destroy();
  }
}

test("nodes reach each other and the world, and the world reaches nodes", async () => {
  using _second = await serve(nodes[1]?.netns as string);
  using _world = await serve(lab.worldNetns);
  const [first, second] = [nodes[0], nodes[1]] as [(typeof nodes)[0], (typeof nodes)[0]];
  for (const [from, to] of [
    [first.netns, second.ipv4],
    [first.netns, second.ipv6],
    [first.netns, worldAddresses.ipv4],
    [first.netns, worldAddresses.ipv6],
    [lab.worldNetns, second.ipv4],
    [lab.worldNetns, second.ipv6],
  ] as const)
    assert.ok(await reaches(from, to), `${from} -> ${to}`);
});

test("nobody knows a way to pod addresses, nor to the machine", async () => {
  for (const host of ["10.244.0.5", "fd00:10:244::5", "192.0.2.1"])
    for (const from of [lab.fabricNetns, lab.worldNetns])
      assert.ok(!(await reaches(from, host)), `${from} -> ${host}`);
});

test("sweeping leaves nothing, and sweeping nothing is fine", async () => {
  assert.equal(await sweepLab(lab), true);
  const left = readdirSync(namespaceFolder).filter((file) => file.startsWith(`tsi-${lab.name}-`));
  assert.deepEqual([left, existsSync(lab.folder), existsSync(lab.cgroup)], [[], false, false]);
  assert.equal(await sweepLab(lab), false);
});
