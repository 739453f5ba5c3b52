// What is legal in the policies of files and hardly meant, and where it stands.
import {
  lintPolicies,
  parsePolicy,
  refKey,
  type Finding,
  type Policy,
  type PolicyRef,
  type Problem,
} from "@tsilium/policy";
import { checkPolicies, type Report } from "./check.ts";
import type { Document, Unreadable } from "./documents.ts";
import type { World } from "./world.ts";

export type PlacedFinding = {
  readonly file: string;
  readonly line: number;
  readonly kind: string;
  /** "" for kinds without. */
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
  /** odd: the parser's warnings. repeated: an object of that name is in the files already. */
  readonly code: Finding["code"] | "odd" | "repeated";
  readonly message: string;
};

export type LintReport = {
  /** Of what the files hold; invalid policies take no part in the rest. */
  readonly report: Report;
  readonly findings: readonly PlacedFinding[];
};

type Placed = {
  readonly policy: Policy;
  readonly warnings: readonly Problem[];
  readonly document: Document;
};

export function lint(documents: readonly (Document | Unreadable)[], world: World): LintReport {
  const report = checkPolicies(documents);
  const placed = new Map<string, Placed>();
  const findings: PlacedFinding[] = [];
  for (const document of documents) {
    const parsed = parse(document, world.clusterName);
    if (!parsed) continue;
    const { ref } = parsed.policy;
    const earlier = placed.get(refKey(ref))?.document;
    placed.set(refKey(ref), parsed);
    const say = (code: PlacedFinding["code"], path: string, message: string) =>
      findings.push(place({ ref, path, code, message }, parsed.document));
    if (earlier)
      say(
        "repeated",
        "",
        `is in ${earlier.file}:${earlier.lines.of("")} already: one replaces the other`,
      );
    for (const { path, message } of parsed.warnings) say("odd", path, message);
  }
  const found = lintPolicies(
    [...placed.values()].map(({ policy }) => policy),
    world,
  );
  for (const each of found) {
    const { document } = placed.get(refKey(each.ref)) as Placed;
    findings.push(place(each, document));
  }
  return { report, findings: withoutEchoes(findings).toSorted(byPlace) };
}

/** A valid policy, by the rules of the cluster's configuration that allow most. */
function parse(document: Document | Unreadable, clusterName: string): Placed | undefined {
  if (!("value" in document)) return undefined;
  const result = parsePolicy(document.value, { clusterName, nodeSelectorLabels: true });
  return result.ok ? { ...result, document } : undefined;
}

function place(
  found: {
    readonly ref: PolicyRef;
    readonly path: string;
    readonly message: string;
    readonly code: PlacedFinding["code"];
  },
  { file, lines }: Document,
): PlacedFinding {
  const { ref, path, code, message } = found;
  return { file, line: lines.of(path), ...ref, path, code, message };
}

/** What the parser finds odd is left out where lint says it in its own words, of the same field or of one around it. */
function withoutEchoes(findings: readonly PlacedFinding[]): PlacedFinding[] {
  const told = findings.filter(({ code }) => code !== "odd");
  return findings.filter(
    (each) =>
      each.code !== "odd" ||
      !told.some(
        (other) =>
          other.file === each.file &&
          refKeyOf(other) === refKeyOf(each) &&
          isWithin(each.path, other.path),
      ),
  );
}

function refKeyOf({ kind, namespace, name }: PlacedFinding): string {
  return `${kind}/${namespace}/${name}`;
}

function isWithin(path: string, around: string): boolean {
  return (
    path === around ||
    (around !== "" && /^[.[]/.test(path.slice(around.length)) && path.startsWith(around))
  );
}

function byPlace(a: PlacedFinding, b: PlacedFinding): number {
  return a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1;
}
