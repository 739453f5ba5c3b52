// The lines of the map, on one canvas beneath the cards. It draws when something changed and at no other time.
import { useStoreApi } from "@xyflow/react";
import { type ReactNode, useEffect, useRef } from "react";
import { theme } from "../ui/theme.ts";
import { curveBetween } from "./geometry.ts";
import { type PairCurve, Painter } from "./painter.ts";
import type { MapView } from "./view.ts";

/** Curves of all pairs that have been placed. */
export function pairCurves(view: MapView): readonly PairCurve[] {
  const { items } = view.layout.get();
  return view.graph.get().pairs.flatMap(({ id, source, destination, label }) => {
    const from = items[source];
    const to = items[destination];
    if (!from || !to) return [];
    const curve = curveBetween(from, to);
    const path = new Path2D();
    path.moveTo(curve[0], curve[1]);
    path.bezierCurveTo(curve[2], curve[3], curve[4], curve[5], curve[6], curve[7]);
    return [{ id, source, destination, label, curve, path }];
  });
}

export function EdgesCanvas({
  view,
  curves,
}: {
  view: MapView;
  curves: { current: readonly PairCurve[] };
}): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const flow = useStoreApi();
  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    const painter = new Painter(element, view, curves);
    const { getState } = flow;
    let last = getState().transform;
    const transform = () => getState().transform;
    const stops = [
      flow.subscribe((state) => {
        if (state.transform === last) return;
        last = state.transform;
        // In the same frame as the cards move.
        painter.paint(last);
      }),
      view.layout.subscribe(() => {
        curves.current = pairCurves(view);
        painter.ask(transform);
      }),
      view.graph.subscribe(() => {
        curves.current = pairCurves(view);
        painter.ask(transform);
      }),
      view.counts.subscribe(() => painter.forgetStyles(transform)),
      view.picked.subscribe(() => painter.forgetStyles(transform)),
      view.hovered.subscribe(() => painter.forgetStyles(transform)),
      theme.subscribe(() => painter.forgetColours(transform)),
    ];
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const onDark = () => painter.forgetColours(transform);
    dark.addEventListener("change", onDark);
    const resize = new ResizeObserver(() => {
      painter.fit();
      painter.paint(transform());
    });
    resize.observe(element);
    return () => {
      for (const stop of stops) stop();
      dark.removeEventListener("change", onDark);
      resize.disconnect();
      painter[Symbol.dispose]();
    };
  }, [view, curves, flow]);
  return <canvas ref={canvas} className="map-edges" aria-hidden="true" />;
}
