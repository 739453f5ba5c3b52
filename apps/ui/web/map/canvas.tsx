// The map itself: React Flow moves and zooms, cards are its nodes, lines are on the canvas beneath.
import {
  type Node,
  ReactFlow,
  ReactFlowProvider,
  useOnViewportChange,
  useReactFlow,
} from "@xyflow/react";
import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useEffect,
  useMemo,
  useRef,
} from "react";
import { useStore } from "../state/store.ts";
import { IconButton, useMedia } from "../ui/controls.tsx";
import { type CardNode, type GroupNode, type MapActions, MapContext, nodeTypes } from "./cards.tsx";
import { EdgesCanvas } from "./edges.tsx";
import { distanceTo, mayTouch } from "./geometry.ts";
import type { MapGraph } from "./graph.ts";
import type { Box, LayoutResult } from "./layout/map-layout.ts";
import type { PairCurve } from "./painter.ts";
import type { MapView, Picked } from "./view.ts";

export type CanvasProps = {
  readonly view: MapView;
  readonly onPick: (picked: Picked | undefined) => void;
  readonly onFold: (namespace: string, isFolded: boolean) => void;
  readonly onTidy: () => void;
  readonly more: ReactNode;
};

export function MapCanvas(props: CanvasProps): ReactNode {
  return (
    <ReactFlowProvider>
      <Canvas {...props} />
    </ReactFlowProvider>
  );
}

/** Room for what lies on the map. */
const fitPadding = { top: "52px", right: "24px", bottom: "24px", left: "60px" } as const;
/** Pixels on the screen within which the pointer is on a line. */
const reach = 6;

function Canvas({ view, onPick, onFold, onTidy, more }: CanvasProps): ReactNode {
  const graph = useStore(view.graph);
  const layout = useStore(view.layout);
  const flow = useReactFlow();
  const curves = useRef<readonly PairCurve[]>([]);
  const frame = useRef<HTMLDivElement>(null);
  const nodes = useMemo(() => flowNodes(graph, layout), [graph, layout]);
  const isStill = useMedia("(prefers-reduced-motion: reduce)");
  const durationMs = isStill ? 0 : 250;
  useFits(view, layout, () => flow.fitView({ padding: fitPadding, maxZoom: 1 }));
  useZoomLevel(frame);
  const unfolding = useRef<string | undefined>(undefined);
  const actions = useMemo<MapActions>(
    () => ({
      view,
      pick: (id) => onPick({ kind: "card", id }),
      fold: (namespace, isFolded) => {
        unfolding.current = isFolded ? undefined : namespace;
        onFold(namespace, isFolded);
      },
    }),
    [view, onPick, onFold],
  );
  useEffect(() => {
    const box = unfolding.current === undefined ? undefined : layout.groups[unfolding.current];
    if (!box) return;
    unfolding.current = undefined;
    const { clientWidth = 1, clientHeight = 1 } = frame.current ?? {};
    const zoom = Math.min(1, (clientWidth * 0.85) / box.width, (clientHeight * 0.8) / box.height);
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    void flow.setCenter(x, y, { zoom, duration: durationMs });
  }, [layout, flow, durationMs]);

  const pairAt = (event: { clientX: number; clientY: number }): string | undefined => {
    const { x, y } = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    const near = reach / flow.getZoom();
    const box: Box = { x: x - near, y: y - near, width: 2 * near, height: 2 * near };
    let best: { id: string; distance: number } | undefined;
    for (const { id, curve } of curves.current) {
      if (!mayTouch(curve, box)) continue;
      const distance = distanceTo(curve, x, y);
      if (distance < near && (!best || distance < best.distance)) best = { id, distance };
    }
    return best?.id;
  };
  const onPointerMove = (event: PointerEvent) => {
    if (event.buttons !== 0 || !(event.target as Element).classList.contains("react-flow__pane"))
      return;
    const id = pairAt(event);
    const before = view.hovered.get();
    if (before?.id === id) return;
    view.hovered.set(id === undefined ? undefined : { kind: "pair", id });
    frame.current?.classList.toggle("is-over-line", id !== undefined);
  };
  const onPaneClick = (event: { clientX: number; clientY: number }) => {
    const id = pairAt(event);
    onPick(id === undefined ? undefined : { kind: "pair", id });
  };

  const focusCard = (id: string) => {
    view.focused.set(id);
    const box = layout.items[id];
    if (box) showBox(box);
    requestAnimationFrame(() => {
      frame.current?.querySelector<HTMLElement>(`[data-card="${CSS.escape(id)}"]`)?.focus();
    });
  };
  /** Moves the map only when the card is out of sight. */
  const showBox = (box: Box) => {
    const bounds = frame.current?.getBoundingClientRect();
    if (!bounds) return;
    const { x, y } = flow.flowToScreenPosition({ x: box.x, y: box.y });
    const zoom = flow.getZoom();
    const isInside =
      x >= bounds.left &&
      y >= bounds.top &&
      x + box.width * zoom <= bounds.right &&
      y + box.height * zoom <= bounds.bottom;
    if (!isInside) {
      void flow.setCenter(box.x + box.width / 2, box.y + box.height / 2, {
        zoom: Math.max(zoom, 0.5),
        duration: durationMs,
      });
    }
  };
  usePickedInSight(view, layout, showBox);
  const onKeyDown = (event: KeyboardEvent) => {
    const way = ways[event.key];
    if (way && (event.target as Element).closest("[data-card], .map-frame")) {
      event.preventDefault();
      const next = nearest(layout, view.focused.get(), way);
      if (next !== undefined) focusCard(next);
    } else if (event.key === "+" || event.key === "=") void flow.zoomIn({ duration: durationMs });
    else if (event.key === "-") void flow.zoomOut({ duration: durationMs });
    else if (event.key === "0")
      void flow.fitView({ padding: fitPadding, maxZoom: 1, duration: durationMs });
  };
  return (
    <MapContext value={actions}>
      <div
        className="map-frame"
        ref={frame}
        role="group"
        aria-label="Service map. Arrow keys go from card to card, Enter selects, plus and minus zoom, 0 shows all."
        tabIndex={0}
        onKeyDown={onKeyDown}
        onPointerMove={onPointerMove}
        onFocus={(event) => {
          if (event.target !== event.currentTarget) return;
          const id = view.focused.get() ?? nearest(layout, undefined, [1, 0]);
          if (id !== undefined && event.currentTarget.matches(":focus-visible")) focusCard(id);
        }}
      >
        <ReactFlow
          nodes={nodes}
          nodeTypes={nodeTypes}
          minZoom={0.08}
          maxZoom={2}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          elementsSelectable={false}
          edgesFocusable={false}
          onlyRenderVisibleElements
          disableKeyboardA11y
          zoomOnDoubleClick={false}
          proOptions={{ hideAttribution: true }}
          onPaneClick={onPaneClick}
        >
          <EdgesCanvas view={view} curves={curves} />
        </ReactFlow>
        <div className="map-tools" role="toolbar" aria-label="Map">
          <IconButton
            icon="plus"
            label="Zoom in (+)"
            onClick={() => void flow.zoomIn({ duration: durationMs })}
          />
          <IconButton
            icon="minus"
            label="Zoom out (-)"
            onClick={() => void flow.zoomOut({ duration: durationMs })}
          />
          <IconButton
            icon="fit"
            label="Show all (0)"
            onClick={() =>
              void flow.fitView({ padding: fitPadding, maxZoom: 1, duration: durationMs })
            }
          />
          <IconButton icon="tidy" label="Arrange anew" onClick={onTidy} />
          {more}
        </div>
      </div>
    </MapContext>
  );
}

function flowNodes(graph: MapGraph, layout: LayoutResult): Node[] {
  const nodes: (CardNode | GroupNode)[] = [];
  const common = { draggable: false, selectable: false, focusable: false } as const;
  for (const group of graph.groups) {
    const box = layout.groups[group.id];
    if (!box) continue;
    nodes.push({
      ...common,
      ...placed(box),
      id: `group ${group.id}`,
      type: "namespace",
      zIndex: 0,
      data: { group },
    });
  }
  for (const card of graph.cards) {
    const box = layout.items[card.id];
    if (!box) continue;
    nodes.push({ ...common, ...placed(box), id: card.id, type: "card", zIndex: 1, data: { card } });
  }
  return nodes;
}

/** By left and top, not by a transform of its own (see the styles): hundreds of those cost each frame milliseconds. */
function placed({ x, y, width, height }: Box) {
  return {
    position: { x, y },
    width,
    height,
    measured: { width, height },
    style: { left: x, top: y },
  };
}

/** Shows all when the first cards are there, or when it is asked for; else the map stays where the user has it. */
function useFits(view: MapView, layout: LayoutResult, fit: () => Promise<boolean>): void {
  const fitted = useRef(0);
  const latest = useRef(fit);
  useEffect(() => {
    latest.current = fit;
  });
  const hasItems = Object.keys(layout.items).length > 0;
  useEffect(() => {
    const asked = view.fits.get();
    if (fitted.current === asked || !hasItems) return undefined;
    // React Flow has the cards a moment later.
    const timer = setTimeout(() => {
      fitted.current = asked;
      void latest.current();
    }, 60);
    return () => clearTimeout(timer);
  }, [view, layout, hasItems]);
}

/** What is picked is not left behind the panel that opens for it. */
function usePickedInSight(view: MapView, layout: LayoutResult, show: (box: Box) => void): void {
  const latest = useRef(show);
  useEffect(() => {
    latest.current = show;
  });
  useEffect(
    () =>
      view.picked.subscribe(() => {
        const picked = view.picked.get();
        const pair = view.graph.get().pairs.find(({ id }) => id === picked?.id);
        const box = picked && layout.items[pair?.destination ?? picked.id];
        // The map is smaller a moment later.
        if (box) setTimeout(() => latest.current(box), 120);
      }),
    [view, layout],
  );
}

/**
 * Classes by which styles leave out what is too small to read, and titles grow against the zoom. Changed when a movement
 * is over: each change lays out every card, and a movement has sixty frames a second.
 */
function useZoomLevel(frame: { current: HTMLElement | null }): void {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const settle = (zoom: number) => {
    const element = frame.current;
    if (!element) return;
    delete element.dataset["moving"];
    const level = zoom < 0.32 ? "far" : zoom < 0.6 ? "middle" : "near";
    if (element.dataset["zoom"] !== level) element.dataset["zoom"] = level;
    const scale = String(Math.min(4, Math.max(1, Math.round((0.62 / zoom) * 4) / 4)));
    if (element.style.getPropertyValue("--title-scale") !== scale)
      element.style.setProperty("--title-scale", scale);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  useOnViewportChange({
    onChange: ({ zoom }) => {
      const element = frame.current;
      if (element && element.dataset["moving"] === undefined) element.dataset["moving"] = "";
      clearTimeout(timer.current);
      timer.current = setTimeout(() => settle(zoom), settledMs);
    },
  });
}

const settledMs = 150;

const ways: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
};

/** The nearest card in a direction; without a start the one at the top left. */
function nearest(
  { items }: LayoutResult,
  from: string | undefined,
  [dx, dy]: readonly [number, number],
): string | undefined {
  const start = from === undefined ? undefined : items[from];
  let best: { id: string; cost: number } | undefined;
  for (const [id, box] of Object.entries(items)) {
    if (id === from) continue;
    const x = box.x - (start?.x ?? 0);
    const y = box.y - (start?.y ?? 0);
    const along = x * dx + y * dy;
    const across = Math.abs(x * dy) + Math.abs(y * dx);
    if (start && along <= 0) continue;
    const cost = start ? along + 2.5 * across : x + y * 2;
    if (!best || cost < best.cost) best = { id, cost };
  }
  return best?.id;
}
