// Runs inside a guest: says what its kernel lacks, then runs the tests that need a kernel.
//   node tools/kernels/guest.ts [PATTERN]      PATTERN: only test files whose path contains it
import { release } from "node:os";
import { features } from "@tsilium/ebpf";
import { run, type Stage } from "../stages.ts";

const pattern = process.argv[2];

console.log(`Linux ${release()}`);
for (const { name, available, sinceKernel, detail } of features())
  if (!available) console.log(`    lacks ${name}, which came with Linux ${sinceKernel}: ${detail}`);

const stages: Stage[] = [
  {
    name: "every configuration loads",
    tests: { include: ["bpf/tests/load.root.test.ts"] },
    shared: true,
  },
  {
    name: "packet tables",
    tests: { include: ["bpf/tests/**/*.root.test.ts"], exclude: /load\.root/ },
    shared: true,
  },
  {
    name: "ebpf and netlink",
    tests: { include: ["packages/{syscall,ebpf,netlink}/**/*.root.test.ts"] },
  },
  { name: "datapath", tests: { include: ["packages/datapath/**/*.root.test.ts"] } },
];

await run(
  pattern
    ? [{ name: pattern, tests: { include: ["{bpf,packages}/**/*.root.test.ts"], pattern } }]
    : stages,
);
