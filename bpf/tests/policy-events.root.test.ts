// Every decision is told with the rule that made it: what events say of generated clusters' packets is held to the causes
// that the naive evaluator names. A failure names its seed: TSILIUM_FUZZ_SEED=N runs it again, TSILIUM_FUZZ_RUNS=N runs more.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { encode, RingBuffer } from "@tsilium/ebpf";
import { type Random, seeded } from "@tsilium/testkit";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import type { DropOrTraceEvent } from "../../packages/datapath/src/model.ts";
import { decodeEvent } from "../../packages/datapath/src/tables/events.ts";
import {
  randomQuestion,
  randomScenario,
  type Scenario,
} from "../../packages/policy/src/testing/generate/index.ts";
import { naive, type Question } from "../../packages/policy/src/testing/naive/index.ts";
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
const patienceMs = 10_000;

const node = new TestNode({}, { events_per_second: 1_000_000 });
after(() => node[Symbol.dispose]());

test("every decision is told with its rule", async () => {
  const stop = new AbortController();
  using ring = RingBuffer.open(node.map("tsi_events"));
  const events = eventsOf(ring, stop.signal);
  try {
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const random = seeded(seed);
      const scenario = randomScenario(random);
      await compare(scenario, random, events).catch((cause: unknown) => {
        throw new Error(`fails for TSILIUM_FUZZ_SEED=${seed}: ${String(cause)}`, { cause });
      });
    }
  } finally {
    stop.abort();
    await events.return(undefined);
  }
});

async function* eventsOf(ring: RingBuffer, signal: AbortSignal): AsyncGenerator<DropOrTraceEvent> {
  for await (const records of ring.events(signal))
    for (const record of records) {
      const event = decodeEvent(record);
      if (event) yield event;
    }
}

async function compare(
  scenario: Scenario,
  random: Random,
  events: AsyncGenerator<DropOrTraceEvent>,
): Promise<void> {
  const scene = new PolicyScene(node, scenario);
  node
    .map("tsi_runtime")
    .update(new Uint8Array(4), encode(abi.runtime, { epoch: 1, trace: 0, verdicts: 1 }));
  const evaluator = naive(scenario.world, scenario.objects, scenario.settings);
  for (let count = 0; count < questionsPerRun; count++) {
    const question = randomQuestion(random, scenario, here);
    const attempt = scene.attempt(question);
    if (!attempt) continue;
    node.try(attempt);
    for (const side of sidesHere(question, evaluator.verdict(question))) {
      const event = await next(events, question);
      const cause = causeText(scene.player.compiler.ruleName(event.rule));
      const got = `${questionText(question)}: ${event.direction} ${event.kind} by ${cause}`;
      const kind = side.verdict === "denied" ? "drop" : "policy-verdict";
      const causes = isAmong(cause, side) ? cause : causesOf(side).join(" or ");
      assert.equal(got, `${questionText(question)}: ${side.direction} ${kind} by ${causes}`);
      if (kind === "policy-verdict")
        assert.equal(event.verdict, side.verdict === "audit" ? "audit" : "allow");
    }
  }
}

/** A packet's events come as soon as it is judged, one for each end, none after a denial. */
async function next(
  events: AsyncGenerator<DropOrTraceEvent>,
  question: Question,
): Promise<DropOrTraceEvent> {
  const late = AbortSignal.timeout(patienceMs);
  const missing = new Promise<never>((_, reject) =>
    late.addEventListener("abort", () =>
      reject(new Error(`no event of ${questionText(question)}`)),
    ),
  );
  const { value, done } = await Promise.race([events.next(), missing]);
  assert.ok(!done, "the ring has ended");
  return value;
}
