import assert from "node:assert/strict";
import { test } from "node:test";
import type { WantedSubject } from "./model.ts";
import { Subjects } from "./subjects.ts";

const wanted = (change: Partial<WantedSubject> = {}): WantedSubject => ({
  identity: 300,
  labels: ["k8s:app=web"],
  namedPorts: [{ name: "http", protocol: 6, port: 80 }],
  audit: false,
  ...change,
});

test("equal content is one subject, and anything that makes policy differ makes another", () => {
  const subjects = new Subjects([]);
  const first = subjects.acquire(wanted());
  assert.equal(subjects.acquire(wanted()).id, first.id);
  const others = [{ identity: 301 }, { namedPorts: [] }, { audit: true }].map(
    (change) => subjects.acquire(wanted(change)).id,
  );
  assert.equal(new Set([first.id, ...others]).size, 4);
});

test("a subject goes with its last reference, and its number is not given out next", () => {
  const subjects = new Subjects([]);
  const { id } = subjects.acquire(wanted());
  subjects.acquire(wanted());
  subjects.release(id);
  assert.equal(subjects.get(id)?.references, 1);
  subjects.release(id);
  assert.equal(subjects.get(id), undefined);
  assert.notEqual(subjects.acquire(wanted()).id, id);
});

test("numbers that endpoints' rows in the kernel name from before are not given out", () => {
  const subjects = new Subjects([1, 2]);
  assert.equal(subjects.acquire(wanted()).id, 3);
});

test("what a worker said is forgotten with it", () => {
  const subjects = new Subjects([]);
  const { id } = subjects.acquire(wanted());
  subjects.setState({ id, ingress: "enforcing", egress: "disabled" });
  assert.equal(subjects.get(id)?.state?.ingress, "enforcing");
  subjects.forgetStates();
  assert.equal(subjects.get(id)?.state, undefined);
});
