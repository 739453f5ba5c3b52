// Filters that the user keeps, in the browser; and the same question as a command line.
import { type ReactNode, useState } from "react";
import { filtersOf, hubbleCommand, parameterOf } from "../../src/shared/filters.ts";
import { usePlace } from "../router.ts";
import { CopyButton, Popover } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { readSaved, writeSaved } from "../ui/saved.ts";
import { setFilters } from "./place-filters.ts";

/** `query`: filters as in the URL. */
type SavedFilter = { readonly name: string; readonly query: string };

const place = "filters";

function isSavedFilters(value: unknown): value is SavedFilter[] {
  return (
    Array.isArray(value) &&
    value.every(
      (entry: Partial<SavedFilter> | null) =>
        typeof entry?.name === "string" && typeof entry.query === "string",
    )
  );
}

export function SavedFilters(): ReactNode {
  return (
    <Popover className="icon-only" align="end" label="Saved filters" button={<Icon name="star" />}>
      {(close) => <SavedList onClose={close} />}
    </Popover>
  );
}

function SavedList({ onClose }: { onClose: () => void }): ReactNode {
  const { query } = usePlace();
  const [saved, setSaved] = useState(() => readSaved(place, isSavedFilters) ?? []);
  const [name, setName] = useState("");
  const filters = filtersOf(query);
  const keep = (next: SavedFilter[]) => {
    setSaved(next);
    writeSaved(place, next);
  };
  const save = () => {
    const text = new URLSearchParams(filters.map((filter) => [parameterOf(filter), filter.value]));
    const title = name.trim() || filters.map(({ word, value }) => `${word}:${value}`).join(" ");
    keep([...saved.filter((entry) => entry.name !== title), { name: title, query: String(text) }]);
    setName("");
  };
  const until = query.get("until") ?? undefined;
  const since = query.get("since") ?? undefined;
  const command = hubbleCommand(filters, {
    ...(since === undefined ? {} : { since }),
    ...(until === undefined || until === "now" ? {} : { until }),
    follow: until === undefined,
  });
  return (
    <div className="pick-list wide">
      {saved.length === 0 && <p className="empty-note">Nothing is saved yet.</p>}
      <ul>
        {saved.map((entry) => (
          <li key={entry.name} className="pick-row">
            <button
              type="button"
              className="grow"
              onClick={() => {
                setFilters(filtersOf(new URLSearchParams(entry.query)));
                onClose();
              }}
            >
              {entry.name}
            </button>
            <button
              type="button"
              className="icon-button"
              aria-label={`Forget ${entry.name}`}
              onClick={() => keep(saved.filter((other) => other !== entry))}
            >
              <Icon name="close" size={12} />
            </button>
          </li>
        ))}
      </ul>
      {filters.length > 0 && (
        <form
          className="inline-form"
          onSubmit={(event) => {
            event.preventDefault();
            save();
          }}
        >
          <input
            type="text"
            aria-label="Name for these filters"
            placeholder="Name for these filters"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit" className="button small">
            Save
          </button>
        </form>
      )}
      <div className="command">
        <p className="label">The same on the command line</p>
        <code>{command}</code>
        <CopyButton text={command} />
      </div>
    </div>
  );
}
