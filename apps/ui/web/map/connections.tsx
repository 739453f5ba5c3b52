// The map as a table: every pair that talks. For those who do not see the drawing, and for when there is too much of it.
import { type ReactNode, useMemo } from "react";
import { useStore } from "../state/store.ts";
import { classes, count, rate, visible } from "../ui/text.ts";
import { type Card, total } from "./graph.ts";
import type { Counts } from "./model.ts";
import { noCounts } from "./model.ts";
import type { MapView, Picked } from "./view.ts";

/** @param of only pairs of this card */
export function Connections({
  view,
  of,
  onPick,
}: {
  view: MapView;
  of?: string;
  onPick: (picked: Picked) => void;
}): ReactNode {
  const graph = useStore(view.graph);
  const counts = useStore(view.counts);
  const picked = useStore(view.picked);
  const cards = useMemo(() => new Map(graph.cards.map((card) => [card.id, card])), [graph]);
  const rows = graph.pairs
    .filter(({ source, destination }) => of === undefined || source === of || destination === of)
    .map((pair) => ({ pair, counts: counts.pairs.get(pair.id) ?? noCounts }))
    .toSorted((a, b) => weight(b.counts) - weight(a.counts));
  return (
    <table className="connections">
      <thead>
        <tr>
          <th scope="col">Source</th>
          <th scope="col">Destination</th>
          <th scope="col">Ports</th>
          <th scope="col" className="number">
            Flows/s
          </th>
          <th scope="col" className="number">
            Dropped
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.slice(0, mostShown).map(({ pair, counts: own }) => (
          <tr key={pair.id} className={classes(picked?.id === pair.id && "is-selected")}>
            <td>
              <button
                type="button"
                className="row-button"
                onClick={() => onPick({ kind: "pair", id: pair.id })}
              >
                {cardName(cards.get(pair.source))}
              </button>
            </td>
            <td>{cardName(cards.get(pair.destination))}</td>
            <td>{pair.label}</td>
            <td className="number">{rate((total(own) * 1000) / counts.spanMs)}</td>
            <td className={classes("number", own.dropped + own.error > 0 && "tone-drop")}>
              {count(own.dropped + own.error)}
            </td>
          </tr>
        ))}
      </tbody>
      {rows.length > mostShown && (
        <caption>{count(rows.length - mostShown)} quieter connections are not listed.</caption>
      )}
    </table>
  );
}

const mostShown = 300;

/** Drops first, then much traffic. */
function weight(counts: Counts): number {
  return (counts.dropped + counts.error) * 1e6 + total(counts);
}

export function cardName(card: Card | undefined): string {
  if (!card) return "";
  return visible(card.group === "" ? card.title : `${card.group}/${card.title}`);
}
