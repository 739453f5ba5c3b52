import assert from "node:assert/strict";
import { test } from "node:test";
import { curveBetween, distanceTo, mayTouch, pointOn } from "./geometry.ts";

const box = (x: number, y: number) => ({ x, y, width: 100, height: 40 });

for (const [what, to, startX, endX] of [
  ["to the right", box(300, 0), 100, 300],
  ["to the left", box(-300, 0), 0, -200],
  ["below: both at the right", box(10, 200), 100, 110],
] as const) {
  test(`a line ${what} leaves at x=${startX} and arrives at x=${endX}`, () => {
    const curve = curveBetween(box(0, 0), to);
    assert.deepEqual([curve[0], curve[6]], [startX, endX]);
    assert.deepEqual(pointOn(curve, 0), { x: startX, y: 20 });
    assert.deepEqual(pointOn(curve, 1), { x: endX, y: to.y + 20 });
  });
}

test("the pointer is near a line only where the line is", () => {
  const curve = curveBetween(box(0, 0), box(300, 200));
  const { x, y } = pointOn(curve, 0.37);
  assert.ok(distanceTo(curve, x, y) < 1);
  assert.ok(distanceTo(curve, 150, 300) > 50);
  assert.equal(mayTouch(curve, { x: 0, y: 0, width: 400, height: 400 }), true);
  assert.equal(mayTouch(curve, { x: 500, y: 0, width: 400, height: 400 }), false);
});
