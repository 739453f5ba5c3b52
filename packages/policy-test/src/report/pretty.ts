// Results for people: a line for each test, why for those that failed, and the count.
import { styleText } from "node:util";
import type { FileResult, TestResult } from "../files/run.ts";
import { plain } from "./plain.ts";

export function prettyReport(files: readonly FileResult[]): string {
  const all = files.flatMap(({ results }) => results);
  const failed = all.filter(({ passed }) => !passed).length;
  const count = `${all.length} ${all.length === 1 ? "test" : "tests"}`;
  const summary =
    failed === 0
      ? styleText("green", `${count} passed`)
      : styleText("red", `${failed} of ${count} failed`);
  return `${files.map(fileReport).join("\n")}\n${summary}\n`;
}

function fileReport({ path, results }: FileResult): string {
  return `${plain(path)}\n${results.map(testReport).join("")}`;
}

function testReport({ name: text, passed, message }: TestResult): string {
  const name = plain(text);
  if (passed) return `  ${styleText("green", "ok")}      ${name}\n`;
  const why = plain(message ?? "")
    .split("\n")
    .map((line) => `          ${line}`.trimEnd());
  return `  ${styleText("red", "FAILED")}  ${name}\n${why.join("\n")}\n`;
}
