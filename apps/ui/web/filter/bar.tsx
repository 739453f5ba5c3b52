// The filter bar: what is filtered as chips, and a field that suggests as one types.
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { type Filter, filtersOf, filterWord } from "../../src/shared/filters.ts";
import { ask } from "../api/client.ts";
import { usePlace } from "../router.ts";
import { useKeys } from "../ui/controls.tsx";
import { Icon } from "../ui/icons.tsx";
import { classes, visible } from "../ui/text.ts";
import { addFilter, removeFilter, setFilters } from "./place-filters.ts";
import { guesses, understood, valuesLike, wordsLike } from "./typing.ts";

export function FilterBar(): ReactNode {
  const { query } = usePlace();
  const filters = filtersOf(query);
  const input = useRef<HTMLInputElement>(null);
  const edit = (filter: Filter) => {
    removeFilter(filter);
    input.current?.dispatchEvent(
      new CustomEvent("tsilium-edit", {
        detail: `${filter.not ? "-" : ""}${filter.word}:${filter.value}`,
      }),
    );
  };
  useKeys((event) => {
    if (event.key !== "/") return;
    event.preventDefault();
    input.current?.focus();
  });
  return (
    <div className="filter-bar" role="search" aria-label="Filters">
      <Icon name="filter" />
      {filters.length > 0 && (
        <ul className="chips" aria-label="Filters in force">
          {filters.map((filter) => (
            <Chip
              key={`${filter.not} ${filter.word} ${filter.value}`}
              filter={filter}
              onEdit={edit}
            />
          ))}
        </ul>
      )}
      <FilterField input={input} filters={filters} />
      {filters.length > 0 && (
        <button type="button" className="link-button" onClick={() => setFilters([])}>
          Clear
        </button>
      )}
    </div>
  );
}

function Chip({ filter, onEdit }: { filter: Filter; onEdit: (filter: Filter) => void }): ReactNode {
  const { word, value, not } = filter;
  const said = `${not ? "not " : ""}${word} ${visible(value)}`;
  return (
    <li className={classes("chip", not && "is-not")}>
      <button
        type="button"
        className="chip-text"
        title={`${said}: change it`}
        aria-label={`${said}: change it`}
        onClick={() => onEdit(filter)}
      >
        {not && <span className="chip-not">not</span>}
        <span className="chip-word">{word}</span>
        <span className="chip-value">{visible(value)}</span>
      </button>
      <button
        type="button"
        className="chip-remove"
        aria-label={`Remove ${said}`}
        onClick={() => removeFilter(filter)}
      >
        <Icon name="close" size={12} />
      </button>
    </li>
  );
}

type Option =
  | { readonly kind: "word"; readonly word: string; readonly not: boolean }
  | { readonly kind: "filter"; readonly filter: Filter };

function FilterField({
  input,
  filters,
}: {
  input: React.RefObject<HTMLInputElement | null>;
  filters: readonly Filter[];
}): ReactNode {
  const id = useId();
  const [text, setText] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const options = useOptions(text, isOpen);
  const change = (next: string) => {
    setText(next);
    setActive(-1);
    setOpen(true);
  };
  useEffect(() => {
    const field = input.current;
    const onEdit = (event: Event) => {
      change((event as CustomEvent<string>).detail);
      field?.focus();
    };
    field?.addEventListener("tsilium-edit", onEdit);
    return () => field?.removeEventListener("tsilium-edit", onEdit);
  }, [input]);

  const accept = (option: Option) => {
    if (option.kind === "word") {
      change(`${option.not ? "-" : ""}${option.word}:`);
      input.current?.focus();
      return;
    }
    if (option.filter.value === "") return;
    addFilter(option.filter);
    change("");
  };
  const acceptTyped = () => {
    const typed = understood(text);
    if (typed.kind === "filter") accept({ kind: "filter", filter: typed.filter });
    else {
      const [first] = guesses(typed.text, typed.not);
      if (first) accept({ kind: "filter", filter: first });
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      setOpen(true);
      const length = options.length + 1;
      setActive(((active + 1 + step + length) % length) - 1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = options[active];
      if (option) accept(option);
      else acceptTyped();
    } else if (
      event.key === "Tab" &&
      isOpen &&
      text !== "" &&
      !event.shiftKey &&
      options.length > 0
    ) {
      event.preventDefault();
      accept(options[Math.max(active, 0)] as Option);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      if (isOpen && options.length > 0) setOpen(false);
      else input.current?.blur();
    } else if (event.key === "Backspace" && text === "" && filters.length > 0) {
      event.preventDefault();
      const last = filters.at(-1) as Filter;
      removeFilter(last);
      change(`${last.not ? "-" : ""}${last.word}:${last.value}`);
    }
  };
  const isListed = isOpen && options.length > 0;
  return (
    <div className="filter-field">
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label="Add a filter"
        aria-expanded={isListed}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        {...(isListed && active >= 0 ? { "aria-activedescendant": `${id}-${active}` } : {})}
        placeholder={filters.length === 0 ? "Filter: pod, namespace, port, verdict, address …" : ""}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        value={text}
        onChange={(event) => change(event.target.value)}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      {!isListed && text === "" && <kbd className="hint-key">/</kbd>}
      {isListed && (
        <ul className="options" role="listbox" id={`${id}-list`} aria-label="Suggestions">
          {options.map((option, index) => (
            <OptionRow
              key={optionKey(option)}
              id={`${id}-${index}`}
              option={option}
              isActive={index === active}
              onAccept={accept}
            />
          ))}
        </ul>
      )}
    </div>
  );
}

function optionKey(option: Option): string {
  return option.kind === "word"
    ? `word ${option.word}`
    : `${option.filter.not} ${option.filter.word} ${option.filter.value}`;
}

function OptionRow({
  id,
  option,
  isActive,
  onAccept,
}: {
  id: string;
  option: Option;
  isActive: boolean;
  onAccept: (option: Option) => void;
}): ReactNode {
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isActive) row.current?.scrollIntoView({ block: "nearest" });
  }, [isActive]);
  const not = option.kind === "word" ? option.not : option.filter.not;
  const word = option.kind === "word" ? option.word : option.filter.word;
  return (
    <li
      ref={row}
      id={id}
      role="option"
      aria-selected={isActive}
      className={classes("option", isActive && "is-active")}
      // The field keeps the focus.
      onMouseDown={(event) => {
        event.preventDefault();
        onAccept(option);
      }}
    >
      {not && <span className="chip-not">not</span>}
      <span className="option-word">{word}</span>
      {option.kind === "filter" ? (
        <span className="option-value">{visible(option.filter.value)}</span>
      ) : (
        <span className="option-help">{filterWord(word)?.help}</span>
      )}
    </li>
  );
}

const mostOptions = 40;

function useOptions(text: string, isOpen: boolean): readonly Option[] {
  const typed = understood(text);
  const asked = typed.kind === "filter" ? typed.filter : undefined;
  const known = asked && valuesLike(asked.word, asked.value);
  const values = useClusterValues(
    asked && !known && isOpen ? asked.word : undefined,
    asked?.value ?? "",
  );
  if (!isOpen) return [];
  if (typed.kind === "text") {
    const ways = guesses(typed.text, typed.not).map(
      (filter) => ({ kind: "filter", filter }) as const,
    );
    const words = wordsLike(typed.text).map(
      (word) => ({ kind: "word", word, not: typed.not }) as const,
    );
    const startsWord = typed.text !== "" && words[0]?.word.startsWith(typed.text.toLowerCase());
    return (startsWord ? [...words, ...ways] : [...ways, ...words]).slice(0, mostOptions);
  }
  const { word, value, not } = typed.filter;
  const found = (known ?? values).filter((candidate) => candidate !== value);
  const all = value === "" ? found : known ? found : [value, ...found];
  return all
    .slice(0, mostOptions)
    .map((candidate) => ({ kind: "filter", filter: { word, value: candidate, not } }));
}

/** Names that the cluster has, asked a moment after the last key. */
function useClusterValues(word: string | undefined, text: string): readonly string[] {
  const [values, setValues] = useState<readonly string[]>([]);
  useEffect(() => {
    setValues([]);
    if (word === undefined) return undefined;
    const stopped = new AbortController();
    const timer = setTimeout(() => {
      ask<{ values: string[] }>(
        "suggest",
        new URLSearchParams({ word, text }),
        stopped.signal,
      ).then(
        (answer) => setValues(answer.values),
        () => undefined,
      );
    }, 80);
    return () => {
      clearTimeout(timer);
      stopped.abort();
    };
  }, [word, text]);
  return values;
}
