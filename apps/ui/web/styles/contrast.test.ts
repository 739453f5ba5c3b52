// WCAG 2.2 AA: text has a contrast of 4.5 with what it stands on, in both themes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const css = readFileSync(join(import.meta.dirname, "1-base.css"), "utf8");
const themes = ["light", "dark"] as const;

/** "--text" -> its colour in each theme, "#rrggbb". */
const colours = new Map(
  [
    ...css.matchAll(
      /(--[\w-]+): light-dark\((#[0-9a-f]{6})[0-9a-f]{0,2}, (#[0-9a-f]{6})[0-9a-f]{0,2}\);/g,
    ),
  ].map(([, name, light, dark]) => [
    name as string,
    { light: light as string, dark: dark as string },
  ]),
);

function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].toSorted((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

const everywhere = [
  "--bg",
  "--surface",
  "--raised",
  "--hover",
  "--selected",
  "--drop-bg",
  "--audit-bg",
];
const pairs: readonly (readonly [string, readonly string[]])[] = [
  ["--text", [...everywhere, "--mark"]],
  ["--text-2", [...everywhere, "--label-bg"]],
  ["--drop", [...everywhere, "--label-bg"]],
  ["--ok", ["--bg", "--surface", "--raised", "--hover", "--selected"]],
  ["--audit", ["--bg", "--surface", "--hover", "--selected", "--audit-bg"]],
  ["--redirect", ["--bg", "--surface", "--hover", "--selected"]],
  ["--accent", ["--bg", "--surface", "--hover", "--mark"]],
  ["--on-accent", ["--accent"]],
];
for (const [text, grounds] of pairs) {
  for (const ground of grounds) {
    for (const theme of themes) {
      test(`${text} can be read on ${ground} (${theme})`, () => {
        const [a, b] = [colours.get(text)?.[theme], colours.get(ground)?.[theme]];
        assert.ok(a && b, "no such colour");
        assert.ok(contrast(a, b) >= 4.5, `${contrast(a, b).toFixed(2)}: ${a} on ${b}`);
      });
    }
  }
}
