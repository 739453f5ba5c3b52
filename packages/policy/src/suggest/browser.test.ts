import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

/** What a module and those it imports import that is not of this package; types are gone when it runs. */
function outerImports(path: string, seen = new Set<string>()): string[] {
  if (seen.has(path)) return [];
  seen.add(path);
  const statements = readFileSync(path, "utf8").matchAll(
    /^(?:import|export)\s+(?!type\b)(?:[^;"]*?\sfrom\s+)?"([^"]+)"/gm,
  );
  return [...statements].flatMap(([, target = ""]) =>
    target.startsWith(".") ? outerImports(join(dirname(path), target), seen) : [target],
  );
}

test("suggestions can be made in a browser: they import nothing of node", () => {
  const found = new Set(outerImports(join(import.meta.dirname, "index.ts")));
  assert.deepEqual(found, new Set(["js-yaml"]));
});
