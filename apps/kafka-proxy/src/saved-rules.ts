// The rules on disk: what a proxy enforces that starts while there is no agent.
import { readListenerRules, ShapeError } from "@tsilium/proxy/control/index.ts";
import type { ListenerRules } from "@tsilium/proxy/model.ts";
import type { StateFolder } from "@tsilium/proxy/privileges/index.ts";

const file = "rules.json";

export function saveRules(folder: StateFolder, rules: readonly ListenerRules[]): void {
  folder.write(file, JSON.stringify(rules));
}

/** Nothing where the file is damaged: then nothing passes until an agent says what may. @throws Error EIO, ... */
export function loadRules(folder: StateFolder): readonly ListenerRules[] {
  const text = folder.read(file);
  if (typeof text !== "string") return [];
  try {
    const rules = JSON.parse(text) as unknown;
    if (!Array.isArray(rules)) return [];
    return rules.map((item, index) => readListenerRules(item, `${file}[${index}]`));
  } catch (error) {
    if (error instanceof ShapeError || error instanceof SyntaxError) return [];
    throw error;
  }
}
