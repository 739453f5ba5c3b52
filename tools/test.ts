// `npm test`: the check, then tests that need root (datapath tables, packages on the real kernel) or start processes, then
// end-to-end tests in labs. `--soak` runs the long forms: the same files with TSILIUM_SOAK=1, and tests/soak.
//   node tools/test.ts [--soak] [PATTERN]     PATTERN: only test files whose path contains it
import { run, type Stage } from "./stages.ts";

const soak = process.argv.includes("--soak");
const pattern = process.argv.slice(2).find((word) => !word.startsWith("--"));

if (process.getuid?.() !== 0) {
  console.error(
    "npm test needs root: it loads eBPF programs and makes network namespaces. `npm run check` does not.",
  );
  console.log("0 passed, 1 failed, 0 skipped");
  process.exit(1);
}
if (soak) process.env["TSILIUM_SOAK"] = "1";

const endToEnd = ["tests/e2e/**/*.test.ts", "tests/soak/*.test.ts", "apps/ui/tests/*.e2e.ts"];
/** What measures, or fills the machine: not beside others. All else is labs that wait most of the time. */
const alone =
  /\/(churn|faults|policy-restart|hubble-load|services-scale|l7-faults|endurance)\.test\.ts$|\/performance\.e2e\.ts$/;

const kernelTests = ["bpf", "packages", "apps"].map(
  (folder) => `${folder}/**/*.{root,process}.test.ts`,
);
/** What counts events a second, or measures: not beside others either. */
const timed =
  /(tests\/events|fairness|pod-interface|relay\/processes|testkit\/src\/topology)\.root\.test\.ts$/;

const all: Stage[] = [
  { name: "check", command: ["node", "tools/check.ts"], counted: true },
  { name: "kernel and processes", tests: { include: kernelTests, exclude: timed }, atOnce: 3 },
  { name: "kernel and processes, one at a time", tests: { include: kernelTests, only: timed } },
  {
    name: "end-to-end",
    tests: { include: [...endToEnd], exclude: alone },
    atOnce: 2,
  },
  {
    name: "end-to-end, one at a time",
    tests: { include: [...endToEnd], only: alone },
  },
];
const long: Stage[] = [
  { name: "soak", tests: { include: ["tests/soak/**/*.test.ts", "tests/e2e/**/*.test.ts"] } },
];
const build: Stage = { name: "build", command: ["node", "tools/build.ts"] };

await run(
  pattern
    ? [
        build,
        {
          name: pattern,
          tests: { include: ["{bpf,packages,apps,tests,tools}/**/*.test.ts"], pattern },
        },
      ]
    : soak
      ? [build, ...long]
      : all,
);
