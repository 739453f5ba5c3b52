// What docs/security.md owes: for every case a test that is there, by file and name, or the reason why there is none.
// Pure.
//
//   | case | how ours could break so | shown by | switched off |
//     shown by: `path/of.test.ts: "part of a test's name"`, or "Not yet: ..." or "Does not apply: ..."
//     switched off: what was taken out to see the tests fail

export type Row = {
  readonly line: number;
  readonly name: string;
  readonly shownBy: string;
  readonly switchedOff: string;
};

export type TestReference = { readonly path: string; readonly name: string };

/** A reason is a sentence. */
const leastReason = 40;
/** Less than this would be found in any file. */
const leastName = 10;

/** Rows of all tables that have these four columns. */
export function rowsOf(page: string): Row[] {
  const rows: Row[] = [];
  for (const [at, line] of page.split("\n").entries()) {
    const cells = line.startsWith("|") ? line.split("|").slice(1, -1) : [];
    const [name = "", , shownBy = "", switchedOff = ""] = cells.map((cell) => cell.trim());
    const isHead = name === "case" || /^-+$/.test(name);
    if (cells.length === 4 && !isHead) rows.push({ line: at + 1, name, shownBy, switchedOff });
  }
  return rows;
}

/** Tests that a cell names. */
export function referencesIn(cell: string): TestReference[] {
  return [...cell.matchAll(/`([^`":]+): "([^`]+)"`/g)].map(([, path = "", name = ""]) => ({
    path,
    name,
  }));
}

/**
 * What is wrong with a row, a sentence each.
 * @param read a file of the project, undefined if it is not there
 */
export function complaintsAbout(row: Row, read: (path: string) => string | undefined): string[] {
  const references = referencesIn(row.shownBy);
  const missing = references.flatMap((reference) => complaintAbout(reference, read) ?? []);
  if (references.length > 0 && row.switchedOff === "")
    missing.push("it does not say what was switched off to see its tests fail");
  const [, reason] = /(?:Not yet|Does not apply): (.*)$/.exec(row.shownBy) ?? [];
  if (reason !== undefined && reason.length < leastReason) missing.push(`"${reason}" is no reason`);
  if (references.length === 0 && reason === undefined)
    missing.push("neither a test nor a reason why there is none");
  return missing.map((what) => `${row.name}: ${what}`);
}

function complaintAbout(
  { path, name }: TestReference,
  read: (path: string) => string | undefined,
): string | undefined {
  const source = read(path);
  if (source === undefined) return `there is no ${path}`;
  if (name.length < leastName) return `"${name}" is too short to be a test's name`;
  const found = literalsIn(source).some((literal) => literal.includes(name));
  return found ? undefined : `${path} has no test "${name}"`;
}

/**
 * Texts that stand in a source, and not in its comments: names of tests are among them. Templates are cut where something
 * is put in, so that the name of a row must be of one piece.
 */
export function literalsIn(source: string): string[] {
  const pattern =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"((?:\\.|[^"\\\n])*)"|'((?:\\.|[^'\\\n])*)'|`((?:\\.|[^`\\])*)`/g;
  return [...source.matchAll(pattern)].flatMap(([, double, single, template]) => {
    const text = double ?? single;
    if (text !== undefined) return [text.replace(/\\(.)/g, "$1")];
    return template?.split(/\$\{[^}]*\}/) ?? [];
  });
}
