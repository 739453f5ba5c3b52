// Names of the map's lines: what they say, and where there is room for them.
import { rate, short } from "../ui/text.ts";
import { type Curve, pointOn } from "./geometry.ts";
import { type MapCounts, total } from "./graph.ts";
import type { Box } from "./layout/map-layout.ts";
import type { PairCurve } from "./painter.ts";

export type Label = { readonly text: string; readonly isDrop: boolean };

/** "TCP 9000", and what was dropped. */
export function shortLabel({ id, label }: PairCurve, { pairs }: MapCounts): Label {
  const counts = pairs.get(id);
  const dropped = counts ? counts.dropped + counts.error : 0;
  return dropped > 0
    ? { text: `${label}  ${short(dropped)} dropped`, isDrop: true }
    : { text: label, isDrop: false };
}

/** The same with the rate. */
export function fullLabel(pair: PairCurve, counts: MapCounts): Label {
  const { text, isDrop } = shortLabel(pair, counts);
  const own = counts.pairs.get(pair.id);
  const perSecond = own ? (total(own) * 1000) / counts.spanMs : 0;
  return { text: `${text}  ${rate(perSecond)}/s`, isDrop };
}

const tries = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8] as const;

/** undefined: there is none. What has to be shown is shown in the middle then. */
export function freePlace(
  curve: Curve,
  { width, height }: { readonly width: number; readonly height: number },
  taken: readonly Box[],
  hasToBe: boolean,
): Box | undefined {
  const at = (t: number): Box => {
    const { x, y } = pointOn(curve, t);
    return { x: x - width / 2, y: y - height / 2, width, height };
  };
  for (const t of tries) {
    const box = at(t);
    if (!taken.some((other) => overlaps(box, other))) return box;
  }
  return hasToBe ? at(0.5) : undefined;
}

export function overlaps(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
