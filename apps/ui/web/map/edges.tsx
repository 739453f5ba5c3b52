// The lines of the map, on one canvas beneath the cards. It draws when something changed and at no other time.
import { useStoreApi } from "@xyflow/react";
import { type ReactNode, useEffect, useRef } from "react";
import { theme } from "../ui/theme.ts";
import { rate, short } from "../ui/text.ts";
import { arrivesTowards, type Curve, curveBetween, mayTouch, pointOn } from "./geometry.ts";
import { type MapCounts, total } from "./graph.ts";
import type { Box } from "./layout/map-layout.ts";
import type { MapView } from "./view.ts";

export type PairCurve = {
  readonly id: string;
  readonly source: string;
  readonly destination: string;
  readonly label: string;
  readonly curve: Curve;
  readonly path: Path2D;
};

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

type Transform = readonly [x: number, y: number, zoom: number];
type Tone = "idle" | "flow" | "audit" | "drop" | "faint" | "picked";

/** Lines that look alike are drawn at once. */
type Style = { readonly tone: Tone; readonly width: number; readonly pairs: PairCurve[] };

const tones: readonly Tone[] = ["faint", "idle", "flow", "audit", "drop", "picked"];
/** Of all lines, and of those that the pointer or the selection is at. */
const labelZoom = 0.55;
const leastLabelZoom = 0.25;
const arrowZoom = 0.3;
const mostLabels = 80;
const manyLines = 250;

class Painter implements Disposable {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #view: MapView;
  readonly #curves: { current: readonly PairCurve[] };
  #styles: readonly Style[] | undefined;
  #styledCurves: readonly PairCurve[] | undefined;
  #colours: Record<string, string> | undefined;
  #frame = 0;

  constructor(canvas: HTMLCanvasElement, view: MapView, curves: { current: readonly PairCurve[] }) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d") as CanvasRenderingContext2D;
    this.#view = view;
    this.#curves = curves;
    this.fit();
  }

  fit(): void {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.#canvas.height = Math.round(clientHeight * devicePixelRatio);
  }

  /** Paints in the next frame. */
  ask(transform: () => Transform): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.paint(transform());
    });
  }

  forgetStyles(transform: () => Transform): void {
    this.#styles = undefined;
    this.ask(transform);
  }

  forgetColours(transform: () => Transform): void {
    this.#colours = undefined;
    this.ask(transform);
  }

  [Symbol.dispose](): void {
    cancelAnimationFrame(this.#frame);
  }

  paint([x, y, zoom]: Transform): void {
    const context = this.#context;
    const ratio = devicePixelRatio;
    const { width, height } = this.#canvas;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(ratio * zoom, 0, 0, ratio * zoom, ratio * x, ratio * y);
    const sight: Box = {
      x: -x / zoom,
      y: -y / zoom,
      width: width / ratio / zoom,
      height: height / ratio / zoom,
    };
    const colours = (this.#colours ??= readColours(this.#canvas));
    for (const { tone, width: lineWidth, pairs } of this.#styled()) {
      const shown = pairs.filter(({ curve }) => mayTouch(curve, sight));
      if (shown.length === 0) continue;
      context.strokeStyle = colours[tone] as string;
      context.fillStyle = colours[tone] as string;
      context.lineWidth = lineWidth / Math.min(1, Math.max(zoom, 0.35));
      const lines = new Path2D();
      for (const { path } of shown) lines.addPath(path);
      context.stroke(lines);
      if (zoom >= arrowZoom) context.fill(arrows(shown, zoom));
    }
    if (zoom >= leastLabelZoom) this.#paintLabels(sight, zoom, colours);
  }

  /** The busiest first; each where it lies neither on a card nor on another label, or not at all. */
  #paintLabels(sight: Box, zoom: number, colours: Readonly<Record<string, string>>): void {
    const { picked, hovered, counts, layout } = this.#view;
    const chosen = picked.get();
    const pointed = hovered.get();
    const isTold = (pair: PairCurve) => concerns(chosen, pair) || concerns(pointed, pair);
    const shown = this.#curves.current.filter(
      (pair) => mayTouch(pair.curve, sight) && (isTold(pair) || (!chosen && zoom >= labelZoom)),
    );
    const size = 11 / Math.min(Math.max(zoom, 0.8), 1.2);
    const context = this.#context;
    context.font = `${size}px ${colours["font"]}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const taken = Object.values(layout.get().items).filter((box) => overlaps(box, sight));
    const amounts = counts.get();
    const weight = (pair: PairCurve) => {
      const own = amounts.pairs.get(pair.id);
      const told = isTold(pair) ? 1e9 : 0;
      return told + (own ? total(own) + (own.dropped + own.error) * 1000 : 0);
    };
    const ordered = shown.toSorted((a, b) => weight(b) - weight(a)).slice(0, mostLabels);
    for (const pair of ordered) {
      const texts = [shortLabel(pair, amounts)];
      if (isTold(pair)) texts.unshift(fullLabel(pair, amounts));
      for (const text of texts) {
        const width = context.measureText(text.text).width + size * 0.7;
        const hasToBe = text === texts[0] && (pair.id === chosen?.id || pair.id === pointed?.id);
        const box = freePlace(pair.curve, { width, height: size * 1.45 }, taken, hasToBe);
        if (!box) continue;
        taken.push(box);
        this.#paintLabel(box, text, colours);
        break;
      }
    }
  }

  #paintLabel(box: Box, { text, isDrop }: Label, colours: Readonly<Record<string, string>>): void {
    const context = this.#context;
    context.fillStyle = colours["label"] as string;
    context.beginPath();
    context.roundRect(box.x, box.y, box.width, box.height, box.height / 4);
    context.fill();
    context.fillStyle = colours[isDrop ? "drop" : "text"] as string;
    context.fillText(text, box.x + box.width / 2, box.y + box.height / 2 + 0.5);
  }

  #styled(): readonly Style[] {
    if (this.#styles && this.#styledCurves === this.#curves.current) return this.#styles;
    this.#styledCurves = this.#curves.current;
    const styles = new Map<string, Style>();
    const { pairs } = this.#view.counts.get();
    const picked = this.#view.picked.get();
    const hovered = this.#view.hovered.get();
    // Very many lines are a tangle: thinner and paler it is one that can be looked through.
    const isTangle = this.#curves.current.length > manyLines;
    for (const curve of this.#curves.current) {
      const counts = pairs.get(curve.id);
      const isPicked = concerns(picked, curve);
      const isHovered = concerns(hovered, curve);
      let tone: Tone = !counts || total(counts) === 0 || isTangle ? "idle" : "flow";
      if (counts && counts.audit > 0) tone = "audit";
      if (counts && counts.dropped + counts.error > 0) tone = "drop";
      if (picked && !isPicked && !isHovered) tone = "faint";
      if ((isPicked || isHovered) && tone !== "drop" && tone !== "audit") tone = "picked";
      const amount = counts ? total(counts) : 0;
      const busy = Math.min(2.4, Math.log10(amount + 1) * 0.7);
      const width = amount === 0 ? 1 : isTangle ? 0.9 + busy / 4 : 1.2 + busy;
      const rounded = Math.round((width + (isPicked || isHovered ? 0.8 : 0)) * 2) / 2;
      const key = `${tone} ${rounded}`;
      const style = styles.get(key);
      if (style) style.pairs.push(curve);
      else styles.set(key, { tone, width: rounded, pairs: [curve] });
    }
    this.#styles = [...styles.values()].toSorted(
      (a, b) => tones.indexOf(a.tone) - tones.indexOf(b.tone),
    );
    return this.#styles;
  }
}

function concerns(
  thing: { kind: "card" | "pair"; id: string } | undefined,
  { id, source, destination }: PairCurve,
): boolean {
  if (!thing) return false;
  return thing.kind === "pair" ? thing.id === id : thing.id === source || thing.id === destination;
}

type Label = { readonly text: string; readonly isDrop: boolean };

/** "TCP 9000", and what was dropped. */
function shortLabel({ id, label }: PairCurve, { pairs }: MapCounts): Label {
  const counts = pairs.get(id);
  const dropped = counts ? counts.dropped + counts.error : 0;
  return dropped > 0
    ? { text: `${label}  ${short(dropped)} dropped`, isDrop: true }
    : { text: label, isDrop: false };
}

/** The same with the rate. */
function fullLabel(pair: PairCurve, counts: MapCounts): Label {
  const { text, isDrop } = shortLabel(pair, counts);
  const own = counts.pairs.get(pair.id);
  const perSecond = own ? (total(own) * 1000) / counts.spanMs : 0;
  return { text: `${text}  ${rate(perSecond)}/s`, isDrop };
}

const tries = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8] as const;

/** undefined: there is none. What has to be shown is shown in the middle then. */
function freePlace(
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

function overlaps(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function arrows(pairs: readonly PairCurve[], zoom: number): Path2D {
  const size = 5 / Math.min(1, Math.max(zoom, 0.5));
  const path = new Path2D();
  for (const { curve } of pairs) {
    const [, , , , , , x, y] = curve;
    const back = x - size * 1.5 * arrivesTowards(curve);
    path.moveTo(x, y);
    path.lineTo(back, y - size * 0.75);
    path.lineTo(back, y + size * 0.75);
    path.closePath();
  }
  return path;
}

function readColours(element: HTMLElement): Record<string, string> {
  const style = getComputedStyle(element);
  // light-dark() inside a custom property stays as it is written; a colour property is what it comes to.
  const probe = document.createElement("span");
  element.parentElement?.append(probe);
  const colour = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    idle: colour("--edge-idle"),
    flow: colour("--edge"),
    faint: colour("--edge-faint"),
    audit: colour("--audit"),
    drop: colour("--drop"),
    picked: colour("--accent"),
    label: colour("--label-bg"),
    text: colour("--text-2"),
    font: style.fontFamily,
  };
  probe.remove();
  return colours;
}
