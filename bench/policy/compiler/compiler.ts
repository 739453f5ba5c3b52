// CPU time that policy costs an agent: everything from nothing, then one policy, one identity, one pod more. First the
// compiler alone, then with parsing before it and the kernel's maps behind it.
import { PolicyNode } from "../../../apps/agent/src/policy/testing/policy-node.ts";
import { type Section, times } from "../../report.ts";
import { median } from "../../statistics.ts";
import { Enforcer, identityInput, policyInput, subjectOf } from "../enforcer.ts";
import { appOf, apps, identityObject } from "../workload/cluster.ts";
import { compile, parse } from "./alone.ts";
import { cpuMs } from "./cpu.ts";
import { type World, worlds } from "./worlds.ts";

/** As in bpf/maps/policy.h. */
const sizes = { classes: 1_048_576, rules: 524_288, identities: 131_072, addresses: 65_536 };
const wholeRuns = 3;
const smallRuns = 100;

export function benchCompiler(): Section[] {
  return worlds().map(measure);
}

type Row = { readonly sentence: string; readonly taken: readonly number[] };

function measure(world: World): Section {
  const whole = [readJson(world), ...fromNothing(world), intoKernel(world)];
  const rows = [...whole, ...small(world)];
  const floor = median((whole[0] as Row).taken);
  return {
    title: `CPU time of policy: ${world.sentence}`,
    note: `1,000 policies, 6,000 identities. CPU milliseconds of the process, median of ${wholeRuns} runs of what is whole and of ${smallRuns} of what is one, and the worst; floor: reading the same objects' JSON.`,
    columns: ["", "CPU ms", "worst", "x floor"],
    rows: rows.map(({ sentence, taken }) => {
      const middle = median(taken);
      return [sentence, middle.toFixed(2), Math.max(...taken).toFixed(2), times(middle / floor)];
    }),
  };
}

function repeat(times: number, work: (round: number) => void): number[] {
  return Array.from({ length: times }, (_, round) => cpuMs(() => work(round)));
}

function readJson({ policies }: World): Row {
  const texts = [...policies, ...apps().map(identityObject)].map((object) =>
    JSON.stringify(object),
  );
  const taken = repeat(wholeRuns, () => texts.forEach((text) => void JSON.parse(text)));
  return { sentence: "all objects, JSON.parse (floor)", taken };
}

function fromNothing(world: World): Row[] {
  const objects = [...world.policies, world.changed(0)];
  const policies = parse(objects);
  return [
    {
      sentence: "all policies, parsed and judged",
      taken: repeat(wholeRuns, () => void parse(objects)),
    },
    {
      sentence: "all policies, compiled",
      taken: repeat(wholeRuns, () => void compile(policies, world)),
    },
  ];
}

function intoKernel(world: World): Row {
  const taken = repeat(wholeRuns, () => {
    using node = new PolicyNode(sizes);
    fill(node, world);
  });
  return { sentence: "everything from nothing, into the kernel", taken };
}

function fill(node: PolicyNode, { policies, subjects, changed }: World): Enforcer {
  const enforcer = new Enforcer(node.open());
  enforcer.tell([...apps().map(identityInput), ...[...policies, changed(0)].map(policyInput)]);
  for (const [index, subject] of subjects.entries()) enforcer.hold(index + 1, subject);
  return enforcer;
}

/** What happens while everything is in force, one at a time. */
function small(world: World): Row[] {
  using node = new PolicyNode(sizes);
  const enforcer = fill(node, world);
  const subject = world.subjects.length + 1;
  const newcomer = (round: number) => appOf(apps().length + round);
  return [
    {
      sentence: "one policy changed",
      taken: repeat(smallRuns, (round) => enforcer.tell([policyInput(world.changed(round + 1))])),
    },
    {
      sentence: "one identity more (aim: under 2 ms)",
      taken: repeat(smallRuns, (round) => enforcer.tell([identityInput(newcomer(round))])),
    },
    {
      sentence: "one identity less",
      taken: repeat(smallRuns, (round) =>
        enforcer.tell([{ kind: "identity-gone", id: newcomer(round).identity }]),
      ),
    },
    {
      sentence: "one pod of another app more",
      taken: repeat(smallRuns, (round) =>
        enforcer.hold(subject + round, subjectOf(appOf(30 + round * 59))),
      ),
    },
  ];
}
