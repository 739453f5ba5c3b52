import assert from "node:assert/strict";
import { test } from "node:test";
import { Inbox } from "./inbox.ts";
import type { PolicyInput } from "./inputs/model.ts";

const address = (prefix: string): PolicyInput => ({
  kind: "address",
  prefix,
  identity: 300,
  hostIp: undefined,
  owner: "o",
});
const gone = (prefix: string): PolicyInput => ({ kind: "address-gone", prefix });
const service = (name: string): PolicyInput => ({ kind: "service-gone", namespace: "n", name });
const textOf = (inputs: Iterable<PolicyInput>) =>
  Array.from(inputs, (input) => JSON.stringify(input));

test("what was said of a thing last is what counts", () => {
  const inbox = new Inbox();
  inbox.add(1, [address("10.0.0.1/32"), address("10.0.0.2/32")]);
  inbox.add(2, [gone("10.0.0.1/32")]);
  assert.deepEqual(
    textOf(inbox.takeUrgent()),
    textOf([gone("10.0.0.1/32"), address("10.0.0.2/32")]),
  );
  assert.equal(inbox.isEmpty, true);
});

test("addresses and identities go before policies and services", () => {
  const inbox = new Inbox();
  inbox.add(1, [service("a"), address("10.0.0.1/32")]);
  assert.deepEqual(textOf(inbox.takeUrgent()), textOf([address("10.0.0.1/32")]));
  assert.deepEqual(textOf(inbox.takePatient()), textOf([service("a")]));
});

test("a sequence number counts as taken when everything up to it is, in both lanes", () => {
  const inbox = new Inbox();
  inbox.add(1, [service("a")]);
  inbox.add(2, [address("10.0.0.1/32")]);
  inbox.add(3, [service("b")]);
  const taken = [inbox.taken];
  textOf(inbox.takeUrgent());
  assert.equal(inbox.urgentTaken, 3);
  taken.push(inbox.taken);
  for (const _ of inbox.takePatient()) taken.push(inbox.taken);
  assert.deepEqual(taken, [0, 0, 2, 3]);
});

test("a thing that changes again while it waits keeps its place, so that nothing waits for ever", () => {
  const inbox = new Inbox();
  inbox.add(1, [service("a")]);
  inbox.add(2, [service("b")]);
  inbox.add(3, [service("a")]);
  const [first] = inbox.takePatient();
  assert.deepEqual(first, service("a"));
  assert.equal(inbox.taken, 1);
});
