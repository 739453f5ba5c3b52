// With raw sockets: on loopback, and in a namespace of the test's own whose wire goes nowhere.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import { Topology } from "@tsilium/testkit";
import { isAnswer } from "./decide.ts";
import type { ProbeResult } from "./model.ts";
import { ping } from "./ping.ts";

const signal = new AbortController().signal;
const descriptors = () => readdirSync("/proc/self/fd").length;

test("loopback answers in both families, many at once, and nothing stays open", async () => {
  const before = descriptors();
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      ping(Address.parse(at % 2 === 0 ? "127.0.0.1" : "::1"), {
        count: 3,
        timeoutMs: 2_000,
        signal,
      }),
    ),
  );
  assert.deepEqual(
    results.filter((result) => !isAnswer(result)),
    [],
  );
  assert.equal(descriptors(), before);
});

test("silence is told after the last request, a missing route at once", async () => {
  using topology = new Topology();
  const netns = topology.netns("silent");
  const elsewhere = topology.netns("elsewhere");
  topology.wire(
    { netns, device: "eth0", addresses: ["192.0.2.1/24"] },
    { netns: elsewhere, device: "eth0", addresses: [] },
  );
  // The socket is made before anything waits, and stays in its namespace.
  const asked = (ip: string, count: number) => {
    const results: Promise<ProbeResult>[] = [];
    netns.run(() => void results.push(ping(Address.parse(ip), { count, timeoutMs: 30, signal })));
    return results[0];
  };
  const problems = await Promise.all([asked("192.0.2.2", 3), asked("198.51.100.1", 3)]);
  assert.deepEqual(
    problems.map((result) => (result && "problem" in result ? result.problem : "answered")),
    ["no answer to 3 echo requests", "connect: ENETUNREACH"],
  );
});
