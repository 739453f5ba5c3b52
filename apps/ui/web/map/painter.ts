// Paints the lines of the map. Lines that look alike are one stroke; names of lines come last.
import { arrivesTowards, type Curve, mayTouch } from "./geometry.ts";
import { total } from "./graph.ts";
import type { Box } from "./layout/map-layout.ts";
import { freePlace, fullLabel, type Label, overlaps, shortLabel } from "./line-labels.ts";
import type { MapView } from "./view.ts";

export type PairCurve = {
  readonly id: string;
  readonly source: string;
  readonly destination: string;
  readonly label: string;
  readonly curve: Curve;
  readonly path: Path2D;
};

export type Transform = readonly [x: number, y: number, zoom: number];
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

export class Painter implements Disposable {
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
