// Reports on policies in files, in lines for people. Pure; names and values in files may hold anything, so that whoever
// prints them makes them `printable`.
import type { CheckedPolicy, Report } from "./check.ts";
import type { LintReport } from "./lint.ts";

/** What goes to standard output, and what beside it. */
export type Rendered = { readonly output: readonly string[]; readonly notes: readonly string[] };

export function renderReport({ policies, skipped, unreadable }: Report): Rendered {
  return {
    output: [
      ...unreadable.map(({ file, line, message }) => `${file}:${line}: ${message}`),
      ...policies.flatMap((policy) =>
        policy.problems.map(
          ({ line, path, message }) =>
            `${policy.file}:${line}: ${inWords(policy, path)}: ${message}`,
        ),
      ),
      summary({ policies, unreadable }),
    ],
    notes: [
      ...skipped.map(
        ({ file, line, what }) => `${file}:${line}: ${what} is no policy: passed over`,
      ),
      ...policies.flatMap((policy) =>
        policy.warnings.map(
          ({ line, path, message }) =>
            `${policy.file}:${line}: warning: ${inWords(policy, path)}: ${message}`,
        ),
      ),
    ],
  };
}

export function renderLint({ report, findings }: LintReport): Rendered {
  const { unreadable, policies } = report;
  const output = findings.map(
    (each) =>
      `${each.file}:${each.line}: ${inWords(each, each.path)}: ${each.message} (${each.code})`,
  );
  const notes = [
    ...unreadable.map(({ file, line, message }) => `${file}:${line}: ${message}`),
    ...policies.flatMap((policy) =>
      policy.problems.map(
        ({ line, path, message }) =>
          `${policy.file}:${line}: invalid: ${inWords(policy, path)}: ${message}`,
      ),
    ),
  ];
  const nothing = output.length === 0 && notes.length === 0;
  return { output: nothing ? ["nothing found"] : output, notes };
}

/** Whether there are policies, and all of them are valid. */
export function isGood({ policies, unreadable }: Report): boolean {
  return policies.length > 0 && unreadable.length === 0 && policies.every(({ valid }) => valid);
}

/** The field, or for the object as a whole its kind and name. */
function inWords(
  { kind, namespace, name }: Pick<CheckedPolicy, "kind" | "namespace" | "name">,
  path: string,
): string {
  return path === "" ? `${kind} ${namespace ? `${namespace}/` : ""}${name}` : path;
}

function summary({ policies, unreadable }: Pick<Report, "policies" | "unreadable">): string {
  const invalid = policies.filter(({ valid }) => !valid).length;
  const judged =
    invalid > 0
      ? `${invalid} of ${count(policies.length, "policy")} ${invalid === 1 ? "is" : "are"} invalid`
      : `${count(policies.length, "policy")} valid`;
  if (unreadable.length === 0) return judged;
  return `${count(unreadable.length, "text")} cannot be read, ${judged}`;
}

function count(number: number, noun: string): string {
  return `${number} ${number === 1 ? noun : noun.replace(/y$/, "ie").concat("s")}`;
}
