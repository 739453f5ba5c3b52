// Every decision is told with the rule that made it: what events say of generated clusters' packets is held to the causes
// that the naive evaluator names. A failure names its seed: TSILIUM_FUZZ_SEED=N runs it again, TSILIUM_FUZZ_RUNS=N runs more.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { encode, RingBuffer } from "@tsilium/ebpf";
import { type Random, seeded } from "@tsilium/testkit";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import type { PacketEvent } from "../../packages/datapath/src/model.ts";
import { decodeEvent } from "../../packages/datapath/src/tables/events.ts";
import {
  randomQuestion,
  randomScenario,
  type Scenario,
} from "../../packages/policy/src/testing/generate/index.ts";
import { naive, type Side } from "../../packages/policy/src/testing/naive/index.ts";
import {
  causesOf,
  causeText,
  isAmong,
  questionText,
} from "../../packages/policy/src/testing/player/index.ts";
import { TestNode } from "./node.ts";
import { here, PolicyScene, sidesHere } from "./policy-scene.ts";

const runs = Number(
  process.env["TSILIUM_FUZZ_RUNS"] ?? (process.env["TSILIUM_SOAK"] === "1" ? 300 : 10),
);
const firstSeed = Number(process.env["TSILIUM_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const questionsPerRun = 100;

const node = new TestNode({}, { events_per_second: 1_000_000 });
after(() => node[Symbol.dispose]());

test("every decision is told with its rule", () => {
  using ring = RingBuffer.open(node.map("tsi_events"));
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const random = seeded(seed);
    const scenario = randomScenario(random);
    try {
      compare(scenario, random, ring);
    } catch (cause) {
      throw new Error(`fails for TSILIUM_FUZZ_SEED=${seed}: ${String(cause)}`, { cause });
    }
  }
});

/** A packet's events are there as soon as it is judged, one for each end, none after a denial. */
function take(ring: RingBuffer): PacketEvent[] {
  const events: PacketEvent[] = [];
  ring.drain(({ bytes }, at, length) => {
    const event = decodeEvent(bytes.subarray(at, at + length));
    if (event && event.kind !== "translation") events.push(event);
  });
  return events;
}

/** What is for a proxy is told as such; what becomes of it there, the proxy tells. */
function verdictOf({ verdict, l7 }: Side): string {
  if (l7) return "redirect";
  return verdict === "audit" ? "audit" : "allow";
}

function compare(scenario: Scenario, random: Random, ring: RingBuffer): void {
  const scene = new PolicyScene(node, scenario);
  node
    .map("tsi_runtime")
    .update(
      new Uint8Array(4),
      encode(abi.runtime, { epoch: 1, trace: 0, verdicts: 1, proxies: 0 }),
    );
  const evaluator = naive(scenario.world, scenario.objects, scenario.settings);
  for (let count = 0; count < questionsPerRun; count++) {
    const question = randomQuestion(random, scenario, here);
    const attempt = scene.attempt(question);
    if (!attempt) continue;
    node.try(attempt);
    const events = take(ring);
    const sides = sidesHere(question, evaluator.verdict(question));
    for (const side of sides) {
      const event = events[0];
      // What needs no rule is told of only where some policy selects the pod.
      const needsNoRule = causesOf(side).every((name) => name.startsWith("("));
      if (needsNoRule && event?.direction !== side.direction) continue;
      const cause = event && causeText(scene.player.compiler.ruleName(event.rule));
      const got = `${questionText(question)}: ${event?.direction} ${event?.kind} by ${cause}`;
      const kind = side.verdict === "denied" ? "drop" : "policy-verdict";
      const causes = cause && isAmong(cause, side) ? cause : causesOf(side).join(" or ");
      assert.equal(got, `${questionText(question)}: ${side.direction} ${kind} by ${causes}`);
      if (kind === "policy-verdict") assert.equal(event?.verdict, verdictOf(side));
      events.shift();
    }
    // Nobody listens here.
    if (sides.some(({ l7 }) => l7) && sides.at(-1)?.verdict !== "denied")
      assert.equal(events.shift()?.code, abi.dropReason.noListener);
    assert.deepEqual(events, [], `more than was to be told of ${questionText(question)}`);
  }
}
