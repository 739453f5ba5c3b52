// `npm run check`: types, lint, format, layers, generated files, unit tests. Under a minute, no root.
//   node tools/check.ts
import { run, type Stage } from "./stages.ts";

const stages: Stage[] = [
  { name: "build", command: ["node", "tools/build.ts", "--quiet"] },
  { name: "types", command: ["tsc", "-p", "tsconfig.json"] },
  { name: "types of the page", command: ["tsc", "-p", "apps/ui/web/tsconfig.json"] },
  {
    name: "lint",
    command: ["oxlint", "--deny-warnings", "packages", "apps", "bpf", "tests", "bench", "tools"],
  },
  {
    name: "format",
    command: ["oxfmt", "--check", "packages", "apps", "bpf", "tests", "bench", "tools"],
  },
  { name: "C format", command: ["node", "tools/format-c.ts", "--check"] },
  { name: "layers", command: ["node", "tools/layers.ts"] },
  { name: "generated files", command: ["node", "tools/gen-codecs.ts", "--check"] },
  { name: "generated messages", command: ["node", "tools/gen-proto.ts", "--check"] },
  { name: "generated pages", command: ["node", "tools/gen-docs.ts", "--check"] },
  { name: "links", command: ["node", "tools/links.ts"] },
  { name: "security cases", command: ["node", "tools/security.ts"] },
  {
    name: "unit tests",
    tests: {
      include: ["packages/**/*.test.ts", "apps/**/*.test.ts", "tools/**/*.test.ts"],
      // Those that need root, and those that start servers and processes: `npm test` runs them.
      exclude: /\.(root|process)\.test\.ts$/,
    },
    shared: true,
  },
];

await run(stages);
