// Which namespaces are looked at: one, several, or all.
import { type ReactNode, useState } from "react";
import { filtersOf } from "../../src/shared/filters.ts";
import { usePlace } from "../router.ts";
import { status } from "../state/status.ts";
import { useStore } from "../state/store.ts";
import { Popover } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { visible } from "../ui/text.ts";
import { replaceWord } from "./place-filters.ts";

export function NamespacePicker(): ReactNode {
  const { query } = usePlace();
  const chosen = filtersOf(query)
    .filter(({ word, not }) => word === "namespace" && !not)
    .map(({ value }) => value);
  const [first, ...others] = chosen;
  const text =
    first === undefined
      ? "All namespaces"
      : `${visible(first)}${others.length > 0 ? ` +${others.length}` : ""}`;
  return (
    <Popover
      className="namespace-button"
      label={`Namespaces: ${chosen.join(", ") || "all"}`}
      button={
        <>
          <span className="ellipsis">{text}</span>
          <Icon name="down" size={12} />
        </>
      }
    >
      {(close) => <NamespaceList chosen={chosen} onClose={close} />}
    </Popover>
  );
}

function NamespaceList({
  chosen,
  onClose,
}: {
  chosen: readonly string[];
  onClose: () => void;
}): ReactNode {
  const known = useStore(status)?.namespaces ?? [];
  const [text, setText] = useState("");
  const all = [...new Set([...chosen, ...known])].toSorted();
  const shown = all.filter((name) => name.includes(text.trim()));
  const toggle = (name: string) => {
    replaceWord(
      "namespace",
      chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name],
    );
  };
  return (
    <div className="pick-list">
      <input
        type="search"
        aria-label="Find a namespace"
        placeholder="Find a namespace"
        // The list is opened in order to type into it.
        ref={(field) => field?.focus()}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          const [only] = shown;
          if (event.key !== "Enter" || only === undefined) return;
          replaceWord("namespace", [only]);
          onClose();
        }}
      />
      <button
        type="button"
        className="pick-row"
        onClick={() => {
          replaceWord("namespace", []);
          onClose();
        }}
      >
        All namespaces
      </button>
      <ul>
        {shown.map((name) => (
          <li key={name}>
            <label className="pick-row">
              <input
                type="checkbox"
                checked={chosen.includes(name)}
                onChange={() => toggle(name)}
              />
              <span className="ellipsis">{visible(name)}</span>
            </label>
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p className="empty-note">No namespace is called so.</p>}
    </div>
  );
}
