import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Answer } from "@tsilium/dns";
import { ControlServer } from "@tsilium/proxy/control/index.ts";
import { AnswerGate } from "./answer-gate.ts";
import { newCounters } from "./counters.ts";

const answer = (...addresses: string[]): Answer => ({
  rcode: 0,
  truncated: false,
  malformed: false,
  aliases: ["b.c"],
  addresses: addresses.map((address) => ({ address, ttlS: 60 })),
  types: ["A"],
});
const asked = (name = "x.y", client = "10.0.0.1") => ({
  name,
  client,
  atMs: 1_000,
  mayAsk: () => true,
});

async function world(context: TestContext, maxDelayMs: number) {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-gate-"));
  const control = await ControlServer.listen({
    path: join(folder, "control.sock"),
    hello: () => ({ version: "1", pid: 1, listeners: [] }),
    receive: () => {},
  });
  const counters = newCounters();
  const gate = new AnswerGate({ control: () => control, maxDelayMs, counters });
  context.after(async () => {
    gate[Symbol.dispose]();
    await control[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  const agentComes = async () => {
    const agent = connect(join(folder, "control.sock")).resume();
    context.after(() => agent.destroy());
    while (!control.connected) await delay(1);
  };
  return { control, counters, gate, agentComes };
}

/** Holds it under its id, and says when it went. */
function hold(gate: AnswerGate, id: number, what = answer("192.0.2.1")): { sent: boolean } {
  const state = { sent: false };
  gate.hold(id, asked(), { addresses: what.addresses, send: () => (state.sent = true) });
  return state;
}

test("an answer with new addresses waits for its release, and the next one does not", async (context) => {
  const { gate, agentComes } = await world(context, 10_000);
  await agentComes();
  const id = gate.admit(asked(), answer("192.0.2.1"));
  assert.notEqual(id, 0);
  const held = hold(gate, id);
  gate.release([id + 1]);
  assert.equal(held.sent, false);
  // What is not yet acknowledged is new to the next who asks, too.
  assert.notEqual(gate.admit(asked("x.y", "10.0.0.2"), answer("192.0.2.1")), 0);
  gate.release([id, id]);
  assert.equal(held.sent, true);
  assert.equal(gate.admit(asked(), answer("192.0.2.1")), 0);
  assert.notEqual(gate.admit(asked(), answer("192.0.2.1", "192.0.2.2")), 0);
});

test("without the agent's word it goes after the delay, and is not taken for known", async (context) => {
  const { gate, counters, agentComes } = await world(context, 20);
  await agentComes();
  const first = hold(gate, gate.admit(asked(), answer("192.0.2.1")));
  await delay(10);
  const second = hold(gate, gate.admit(asked(), answer("192.0.2.2")));
  assert.equal(first.sent, false);
  while (!second.sent) await delay(2);
  assert.equal(first.sent, true);
  assert.equal(counters.holdTimeouts, 2);
  assert.notEqual(gate.admit(asked(), answer("192.0.2.1")), 0);
});

test("without an agent nothing waits, and each address is kept to be told once", async (context) => {
  const { gate, control } = await world(context, 10_000);
  for (let round = 0; round < 3; round++) assert.equal(gate.admit(asked(), answer("192.0.2.1")), 0);
  const message = control.outbox.next();
  assert.ok(message?.kind === "resolved");
  assert.deepEqual(message.answers, [
    {
      id: 0,
      client: "10.0.0.1",
      name: "x.y",
      aliases: ["b.c"],
      addresses: [{ address: "192.0.2.1", ttlS: 61 }],
      atMs: 1_000,
    },
  ]);
});

test("when the agent goes what is held goes too, and another one is told anew", async (context) => {
  const { gate, agentComes } = await world(context, 10_000);
  await agentComes();
  const id = gate.admit(asked(), answer("192.0.2.1"));
  const held = hold(gate, id);
  gate.forgetAgent();
  assert.equal(held.sent, true);
  gate.release([id]);
  assert.notEqual(gate.admit(asked(), answer("192.0.2.1")), 0);
});

test("answers without addresses are nobody's business", async (context) => {
  const { gate, control, agentComes } = await world(context, 10_000);
  await agentComes();
  assert.equal(gate.admit(asked(), answer()), 0);
  assert.equal(control.outbox.hasNames, false);
});

test("a client that has ever more addresses told is not believed beyond its share, others are", async (context) => {
  const { gate, counters, agentComes } = await world(context, 100);
  await agentComes();
  const many = (n: number) =>
    Array.from({ length: 4_000 }, (_, at) => `11.${n}.${at >> 8}.${at & 255}`);
  const told = [1, 2, 3, 4, 5, 6].map((n) => {
    const { addresses } = answer(...many(n));
    return gate.admit(asked(`n${n}.y`), { ...answer(), aliases: [], addresses }) !== 0;
  });
  assert.deepEqual(told, [true, true, true, true, true, false]);
  assert.equal(counters.untoldAnswers, 1);
  assert.notEqual(gate.admit(asked("x.y", "10.0.0.2"), answer("192.0.2.9")), 0);
  assert.notEqual(gate.admit({ ...asked("z.y"), atMs: 2_000 }, answer("192.0.2.9")), 0);
});
