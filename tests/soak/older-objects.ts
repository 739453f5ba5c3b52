// Objects of an older version, compiled by a process of its own while the lab starts: the compiler takes seconds.
import { join } from "node:path";
import { root, run } from "../e2e/harness.ts";

/** Answers where the objects are. @throws Error with what the compiler said */
export async function buildOlderObjectsBeside(folder: string): Promise<string> {
  const module = join(root, "packages/datapath/src/testing/older-objects.ts");
  const script = `import { buildOlderObjects } from ${JSON.stringify(module)};
    process.stdout.write(buildOlderObjects(${JSON.stringify(folder)}));`;
  const built = await run(process.execPath, ["--input-type=module", "-e", script]);
  if (built.status !== 0) throw new Error(`older objects: ${built.stderr}`);
  return built.stdout;
}
