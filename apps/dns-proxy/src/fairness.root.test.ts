// One client's flood against others' questions.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import packet from "dns-packet";
import { frame, FrameReader } from "./tcp/frames.ts";
import { connectTcp, Endpoint } from "./testing/endpoint.ts";
import { clientAddress, dnsmasq, until, World } from "./testing/world.ts";

const perSecond = 200;
const flood = 400;

describe("the DNS proxy, flooded", () => {
  let world: World;
  before(async () => {
    world = await World.create({ limits: { maxQueriesPerSecondPerClient: perSecond } });
    await world.startDnsmasq();
    await world.allow({ matchPattern: "*.example.com" });
  });
  after(() => world[Symbol.asyncDispose]());

  /** Questions that are denied, as fast as they can be sent. */
  const send = (client: Endpoint) => {
    for (let id = 0; id < flood; id++)
      client.send(
        packet.encode({ type: "query", id, questions: [{ type: "A", name: "other.test" }] }),
        { address: dnsmasq.v4, port: 53 },
      );
  };

  test("a client that asks alone is answered whatever it asks, beside others no more than its share", async () => {
    using client = new Endpoint(world.client, clientAddress.v4);
    using other = new Endpoint(world.client, "10.9.1.3");
    send(client);
    await until(() => client.came.length === flood);
    client.came.length = 0;

    const one = packet.encode({ type: "query", questions: [{ type: "A", name: "other.test" }] });
    other.send(one, { address: dnsmasq.v4, port: 53 });
    await until(() => other.came.length === 1);
    // What it asked before counts in its own tenth of a second.
    await delay(150);
    send(client);
    other.send(one, { address: dnsmasq.v4, port: 53 });
    await until(() => other.came.length === 2);
    await delay(100);
    const mostWindows = 4;
    assert.ok(client.came.length > 0);
    assert.ok(client.came.length <= (mostWindows * perSecond) / 10, `${client.came.length}`);
    const { overloads = 0 } = await world.counters();
    assert.equal(overloads, flood - client.came.length);
  });

  test("over TCP what is beyond its share waits, and is answered in the end", async () => {
    using other = new Endpoint(world.client, "10.9.1.3");
    const socket = connectTcp(world.client, clientAddress.v4, dnsmasq.v4);
    const reader = new FrameReader();
    let answers = 0;
    socket.on("data", (chunk: Buffer) => (answers += reader.push(chunk)?.length ?? 0));
    const denied = packet.encode({ type: "query", questions: [{ type: "A", name: "other.test" }] });
    const ask = async () => {
      other.came.length = 0;
      other.send(denied, { address: dnsmasq.v4, port: 53 });
      await until(() => other.came.length === 1);
    };
    socket.write(frame(denied));
    await until(() => answers === 1);
    await ask();
    socket.write(Buffer.concat(Array.from({ length: flood }, () => frame(denied))));
    await delay(200);
    await ask();
    const mostWindows = 4;
    assert.ok(answers > 1 && answers <= 1 + (mostWindows * perSecond) / 10, `${answers}`);
    await until(() => answers === 1 + flood);
    socket.destroy();
  });
});
