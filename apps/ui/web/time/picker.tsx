// Chooses between now and ranges of the past.
import { type ReactNode, useState } from "react";
import { setQuery, usePlace } from "../router.ts";
import { durationMs } from "../../src/shared/filters.ts";
import { Popover } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { age, classes } from "../ui/text.ts";
import { presets, rangeOf, rangeText } from "./range.ts";

export function TimePicker(): ReactNode {
  const { query } = usePlace();
  const text = rangeText(query, Date.now());
  const isLive = text === "Live";
  return (
    <Popover
      className={classes("time-button", isLive && "is-live")}
      align="end"
      label={`Time: ${text}`}
      button={
        <>
          <Icon name={isLive ? "live" : "clock"} size={14} />
          <span>{text}</span>
          <Icon name="down" size={12} />
        </>
      }
    >
      {(close) => <TimeList query={query} onClose={close} />}
    </Popover>
  );
}

function TimeList({ query, onClose }: { query: URLSearchParams; onClose: () => void }): ReactNode {
  const choose = (since: string | undefined, until: string | undefined) => {
    setQuery({ since, until, at: undefined, window: undefined });
    onClose();
  };
  return (
    <div className="pick-list">
      <button type="button" className="pick-row" onClick={() => choose(undefined, undefined)}>
        <Icon name="live" size={12} /> Live
      </button>
      {presets.map((preset) => (
        <button
          type="button"
          className="pick-row"
          key={preset}
          onClick={() => choose(preset, "now")}
        >
          <Icon name="clock" size={12} /> Last {age(durationMs(preset) as number)}
        </button>
      ))}
      <CustomRange query={query} onChoose={choose} />
    </div>
  );
}

function CustomRange({
  query,
  onChoose,
}: {
  query: URLSearchParams;
  onChoose: (since: string, until: string) => void;
}): ReactNode {
  const nowMs = Date.now();
  const range = rangeOf(query, nowMs);
  const [since, setSince] = useState(
    localText(range.kind === "past" ? range.sinceMs : nowMs - 900_000),
  );
  const [until, setUntil] = useState(localText(range.kind === "past" ? range.untilMs : nowMs));
  const isValid = Date.parse(since) < Date.parse(until);
  return (
    <form
      className="custom-range"
      onSubmit={(event) => {
        event.preventDefault();
        if (isValid) onChoose(new Date(since).toISOString(), new Date(until).toISOString());
      }}
    >
      <label>
        From
        <input
          type="datetime-local"
          step="1"
          value={since}
          onChange={(event) => setSince(event.target.value)}
        />
      </label>
      <label>
        To
        <input
          type="datetime-local"
          step="1"
          value={until}
          onChange={(event) => setUntil(event.target.value)}
        />
      </label>
      <button type="submit" className="button small" disabled={!isValid}>
        Show
      </button>
    </form>
  );
}

/** As datetime-local fields have it: in the user's zone, without saying so. */
function localText(timeMs: number): string {
  const offsetMs = new Date(timeMs).getTimezoneOffset() * 60_000;
  return new Date(timeMs - offsetMs).toISOString().slice(0, 19);
}
