// Settings as Kubernetes mounts a ConfigMap: a file per key.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "./settings.ts";

/** Replaces the folder by one with these settings, for root alone. Answers its path. */
export function writeSettings(folder: string, settings: Settings): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  for (const [key, text] of Object.entries(settings))
    writeFileSync(join(folder, key), text, { mode: 0o600 });
  return folder;
}
