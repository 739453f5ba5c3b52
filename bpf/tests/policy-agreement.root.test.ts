// Policy as the shipped programs decide it against the naive evaluator: generated clusters and policies are compiled,
// written into the maps, changed again and again, and packets of every kind of pair are put to the programs.
// A failure names its seed: TSILIUM_FUZZ_SEED=N runs it again, TSILIUM_FUZZ_RUNS=N runs more.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Random, repeat } from "@tsilium/testkit";
import {
  randomChange,
  randomQuestion,
  randomScenario,
  type Scenario,
} from "../../packages/policy/src/testing/generate/index.ts";
import {
  type Answer,
  naive,
  type Question,
} from "../../packages/policy/src/testing/naive/index.ts";
import { questionText } from "../../packages/policy/src/testing/player/index.ts";
import { type Hook, type Outcome, TestNode } from "./node.ts";
import { here, PolicyScene, sidesHere } from "./policy-scene.ts";

const soak = process.env["TSILIUM_SOAK"] === "1";
const steps = 6;
const questionsPerStep = 80;
/** bpf/lib/proxy_marks.h */
const [markToProxy, proxyMarkMask] = [0x0200, 0x0f00];

const node = new TestNode();
after(() => node[Symbol.dispose]());

test("the programs let through what the naive evaluator lets through, and drop the rest for its reason", () => {
  repeat({ runs: soak ? 500 : 12 }, (random) => {
    let scenario = randomScenario(random);
    const scene = new PolicyScene(node, scenario);
    const history = ["the beginning"];
    for (let step = 0; step < steps; step++) {
      compare(scene, scenario, random, history);
      const change = randomChange(random, scenario);
      history.push(change.name);
      scenario = change.scenario;
      scene.sync(scenario);
    }
  });
});

function compare(
  scene: PolicyScene,
  scenario: Scenario,
  random: Random,
  history: readonly string[],
): void {
  const evaluator = naive(scenario.world, scenario.objects, scenario.settings);
  for (let count = 0; count < questionsPerStep; count++) {
    const question = randomQuestion(random, scenario, here);
    const attempt = scene.attempt(question);
    if (!attempt) continue;
    const answer = evaluator.verdict(question);
    const got = judged(node.try(attempt));
    const wanted = expected(question, answer, attempt.hook);
    if (got !== wanted)
      assert.fail(
        [
          `${questionText(question)} at ${attempt.hook}: expected ${wanted}, got ${got}`,
          `after ${history.join(", ")}`,
          answer.why,
          JSON.stringify(scenario, null, 1),
        ].join("\n"),
      );
  }
}

/** What policy's business is of an outcome. Forwarded or left to the stack: where to is not. */
function judged({ verdict, mark }: Outcome): string {
  if (verdict === "redirect" && (mark & proxyMarkMask) === markToProxy) return "to tsi_host";
  return verdict.replace(/^(redirect|pass)$/, "through");
}

/**
 * In the words of node.ts. 181: a rule denies it; 133: none allows it; 178: for a proxy, of which there is none here.
 * from_host cannot look for one itself: what is for a proxy goes to tsi_host.
 */
function expected(question: Question, answer: Answer, hook: Hook): string {
  const sides = sidesHere(question, answer);
  const last = sides.at(-1);
  if (last?.verdict === "denied") return `drop ${last.rules.length > 0 ? 181 : 133}`;
  if (!sides.some(({ l7 }) => l7)) return "through";
  return hook === "from_host" ? "to tsi_host" : "drop 178";
}
