// What a subject is held to in a direction, before it is known what that means for anybody.
import type { Direction, NamedPort, Subject } from "../model.ts";
import type { Catalog } from "./catalog.ts";
import { portName } from "./grouping.ts";
import type { SlotRequest } from "./plan.ts";
import type { SpecSide } from "./spec-record.ts";

/** undefined: nothing restricts it, and nothing is looked up. */
export function requestFor(
  { labels, namedPorts, audit }: Subject,
  direction: Direction,
  catalog: Catalog,
): SlotRequest | undefined {
  const { enablePolicy, audit: isAuditEverywhere } = catalog.settings;
  // A pod whose labels are not known is never let loose, in no mode.
  const isInit = labels.has("init", "reserved");
  if (enablePolicy === "never" && !isInit) return undefined;
  const sides = catalog.sidesFor(labels, direction);
  const isolatedBy = isInit
    ? "init"
    : enablePolicy === "always"
      ? "enable-policy=always"
      : undefined;
  if (sides.length === 0 && isolatedBy === undefined) return undefined;
  return {
    direction,
    sides,
    isolatedBy,
    isAudit: audit || isAuditEverywhere,
    namedPorts: direction === "ingress" ? namedIn(sides, namedPorts) : [],
  };
}

/** Those that some rule names: others make no difference between two subjects. */
function namedIn(sides: readonly SpecSide[], ports: readonly NamedPort[]): NamedPort[] {
  if (ports.length === 0) return [];
  const names = new Set<string>();
  for (const { rules } of sides)
    for (const rule of rules)
      for (const named of rule.ports?.named ?? []) names.add(portName(named));
  return ports.filter((port) => names.has(portName(port)));
}
