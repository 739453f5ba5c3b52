// Command lines of dist/bin/lab-runner (native/lab-runner.c).
import { existsSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";
import { LabError } from "../error.ts";

/** A built program of the project. @throws LabError "not_built" */
export function builtProgram(name: string): string {
  const path = join(projectRoot(), "dist/bin", name);
  if (existsSync(path)) return path;
  throw new LabError("not_built", `${path} is missing`, "Run `npm run build`.");
}

export function runnerPath(): string {
  return builtProgram("lab-runner");
}

/**
 * Node and the script of one of the project's apps: its bundle, or with TSILIUM_FROM_SOURCE=1 its source.
 * @throws LabError "not_built"
 */
export function appCommand(name: string, source: string): string[] {
  const root = projectRoot();
  const script =
    process.env["TSILIUM_FROM_SOURCE"] === "1"
      ? join(root, source)
      : join(root, "dist/js", `${name}.mjs`);
  if (!existsSync(script))
    throw new LabError("not_built", `${script} is missing`, "Run `npm run build`.");
  return [process.execPath, script];
}
