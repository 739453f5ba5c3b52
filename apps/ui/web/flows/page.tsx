// The view of flows: filters, table, and what is known of the one that is selected.
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { filtersOf } from "../../src/shared/filters.ts";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";
import { setQuery, usePlace } from "../router.ts";
import { FlowFeed } from "../state/flow-feed.ts";
import { useStore } from "../state/store.ts";
import { FilterBar } from "../filter/bar.tsx";
import { NamespacePicker } from "../filter/namespaces.tsx";
import { SavedFilters } from "../filter/saved-filters.tsx";
import { VerdictSwitch } from "../filter/verdict-switch.tsx";
import { FlowDetails } from "../flow/details.tsx";
import { endName, infoText, portText, verdictName } from "../flow/words.ts";
import { TimePicker } from "../time/picker.tsx";
import { Popover, useKeys } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { classes, count, rate, short, visible } from "../ui/text.ts";
import { columns, savedColumns, saveColumns } from "./columns.tsx";
import { useSelectedFlow } from "./selected.ts";
import { FlowTable } from "./table.tsx";

/** Parameters of the URL that say which flows are asked for. */
export function flowParameters(query: URLSearchParams): URLSearchParams {
  const asked = new URLSearchParams();
  for (const { word, value, not } of filtersOf(query))
    asked.append(not ? `not.${word}` : word, value);
  for (const name of ["since", "until"]) {
    const value = query.get(name);
    if (value !== null) asked.set(name, value);
  }
  return asked;
}

/** A feed that lives as long as what is asked stays the same. */
export function useFeed(asked: string): FlowFeed {
  const feed = useMemo(() => new FlowFeed(new URLSearchParams(asked)), [asked]);
  useEffect(() => feed.start(), [feed]);
  return feed;
}

export function FlowsPage(): ReactNode {
  const { query } = usePlace();
  const feed = useFeed(String(flowParameters(query)));
  const [shown, setShown] = useState(savedColumns);
  const uuid = query.get("flow") ?? undefined;
  const flow = useSelectedFlow(feed, uuid, query.get("flow-time"));
  const select = (chosen: SeenFlow | undefined) => {
    setQuery(
      { flow: chosen?.uuid, "flow-time": chosen?.timeNs },
      uuid === undefined || chosen === undefined ? "push" : "replace",
    );
  };
  const state = useStore(feed);
  const toggle = () => (state.isPaused ? feed.resume() : feed.pause());
  useKeys((event) => {
    if (event.key === "Escape" && uuid !== undefined) select(undefined);
    if (event.key === " " && (event.target as HTMLElement).closest("button") === null) {
      event.preventDefault();
      toggle();
    }
  });
  const visibleColumns = columns.filter(({ name }) => shown.includes(name));
  return (
    <div className="page flows-page">
      <div className="toolbar">
        <NamespacePicker />
        <FilterBar />
        <VerdictSwitch query={query} />
        <TimePicker />
        <ColumnPicker
          shown={shown}
          onChange={(names) => {
            setShown(names);
            saveColumns(names);
          }}
        />
        <SavedFilters />
      </div>
      <div className={classes("split", flow && "has-panel")}>
        <FlowTable
          feed={feed}
          columns={visibleColumns}
          selected={uuid}
          onSelect={select}
          isCompact={false}
        />
        <p className="visually-hidden" role="status">
          {flow ? spoken(flow) : ""}
        </p>
        {flow && <FlowDetails flow={flow} onClose={() => select(undefined)} />}
      </div>
      <FeedBar feed={feed} onToggle={toggle} isPast={query.has("until")} />
    </div>
  );
}

/** What screen readers say when a flow is selected. */
function spoken(flow: SeenFlow): string {
  const [from, to] = [endName(flow, "source"), endName(flow, "destination")];
  return `${visible(from.name)} to ${visible(to.name)}, ${portText(flow)}, ${verdictName(flow).toLowerCase()}. ${visible(infoText(flow))}`;
}

function ColumnPicker({
  shown,
  onChange,
}: {
  shown: readonly string[];
  onChange: (names: readonly string[]) => void;
}): ReactNode {
  return (
    <Popover
      className="icon-only wide-only"
      align="end"
      label="Columns"
      button={<Icon name="columns" />}
    >
      {() => (
        <div className="pick-list">
          <ul>
            {columns.map(({ name, title }) => (
              <li key={name}>
                <label className="pick-row">
                  <input
                    type="checkbox"
                    checked={shown.includes(name)}
                    disabled={shown.length === 1 && shown.includes(name)}
                    onChange={(event) =>
                      onChange(
                        event.target.checked
                          ? [...shown, name]
                          : shown.filter((other) => other !== name),
                      )
                    }
                  />
                  {title}
                </label>
              </li>
            ))}
          </ul>
        </div>
      )}
    </Popover>
  );
}

export function FeedBar({
  feed,
  onToggle,
  isPast,
}: {
  feed: FlowFeed;
  onToggle: () => void;
  isPast: boolean;
}): ReactNode {
  const { isPaused, length, seen, lost, skipped, rate: perSecond } = useStore(feed);
  return (
    <div className="feed-bar">
      {!isPast && (
        <button type="button" className="button small" onClick={onToggle} aria-pressed={isPaused}>
          <Icon name={isPaused ? "play" : "pause"} size={12} /> {isPaused ? "Resume" : "Pause"}
        </button>
      )}
      <span>
        <b>{count(length)}</b> in the list
      </span>
      {!isPast && (
        <>
          <span>
            <b>{short(seen)}</b> seen
          </span>
          <span data-testid="rate">
            <b>{rate(perSecond)}</b>/s
          </span>
        </>
      )}
      {lost > 0 && (
        <span className="tone-drop" data-testid="lost">
          <b>{count(lost)}</b> lost
        </span>
      )}
      {skipped > 0 && (
        <span className="tone-audit" data-testid="skipped">
          <b>{count(skipped)}</b> left out
        </span>
      )}
    </div>
  );
}
