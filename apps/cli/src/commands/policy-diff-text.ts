// Changes of verdict in lines for people. Pure.
import { type ChangeView, type EndView, type PortChange, ruleName } from "@tsilium/policy-test";
import { reservedName, shortLabels } from "./policy-names.ts";

export function diffReport(changes: readonly ChangeView[]): string[] {
  if (changes.length === 0) return ["no verdict changes"];
  return changes.flatMap(({ from, to, ports }, at) => [
    ...(at === 0 ? [] : [""]),
    `${endsText(from)} -> ${endsText(to)}`,
    ...portLines(ports),
  ]);
}

const mostShown = 8;

function endsText(ends: readonly EndView[]): string {
  const names = [...new Set(ends.flatMap(endNames))].toSorted(podsFirst);
  const rest = names.length - mostShown;
  return `${names.slice(0, mostShown).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** Pods by name, the world by its DNS names where policy knows some, what else is no pod by its entity and where it is. */
function endNames({ identity, labels, pods, prefixes }: EndView): readonly string[] {
  if (pods.length > 0) return pods;
  const dnsNames = labels.filter((label) => label.startsWith("fqdn:"));
  if (dnsNames.length > 0) return dnsNames.map((label) => label.slice("fqdn:".length));
  const name = reservedName(identity, labels);
  if (name === undefined) return [`identity ${identity} (${shortLabels(labels)})`];
  if (!name.startsWith("world")) return [name];
  const isWhole = prefixes.some((prefix) => prefix.endsWith("/0"));
  return isWhole || prefixes.length === 0 ? [name] : prefixes;
}

function podsFirst(a: string, b: string): number {
  const rank = (name: string) => (/^[a-z][^ ]*\//.test(name) ? 0 : 1);
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

function portLines(ports: readonly PortChange[]): string[] {
  const width = Math.max(...ports.map((change) => change.ports.length));
  return ports.flatMap((change) => {
    const { ports: span, before, after, by } = change;
    const deciders = by.length === 0 ? "no policy denies it" : by.map(ruleName).join(", ");
    const words = `${verdictText(before, change.requests?.before)} -> ${verdictText(after, change.requests?.after)}`;
    return [`    ${span.padEnd(width)}  ${words}  (${deciders})`, ...requestLines(change)];
  });
}

function verdictText(
  verdict: PortChange["before"],
  requests: readonly string[] | undefined,
): string {
  return requests === undefined ? verdict : `${verdict} by request`;
}

/** What a proxy lets through no more, and what it does now. */
function requestLines({ requests }: PortChange): string[] {
  const { before = [], after = [] } = requests ?? {};
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `      - ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `      + ${line}`),
  ];
}
