// Whether a rule's ports are sure to be among those of another. "Not sure" is no.
import type { PortMatch } from "../model.ts";

type Range = Extract<PortMatch, { readonly kind: "range" }>;

/** undefined is every port of every protocol. */
export function portsCover(
  wide: readonly PortMatch[] | undefined,
  narrow: readonly PortMatch[] | undefined,
): boolean {
  if (wide === undefined) return true;
  return narrow !== undefined && narrow.every((port) => portsCoverOne(wide, port));
}

function portsCoverOne(wide: readonly PortMatch[], narrow: PortMatch): boolean {
  const ranges = wide.filter((port): port is Range => port.kind === "range");
  switch (narrow.kind) {
    case "range":
      return rangesCover(ranges, narrow);
    case "named": {
      const { protocol, name } = narrow;
      const sameName = wide.some(
        (port) => port.kind === "named" && port.protocol === protocol && port.name === name,
      );
      // A name may stand for any port.
      return sameName || rangesCover(ranges, { kind: "range", protocol, first: 0, last: 65_535 });
    }
    case "icmp":
      return wide.some(
        (port) =>
          port.kind === "icmp" && port.family === narrow.family && port.type === narrow.type,
      );
  }
}

/** Several ranges may cover one together. */
function rangesCover(ranges: readonly Range[], { protocol, first, last }: Range): boolean {
  const sorted = ranges
    .filter((range) => range.protocol === protocol)
    .toSorted((a, b) => a.first - b.first);
  let next = first;
  for (const range of sorted) if (range.first <= next) next = Math.max(next, range.last + 1);
  return next > last;
}
