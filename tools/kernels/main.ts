// `npm run test:kernels`: the datapath on the other kernels that the project supports, one guest after another.
// See docs/kernels.md.
//   node tools/kernels/main.ts [LINE] [PATTERN]      LINE: 6.1 or 6.12 alone; PATTERN: part of test files' paths
import { run, type Stage } from "../stages.ts";
import { installPackages } from "./debian.ts";

const lines = ["6.1", "6.12"];
const words = process.argv.slice(2);
const chosen = lines.filter((line) => words.includes(line));
const pattern = words.find((word) => !lines.includes(word));

if (process.getuid?.() !== 0 || process.arch !== "x64") {
  console.error("npm run test:kernels needs root, for virtiofsd, and an x86-64 machine.");
  console.log("0 passed, 1 failed, 0 skipped");
  process.exit(1);
}

installPackages();
const guests: Stage[] = (chosen.length > 0 ? chosen : lines).map((line) => ({
  name: `Linux ${line}`,
  command: ["node", "tools/kernels/boot.ts", line, ...(pattern ? [pattern] : [])],
  counted: true,
}));
await run([{ name: "build", command: ["node", "tools/build.ts", "--quiet"] }, ...guests]);
