// Cards and groups of the map, as nodes of React Flow. Each follows its own counts, so that a tick redraws those that
// changed and no others.
import type { Node, NodeProps } from "@xyflow/react";
import { createContext, memo, type ReactNode, useContext, useSyncExternalStore } from "react";
import { Icon, type IconName } from "../ui/icons.tsx";
import { classes, rate, short, visible } from "../ui/text.ts";
import { type Card, type Group, namespaceKey, total } from "./graph.ts";
import type { Counts } from "./model.ts";
import type { MapView } from "./view.ts";

export type CardNode = Node<{ card: Card }, "card">;
export type GroupNode = Node<{ group: Group }, "namespace">;

export type MapActions = {
  readonly view: MapView;
  pick(id: string): void;
  fold(namespace: string, isFolded: boolean): void;
};

export const MapContext = createContext<MapActions | undefined>(undefined);

function useMap(): MapActions {
  return useContext(MapContext) as MapActions;
}

const icons: Readonly<Record<string, IconName>> = {
  workload: "cube",
  pod: "cube",
  service: "services",
  namespace: "endpoints",
  fqdn: "globe",
  cidr: "globe",
  unknown: "help",
  world: "globe",
  host: "host",
  "remote-node": "host",
  "kube-apiserver": "api",
};

function useCounts(which: "cards" | "groups", id: string): { text: string; dropped: number } {
  const { view } = useMap();
  const text = useSyncExternalStore(view.counts.subscribe, () => {
    const counts = view.counts.get();
    const own: Counts | undefined = counts[which].get(id);
    if (!own) return " 0";
    return `${rate((total(own) * 1000) / counts.spanMs)} ${own.dropped + own.error}`;
  });
  const [perSecond = "", dropped = "0"] = text.split(" ");
  return { text: perSecond, dropped: Number(dropped) };
}

/** "picked", "beside": it talks to what is picked, "apart": it does not, "": nothing is picked. */
function useStanding(id: string): string {
  const { view } = useMap();
  return useSyncExternalStore(view.picked.subscribe, () => {
    const picked = view.picked.get();
    if (!picked) return "";
    if (picked.id === id) return "picked";
    const isBeside = view.graph
      .get()
      .pairs.some(
        ({ id: pair, source, destination }) =>
          (source === id || destination === id) &&
          (pair === picked.id || source === picked.id || destination === picked.id),
      );
    return isBeside ? "beside" : "apart";
  });
}

export const CardBox = memo(function CardBox({ data: { card } }: NodeProps<CardNode>): ReactNode {
  const { view, pick, fold } = useMap();
  const { text, dropped } = useCounts("cards", card.id);
  const standing = useStanding(card.id);
  const isFocused = useSyncExternalStore(
    view.focused.subscribe,
    () => view.focused.get() === card.id,
  );
  const said = `${visible(card.title)}, ${card.subtitle}${text === "" ? "" : `, ${text} flows a second`}${dropped > 0 ? `, ${dropped} dropped` : ""}`;
  return (
    <div
      className={classes(
        "card",
        `card-${card.kind}`,
        standing && `is-${standing}`,
        dropped > 0 && "has-drops",
      )}
    >
      <button
        type="button"
        className="card-main"
        data-card={card.id}
        tabIndex={isFocused ? 0 : -1}
        aria-label={said}
        aria-pressed={standing === "picked"}
        onClick={() => pick(card.id)}
        onPointerEnter={() => view.hovered.set({ kind: "card", id: card.id })}
        onPointerLeave={() => view.hovered.set(undefined)}
      >
        <span className="card-icon">
          <Icon name={icons[card.kind === "reserved" ? card.title : card.kind] ?? "cube"} />
        </span>
        <span className="card-line">
          <span className="card-title">{visible(card.title)}</span>
          <span className="card-rate">{text === "" ? "" : `${text}/s`}</span>
        </span>
        <span className="card-line">
          <span className="card-subtitle">{visible(card.subtitle)}</span>
          {dropped > 0 && <span className="card-drops">{short(dropped)} dropped</span>}
        </span>
      </button>
      {card.kind === "namespace" && (
        <button
          type="button"
          className="card-unfold"
          aria-label={`Unfold ${visible(card.title)}`}
          title="Unfold"
          tabIndex={isFocused ? 0 : -1}
          onClick={() => fold(card.title, false)}
        >
          <Icon name="plus" size={14} />
        </button>
      )}
    </div>
  );
});

export const GroupBox = memo(function GroupBox({
  data: { group },
}: NodeProps<GroupNode>): ReactNode {
  const { pick, fold } = useMap();
  const { text, dropped } = useCounts("groups", group.id);
  return (
    <div className={classes("group", dropped > 0 && "has-drops")}>
      <div className="group-head">
        <button
          type="button"
          className="group-title"
          title="Show the flows of this namespace"
          onClick={() => pick(namespaceKey(group.id))}
        >
          {visible(group.title)}
        </button>
        <span className="group-rate">
          {text === "" ? "" : `${text}/s`}
          {dropped > 0 && <span className="card-drops"> {short(dropped)} dropped</span>}
        </span>
        <button
          type="button"
          className="icon-button"
          aria-label={`Fold ${visible(group.title)}`}
          title="Fold"
          onClick={() => fold(group.id, true)}
        >
          <Icon name="minus" size={14} />
        </button>
      </div>
    </div>
  );
});

export const nodeTypes = { card: CardBox, namespace: GroupBox };
