// Traffic over time, and the window of it that the map shows. The window can be dragged, moved with the arrow keys, and
// played like a film.
import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useEffect,
  useRef,
  useState,
} from "react";
import { IconButton } from "../ui/controls.tsx";
import { theme } from "../ui/theme.ts";
import { age, clockSeconds, count, dateClock, plural } from "../ui/text.ts";
import { useStore } from "../state/store.ts";
import type { TimeBucket } from "./model.ts";
import { total } from "./graph.ts";

/** What of the time is shown: all of it, the newest, or a place that the user chose. */
export type Window =
  | { readonly kind: "whole" }
  | { readonly kind: "newest"; readonly widthMs: number }
  | { readonly kind: "at"; readonly endMs: number; readonly widthMs: number };

export type TimelineProps = {
  readonly buckets: readonly TimeBucket[];
  readonly bucketMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly isLive: boolean;
  readonly progress: number;
  readonly window: Window;
  readonly widths: readonly number[];
  readonly onWindow: (window: Window) => void;
};

const playEveryMs = 250;

export function windowTimes(
  window: Window,
  fromMs: number,
  toMs: number,
): { readonly startMs: number; readonly endMs: number } {
  switch (window.kind) {
    case "whole":
      return { startMs: fromMs, endMs: toMs };
    case "newest":
      return { startMs: toMs - window.widthMs, endMs: toMs };
    case "at":
      return { startMs: window.endMs - window.widthMs, endMs: window.endMs };
  }
}

export function Timeline(props: TimelineProps): ReactNode {
  const { buckets, bucketMs, fromMs, toMs, isLive, window, widths, onWindow, progress } = props;
  const [isPlaying, setPlaying] = useState(false);
  const track = useRef<HTMLDivElement>(null);
  const { startMs, endMs } = windowTimes(window, fromMs, toMs);
  const widthMs = window.kind === "whole" ? (widths[0] ?? bucketMs) : window.widthMs;
  const moveTo = (end: number, width = widthMs) => {
    const rounded = Math.round(end / bucketMs) * bucketMs;
    const least = fromMs + width;
    if (rounded >= toMs && isLive) onWindow({ kind: "newest", widthMs: width });
    else onWindow({ kind: "at", endMs: Math.min(Math.max(rounded, least), toMs), widthMs: width });
  };
  usePlay(isPlaying, () => {
    const next = (window.kind === "at" ? endMs : fromMs + widthMs) + bucketMs;
    if (next > toMs) setPlaying(false);
    else moveTo(next);
  });
  const onPointer = (event: PointerEvent<HTMLDivElement>) => {
    if (event.buttons !== 1 || !track.current) return;
    if (event.type === "pointerdown") event.currentTarget.setPointerCapture(event.pointerId);
    setPlaying(false);
    const { left, width } = track.current.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    moveTo(fromMs + share * (toMs - fromMs) + widthMs / 2);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -10,
      PageUp: 10,
    }[event.key];
    if (step !== undefined) moveTo(endMs + step * bucketMs);
    else if (event.key === "Home") moveTo(fromMs + widthMs);
    else if (event.key === "End") moveTo(toMs);
    else if (event.key === "Escape" && window.kind === "at") back();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const back = () => {
    setPlaying(false);
    onWindow(isLive ? { kind: "newest", widthMs } : { kind: "whole" });
  };
  const inside = countsOf(buckets, bucketMs, startMs, endMs);
  const said = `${clockSeconds(startMs)} to ${clockSeconds(endMs)}: ${plural(inside.all, "flow")}, ${count(inside.dropped)} dropped`;
  const span = toMs - fromMs;
  return (
    <div className="timeline">
      <IconButton
        icon={isPlaying ? "pause" : "play"}
        label={isPlaying ? "Stop" : "Play"}
        onClick={() => setPlaying(!isPlaying)}
      />
      <div className="timeline-middle">
        <div
          className="timeline-track"
          ref={track}
          role="slider"
          tabIndex={0}
          aria-label="Time that the map shows"
          aria-valuemin={Math.round(fromMs / 1000)}
          aria-valuemax={Math.round(toMs / 1000)}
          aria-valuenow={Math.round(endMs / 1000)}
          aria-valuetext={said}
          onPointerDown={onPointer}
          onPointerMove={onPointer}
          onKeyDown={onKeyDown}
        >
          <Bars buckets={buckets} bucketMs={bucketMs} fromMs={fromMs} toMs={toMs} />
          {window.kind !== "whole" && (
            <div
              className="timeline-window"
              style={{
                left: `${((startMs - fromMs) / span) * 100}%`,
                width: `${((endMs - startMs) / span) * 100}%`,
              }}
            />
          )}
          {progress < 1 && (
            <div
              className="timeline-progress"
              style={{ width: `${Math.max(0, progress) * 100}%` }}
            />
          )}
        </div>
        <div className="timeline-scale" aria-hidden="true">
          <span>{span > 86_000_000 ? dateClock(fromMs) : clockSeconds(fromMs)}</span>
          <span className="timeline-said">
            {window.kind === "whole"
              ? "all of it"
              : `${clockSeconds(startMs)} – ${clockSeconds(endMs)}`}
            {"  "}
            <b>{count(inside.all)}</b> flows
            {inside.dropped > 0 && (
              <span className="tone-drop">
                {"  "}
                <b>{count(inside.dropped)}</b> dropped
              </span>
            )}
          </span>
          <span>{isLive ? "now" : clockSeconds(toMs)}</span>
        </div>
      </div>
      <label className="timeline-width">
        <span className="visually-hidden">Width of the window</span>
        <select
          value={window.kind === "whole" ? "whole" : String(widthMs)}
          onChange={(event) => {
            const { value } = event.target;
            if (value === "whole") onWindow({ kind: "whole" });
            else moveTo(window.kind === "at" ? endMs : toMs, Number(value));
          }}
        >
          <option value="whole">All</option>
          {widths.map((width) => (
            <option key={width} value={width}>
              {age(width)}
            </option>
          ))}
        </select>
      </label>
      {window.kind === "at" && (
        <button type="button" className="button small" onClick={back}>
          {isLive ? "Live" : "All"}
        </button>
      )}
    </div>
  );
}

function usePlay(isPlaying: boolean, step: () => void): void {
  const latest = useRef(step);
  useEffect(() => {
    latest.current = step;
  });
  useEffect(() => {
    if (!isPlaying) return undefined;
    const timer = setInterval(() => latest.current(), playEveryMs);
    return () => clearInterval(timer);
  }, [isPlaying]);
}

function countsOf(
  buckets: readonly TimeBucket[],
  bucketMs: number,
  startMs: number,
  endMs: number,
): { all: number; dropped: number } {
  let all = 0;
  let dropped = 0;
  for (const bucket of buckets) {
    if (bucket.startMs + bucketMs <= startMs || bucket.startMs >= endMs) continue;
    all += total(bucket);
    dropped += bucket.dropped + bucket.error;
  }
  return { all, dropped };
}

function Bars({
  buckets,
  bucketMs,
  fromMs,
  toMs,
}: {
  buckets: readonly TimeBucket[];
  bucketMs: number;
  fromMs: number;
  toMs: number;
}): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const name = useStore(theme);
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const ratio = devicePixelRatio;
    const width = element.clientWidth * ratio;
    const height = element.clientHeight * ratio;
    if (element.width !== Math.round(width)) element.width = Math.round(width);
    if (element.height !== Math.round(height)) element.height = Math.round(height);
    context.clearRect(0, 0, width, height);
    const colour = (property: string) => {
      element.style.color = `var(${property})`;
      return getComputedStyle(element).color;
    };
    const highest = Math.max(1, ...buckets.map(total));
    const step = (bucketMs / (toMs - fromMs)) * width;
    const bar = Math.max(1, step - (step > 3 * ratio ? ratio : 0));
    const parts = [
      { colour: colour("--bar"), of: (b: TimeBucket) => total(b), isTop: false },
      {
        colour: colour("--audit"),
        of: (b: TimeBucket) => b.audit + b.dropped + b.error,
        isTop: true,
      },
      { colour: colour("--drop"), of: (b: TimeBucket) => b.dropped + b.error, isTop: true },
    ];
    for (const { colour: fill, of, isTop } of parts) {
      context.fillStyle = fill;
      for (const bucket of buckets) {
        const value = of(bucket);
        if (value === 0) continue;
        // A few drops among many flows have to be seen too.
        const least = isTop ? 3 * ratio : 1.5 * ratio;
        const tall = Math.max(least, (value / highest) * (height - 2 * ratio));
        context.fillRect(
          ((bucket.startMs - fromMs) / (toMs - fromMs)) * width,
          height - tall,
          bar,
          tall,
        );
      }
    }
  }, [buckets, bucketMs, fromMs, toMs, name]);
  return <canvas ref={canvas} className="timeline-bars" />;
}
