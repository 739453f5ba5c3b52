// Beside the map: what is picked, its connections and its flows; or one flow of them.
import { type ReactNode, useMemo, useState } from "react";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";
import { FlowDetails } from "../flow/details.tsx";
import { columns } from "../flows/columns.tsx";
import { FeedBar, useFeed } from "../flows/page.tsx";
import { FlowTable } from "../flows/table.tsx";
import { useStore } from "../state/store.ts";
import { IconButton } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { plural, rate, visible } from "../ui/text.ts";
import { cardName, Connections } from "./connections.tsx";
import { total } from "./graph.ts";
import { noCounts } from "./model.ts";
import type { MapView, Picked } from "./view.ts";

export function MapPanel({
  view,
  picked,
  asked,
  isPast,
  onPick,
}: {
  view: MapView;
  picked: Picked | undefined;
  /** Parameters of the flows to list. */
  asked: string;
  isPast: boolean;
  onPick: (picked: Picked | undefined) => void;
}): ReactNode {
  const [flow, setFlow] = useState<SeenFlow | undefined>();
  if (flow) return <FlowDetails flow={flow} onClose={() => setFlow(undefined)} />;
  return (
    <aside className="panel map-panel" aria-label="What is selected">
      {picked ? (
        <PickedHead view={view} picked={picked} onPick={onPick} />
      ) : (
        <header className="panel-head">
          <h2>All flows</h2>
          <IconButton icon="close" label="Close (Esc)" onClick={() => onPick(undefined)} />
        </header>
      )}
      <Flows key={asked} asked={asked} isPast={isPast} onSelect={setFlow} />
    </aside>
  );
}

function Flows({
  asked,
  isPast,
  onSelect,
}: {
  asked: string;
  isPast: boolean;
  onSelect: (flow: SeenFlow | undefined) => void;
}): ReactNode {
  const feed = useFeed(asked);
  const { isPaused } = useStore(feed);
  return (
    <div className="panel-flows">
      <FlowTable feed={feed} columns={columns} selected={undefined} onSelect={onSelect} isCompact />
      <FeedBar
        feed={feed}
        isPast={isPast}
        onToggle={() => (isPaused ? feed.resume() : feed.pause())}
      />
    </div>
  );
}

function PickedHead({
  view,
  picked,
  onPick,
}: {
  view: MapView;
  picked: Picked;
  onPick: (picked: Picked | undefined) => void;
}): ReactNode {
  const graph = useStore(view.graph);
  const counts = useStore(view.counts);
  const cards = useMemo(() => new Map(graph.cards.map((card) => [card.id, card])), [graph]);
  const pair = graph.pairs.find(({ id }) => id === picked.id);
  const card = cards.get(picked.id);
  const own = (picked.kind === "pair" ? counts.pairs : counts.cards).get(picked.id) ?? noCounts;
  const title = pair ? (
    <>
      {cardName(cards.get(pair.source))} <Icon name="arrow" size={14} />{" "}
      {cardName(cards.get(pair.destination))}
    </>
  ) : card ? (
    cardName(card)
  ) : (
    namespaceOf(picked.id)
  );
  const peers = graph.pairs.filter(
    ({ source, destination }) => source === picked.id || destination === picked.id,
  ).length;
  return (
    <>
      <header className="panel-head">
        <h2>{title}</h2>
        <IconButton icon="close" label="Close (Esc)" onClick={() => onPick(undefined)} />
      </header>
      <p className="panel-sub">
        {pair ? pair.label : (card?.subtitle ?? "namespace")}
        {" · "}
        <b>{rate((total(own) * 1000) / counts.spanMs)}</b> flows/s
        {own.dropped + own.error > 0 && (
          <span className="tone-drop"> · {plural(own.dropped + own.error, "drop")}</span>
        )}
      </p>
      {picked.kind === "card" && peers > 0 && (
        <details className="panel-connections" open={peers <= 6}>
          <summary>{plural(peers, "connection")}</summary>
          <Connections view={view} of={picked.id} onPick={onPick} />
        </details>
      )}
    </>
  );
}

/** "namespace/shop//" */
function namespaceOf(key: string): string {
  return visible(decodeURIComponent(key.split("/")[1] ?? key));
}
