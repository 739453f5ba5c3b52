// Lines between cards: their curve, its middle, and how near a point is to it.
import type { Box } from "./layout/map-layout.ts";

/** A cubic Bézier curve: x0, y0, x1, y1, x2, y2, x3, y3. */
export type Curve = readonly [number, number, number, number, number, number, number, number];

/** Leaves at the side that faces the other card; both ends at the right when one is above the other. */
export function curveBetween(from: Box, to: Box): Curve {
  const y0 = from.y + from.height / 2;
  const y3 = to.y + to.height / 2;
  const isRight = to.x >= from.x + from.width * 0.5;
  const isLeft = to.x + to.width * 0.5 <= from.x;
  if (!isRight && !isLeft) {
    const x = Math.max(from.x + from.width, to.x + to.width);
    const bulge = 28 + Math.min(60, Math.abs(y3 - y0) * 0.12);
    return [from.x + from.width, y0, x + bulge, y0, x + bulge, y3, to.x + to.width, y3];
  }
  const x0 = isRight ? from.x + from.width : from.x;
  const x3 = isRight ? to.x : to.x + to.width;
  const reach = Math.max(24, Math.min(Math.abs(x3 - x0) * 0.5, 160)) * (isRight ? 1 : -1);
  return [x0, y0, x0 + reach, y0, x3 - reach, y3, x3, y3];
}

export function pointOn(curve: Curve, t: number): { x: number; y: number } {
  const [x0, y0, x1, y1, x2, y2, x3, y3] = curve;
  const s = 1 - t;
  const a = s * s * s;
  const b = 3 * s * s * t;
  const c = 3 * s * t * t;
  const d = t * t * t;
  return { x: a * x0 + b * x1 + c * x2 + d * x3, y: a * y0 + b * y1 + c * y2 + d * y3 };
}

/** 1: it arrives from the left. */
export function arrivesTowards(curve: Curve): 1 | -1 {
  return curve[6] >= curve[4] ? 1 : -1;
}

/** Whether the curve can be anywhere in the box: its control points' bounds meet it. */
export function mayTouch(curve: Curve, box: Box): boolean {
  const [x0, y0, x1, y1, x2, y2, x3, y3] = curve;
  return (
    Math.max(x0, x1, x2, x3) >= box.x &&
    Math.min(x0, x1, x2, x3) <= box.x + box.width &&
    Math.max(y0, y1, y2, y3) >= box.y &&
    Math.min(y0, y1, y2, y3) <= box.y + box.height
  );
}

const steps = 24;

/** Distance from a point to the curve, roughly. */
export function distanceTo(curve: Curve, x: number, y: number): number {
  let nearest = Number.POSITIVE_INFINITY;
  let last = pointOn(curve, 0);
  for (let step = 1; step <= steps; step++) {
    const next = pointOn(curve, step / steps);
    nearest = Math.min(nearest, distanceToSegment(x, y, last, next));
    last = next;
  }
  return nearest;
}

function distanceToSegment(
  x: number,
  y: number,
  from: { x: number; y: number },
  to: { x: number; y: number },
): number {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : ((x - from.x) * dx + (y - from.y) * dy) / length;
  const t = Math.max(0, Math.min(1, along));
  return Math.hypot(x - from.x - t * dx, y - from.y - t * dy);
}
