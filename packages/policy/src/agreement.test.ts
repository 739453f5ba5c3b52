// The compiler's maps against the naive evaluator: generated clusters and policies, changed again and again, every answer
// and every reason compared. A failure names its seed: TSILIUM_FUZZ_SEED=N runs it again, TSILIUM_FUZZ_RUNS=N runs more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { parseCidrGroup, parsePolicy } from "./index.ts";
import {
  clusterName,
  randomChange,
  randomQuestion,
  randomScenario,
  randomStranger,
} from "./testing/generate/index.ts";
import { naive } from "./testing/naive/index.ts";
import { ask, assertAgreement, Player, questionText } from "./testing/player/index.ts";

const soak = process.env["TSILIUM_SOAK"] === "1";
const strangersIdentity = 60_000;

test("every generated object is understood", () => {
  repeat({ runs: soak ? 10_000 : 200 }, (random) => {
    for (const object of randomScenario(random).objects) {
      const isPolicy = object.kind.endsWith("Policy");
      if (!isPolicy && object.kind !== "CiliumCIDRGroup") continue;
      const result = isPolicy
        ? parsePolicy(object, { clusterName, nodeSelectorLabels: true })
        : parseCidrGroup(object);
      if (!result.ok) assert.fail(JSON.stringify({ problems: result.problems, object }, null, 1));
    }
  });
});

test("a peer that is not known yet gets nowhere where it would be denied", () => {
  repeat({ runs: soak ? 2000 : 10 }, (random) => {
    const scenario = randomScenario(random);
    const node = "node-1";
    const player = new Player(scenario, node);
    for (let count = 0; count < 20; count++) {
      const { world, question } = randomStranger(random, scenario, node);
      const answer = naive(world, scenario.objects, scenario.settings).verdict(question);
      for (const direction of ["egress", "ingress"] as const) {
        const decision = ask(player, question, direction, { identity: strangersIdentity });
        if (!decision || answer[direction]?.verdict !== "denied") continue;
        const got = `${questionText(question)}: ${direction} ${decision.verdict}`;
        assert.match(got, / (deny|unknown peer)$/, `${answer.why}\n${JSON.stringify(scenario)}`);
      }
    }
  });
});

test("the compiled maps answer as the naive evaluator does, through all kinds of changes", () => {
  repeat({ runs: soak ? 5000 : 10 }, (random) => {
    let scenario = randomScenario(random);
    // The API server may be on node-2.
    const node = random.chance(0.8) ? "node-1" : "node-2";
    const player = new Player(scenario, node);
    const history = ["the beginning"];
    for (let step = 0; step < 12; step++) {
      const questions = Array.from({ length: 60 }, () => randomQuestion(random, scenario, node));
      assertAgreement({ player, scenario, questions, history });
      const change = randomChange(random, scenario);
      history.push(change.name);
      scenario = change.scenario;
      player.sync(scenario);
      assert.deepEqual(player.kernel.orphans, [], `slots left over after ${history.join(", ")}`);
    }
  });
});
