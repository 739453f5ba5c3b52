// Results as the XML that CI servers read: a suite for each file, a case for each test.
import type { FileResult } from "../files/run.ts";

export function junitReport(files: readonly FileResult[]): string {
  const suites = files.map(({ path, results }) => {
    const failures = results.filter(({ passed }) => !passed).length;
    const cases = results.map(({ name, message, durationMs }) => {
      const open = `    <testcase name="${escaped(name)}" classname="${escaped(path)}" time="${seconds(durationMs)}"`;
      if (message === undefined) return `${open}/>\n`;
      const first = message.split("\n")[0] ?? "";
      return `${open}>\n      <failure message="${escaped(first)}">${escaped(message)}</failure>\n    </testcase>\n`;
    });
    return `  <testsuite name="${escaped(path)}" tests="${results.length}" failures="${failures}">\n${cases.join("")}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join("")}</testsuites>\n`;
}

/** XML 1.0 has no place for control characters at all. */
function escaped(text: string): string {
  return (
    text
      // oxlint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "?")
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
      .replaceAll("\n", "&#10;")
  );
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(6);
}
