// Where the project lives: bundles move between folders, so no file is found relative to its source.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * The project's root folder: `TSILIUM_ROOT` when set (the launchers set it), otherwise the nearest folder
 * above this file whose package.json is named "tsilium".
 * @throws Error when neither leads anywhere.
 */
export function projectRoot(): string {
  if (process.env["TSILIUM_ROOT"]) return process.env["TSILIUM_ROOT"];
  for (let folder = import.meta.dirname; folder !== "/"; folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "tsilium")
      return folder;
  }
  throw new Error("cannot find the Tsilium folder: set TSILIUM_ROOT");
}
