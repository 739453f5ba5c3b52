// The proxy as it runs on a node: its own process and user, real redirection, librdkafka's broker and kcat as peers.
import { once } from "node:events";
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { array, request, string } from "@tsilium/kafka/testing/bytes.ts";
import { kafkaRoles } from "@tsilium/policy";
import { Peer } from "./testing/pair.ts";
import {
  brokerAddress,
  brokerPort,
  clientAddress,
  connectionsOfClient,
  listenerPort,
  otherPort,
  user,
  World,
} from "./testing/world.ts";

const denied = /Topic authorization failed/;
const families = [4, 6] as const;
const produce = { apiKeys: kafkaRoles.produce };
const consume = { apiKeys: kafkaRoles.consume };
const world = new World();

before(async () => {
  await world.start(["orders", "audit"]);
  await world.startProxy();
});
after(() => world[Symbol.asyncDispose]());
beforeEach(() => world.records.splice(0));

for (const family of families) {
  describe(`kcat over IPv${family}`, () => {
    test("produces, consumes and describes an allowed topic, and no other", async () => {
      await world.apply([{ topic: "orders" }]);
      assert.equal(await world.kcat(family, ["-P", "-t", "orders"], `hello ${family}\n`), "");
      const consumed = await world.kcat(family, ["-C", "-e", "-q", "-t", "orders"]);
      assert.equal(consumed, `hello ${family}\n`);
      assert.match(await world.kcat(family, ["-L", "-t", "orders"]), /topic "orders" with 2 part/);
      assert.match(await world.kcat(family, ["-P", "-t", "audit"], "hello\n"), denied);
      assert.match(await world.kcat(family, ["-C", "-e", "-t", "audit"]), denied);
      assert.match(await world.kcat(family, ["-L", "-t", "audit"]), denied);
    });

    test("sees no topics when it asks for all, and all where no rule names one", async () => {
      await world.apply([{ topic: "orders" }]);
      assert.match(await world.kcat(family, ["-L"]), /1 brokers:[^]* 0 topics:/);
      await world.apply([{ apiKeys: [3, 18] }]);
      assert.match(await world.kcat(family, ["-L"]), / 2 topics:/);
    });

    test("may only do what its role is", async () => {
      await world.apply([{ ...produce, topic: "orders" }]);
      assert.equal(await world.kcat(family, ["-P", "-t", "orders"], "more\n"), "");
      assert.match(await world.kcat(family, ["-C", "-e", "-t", "orders"]), denied);
      await world.apply([{ ...consume, topic: "orders" }]);
      assert.match(await world.kcat(family, ["-C", "-e", "-q", "-t", "orders"]), /more/);
      assert.match(await world.kcat(family, ["-P", "-t", "orders"], "more\n"), denied);
    });

    test("may only be the client that a rule says", async () => {
      await world.apply([{ clientId: "billing" }]);
      const args = ["-P", "-t", "audit", "-X"];
      assert.equal(await world.kcat(family, [...args, "client.id=billing"], "x\n"), "");
      assert.notEqual(await world.kcat(family, [...args, "client.id=other"], "x\n"), "");
    });

    test("may only use the version that a rule says", async () => {
      await world.apply([{ apiKeys: [0], apiVersion: 7 }, { apiKeys: [3, 18] }]);
      assert.equal(await world.kcat(family, ["-P", "-t", "orders"], "x\n"), "");
      await world.apply([{ apiKeys: [0], apiVersion: 6 }, { apiKeys: [3, 18] }]);
      assert.match(await world.kcat(family, ["-P", "-t", "orders"], "x\n"), denied);
    });

    test("consumes in a group", async () => {
      await world.apply([{ topic: "orders" }]);
      assert.equal(await world.kcat(family, ["-P", "-t", "orders"], "grouped\n"), "");
      const group = startGroup(family);
      const out = await text(group.stdout as NodeJS.ReadableStream);
      assert.match(out, /^[a-z]+( \d)?\n$/);
    });

    test("keeps addresses, and flows tell them", async () => {
      await world.apply([{ topic: "orders" }]);
      await world.kcat(family, ["-P", "-t", "audit"], "x\n");
      await delay(60);
      const record = world.records.find(({ verdict }) => verdict === "denied");
      assert.deepEqual(record && [record.client.address, record.server, record.port], [
        clientAddress[family],
        { address: brokerAddress[family], port: brokerPort },
        listenerPort,
      ]);
      const seen = await world.takeRecords();
      assert.ok(seen.includes("denied request metadata audit error=29 rule=99"), seen.join("\n"));
      assert.ok(seen.includes("forwarded response apiversions - error=0 rule=1"), seen.join("\n"));
    });
  });
}

describe("a connection", () => {
  test("that is open is held to new rules with its next request", async () => {
    await world.apply([{ topic: "orders" }]);
    const consumer = world.startKcat(4, ["-C", "-q", "-t", "orders"]);
    const output = text(consumer.stderr as NodeJS.ReadableStream);
    await until(async () =>
      (await world.takeRecords()).some((line) => /response fetch/.test(line)),
    );
    await world.apply([{ topic: "audit" }]);
    assert.match(await output, denied);
  });

  test("is held to another listener's rules when it is moved there", async () => {
    await world.apply([{ topic: "orders" }]);
    await world.apply([{ topic: "audit" }], { port: otherPort });
    const peer = new Peer(world.connect(4));
    const ask = async (topic: string): Promise<boolean> => {
      peer.send(metadataOf(topic));
      await peer.receive();
      return (await world.takeRecords()).some((line) => line.startsWith("denied"));
    };
    assert.equal(await ask("audit"), true);
    const { localAddress = "", localPort = 0 } = peer.socket;
    const moved = (to: number) =>
      world.control.move([
        {
          protocol: 6,
          client: { address: localAddress, port: localPort },
          server: { address: brokerAddress[4], port: brokerPort },
          from: listenerPort,
          to,
        },
      ]);
    await moved(otherPort);
    assert.equal(await ask("audit"), false);
    assert.equal(await ask("orders"), true);
    await moved(0);
    assert.equal(await ask("orders"), false);
    await moved(listenerPort);
    assert.equal(await ask("audit"), true);
    peer.socket.destroy();
  });

  test("is reset where one with its ends was moved before it came, and not let through like that one", async () => {
    const from = 21_007;
    await world.control.move([
      {
        protocol: 6,
        client: { address: "10.1.0.2", port: from },
        server: { address: brokerAddress[4], port: brokerPort },
        from: listenerPort,
        to: 0,
      },
    ]);
    const moved = world.connect(4, brokerPort, from);
    const [error] = await once(moved, "error");
    assert.equal((error as NodeJS.ErrnoException).code, "ECONNRESET");
    moved.destroy();
    const peer = new Peer(world.connect(4, brokerPort, from));
    peer.send(metadataOf("audit"));
    await peer.receive();
    assert.match((await world.takeRecords()).join(), /^denied/);
    peer.socket.destroy();
  });

  test("passes nothing when its rules are gone", async () => {
    await world.apply([{ topic: "orders" }], { port: otherPort });
    await world.control.apply({ whole: false, listeners: [], removed: [otherPort] });
    const peer = new Peer(world.connect(4));
    peer.send(metadataOf("orders"));
    await peer.receive();
    await world.takeRecords();
    const { localAddress = "", localPort = 0 } = peer.socket;
    await world.control.move([
      {
        protocol: 6,
        client: { address: localAddress, port: localPort },
        server: { address: brokerAddress[4], port: brokerPort },
        from: listenerPort,
        to: otherPort,
      },
    ]);
    peer.send(metadataOf("orders"));
    await peer.receive();
    assert.deepEqual(await world.takeRecords(), ["denied request metadata orders error=29 rule=0"]);
    peer.socket.destroy();
  });

  test("to the listener itself is refused", async () => {
    const result = await world.node.exec("kcat", [
      "-L",
      "-b",
      `127.0.0.1:${listenerPort}`,
      "-m",
      "1",
    ]);
    assert.notEqual(result.status, 0);
    assert.deepEqual(await world.takeRecords(), []);
  });

  test("to a broker that refuses it is refused", async () => {
    await world.node.exec("iptables", [
      "-t", "mangle", "-A", "PREROUTING", "-p", "tcp", "-i", "client", "--dport", "9999",
      "-j", "TPROXY", "--on-ip", "127.0.0.1", "--on-port", String(listenerPort), "--tproxy-mark", "1",
    ]); // prettier-ignore
    const peer = new Peer(world.connect(4, 9999));
    assert.equal(await peer.receive(), undefined);
    assert.ok(peer.ended);
  });

  test("beyond a client's share is reset, and others have theirs", async () => {
    await world.apply([{}]);
    const own = Array.from({ length: connectionsOfClient + 4 }, () => new Peer(world.connect(4)));
    while (own.filter(({ ended }) => ended).length < 4) await delay(10);
    const other = new Peer(world.connect(6));
    other.send(request([18, 0], Buffer.alloc(0)));
    assert.ok(await other.receive());
    assert.equal(own.filter(({ ended }) => ended).length, 4);
    for (const { socket } of [...own, other]) socket.destroy();
    while ((await world.control.status()).connections > 0) await delay(10);
    await world.takeRecords();
  });

  test("carries a large batch of records", async () => {
    await world.apply([{ topic: "orders" }]);
    const line = "x".repeat(900_000);
    const options = ["-X", "message.max.bytes=4000000", "-X", "batch.size=4000000"];
    assert.equal(await world.kcat(4, ["-P", "-t", "orders", ...options], `${line}\n`), "");
    const out = await world.kcat(4, ["-C", "-e", "-q", "-t", "orders"]);
    assert.ok(out.includes(line));
  });
});

describe("the process", () => {
  test("is its own user's, with CAP_NET_RAW alone", () => {
    const status = readFileSync(`/proc/${world.proxyPid}/status`, "utf8");
    assert.match(status, new RegExp(`Uid:\\t${user.uid}\\t${user.uid}\\t${user.uid}`));
    assert.match(status, /CapEff:\t0000000000002000/);
    assert.equal(statSync(join(world.folder, "control.sock")).mode & 0o777, 0o600);
  });

  test("says what it does", async () => {
    await world.apply([{ topic: "orders" }, {}]);
    const { engine, pid, listeners } = await world.control.status();
    assert.match(engine, /^tsilium-kafka \d/);
    assert.equal(pid, world.proxyPid);
    assert.deepEqual(
      listeners.map(({ port, kind, rules }) => [port, kind, rules]),
      [[listenerPort, "kafka", 2]],
    );
  });

  test("refuses rules that are not its own", async () => {
    const { ruleSet } = {
      ruleSet: { kind: "kafka", direction: "ingress", audit: false, denyRule: 1, rules: [] },
    } as const;
    const problems = await world.control.apply({
      whole: false,
      listeners: [
        { port: otherPort, version: 1, ruleSet },
        { port: 80, version: 1, ruleSet: { ...ruleSet, direction: "egress" } },
      ],
      removed: [],
    });
    assert.deepEqual(
      problems.map(({ port }) => port),
      [otherPort, 80],
    );
  });

  test("enforces the last rules after a restart, without an agent", async () => {
    await world.apply([{ topic: "orders" }]);
    await world.killProxy();
    assert.notEqual(await world.kcat(4, ["-L", "-t", "orders"]), "", "nothing listens");
    await world.startProxy();
    assert.equal(await world.kcat(4, ["-P", "-t", "orders"], "again\n"), "");
    assert.match(await world.kcat(4, ["-P", "-t", "audit"], "again\n"), denied);
  });
});

const metadataOf = (topic: string): Buffer => request([3, 1], array(string(topic)));

function startGroup(family: 4 | 6) {
  const args = ["-G", "readers", "-c", "1", "-q", "-X", "auto.offset.reset=earliest", "orders"];
  return world.startKcat(family, args);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const patience = performance.now() + 5_000;
  while (!(await condition())) {
    if (performance.now() > patience) throw new Error("it never happened");
    await delay(20);
  }
}
