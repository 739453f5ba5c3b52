// `npm run format`: rewrites TypeScript and C in the house format.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
for (const command of [
  ["oxfmt", "packages", "apps", "bpf", "tests", "bench", "tools"],
  ["node", "tools/format-c.ts"],
]) {
  const { status } = spawnSync(command[0] as string, command.slice(1), {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) process.exitCode = 1;
}
