// Small parts that every view uses.
import { type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import { Icon, type IconName } from "./icons.tsx";
import { classes } from "./text.ts";

/** A button with an icon alone; `label` is what screen readers say and what the pointer shows. */
export function IconButton({
  icon,
  label,
  onClick,
  pressed,
  disabled,
}: {
  icon: IconName;
  label: string;
  onClick: () => void;
  pressed?: boolean;
  disabled?: boolean;
}): ReactNode {
  return (
    <button
      type="button"
      className={classes("icon-button", pressed && "is-pressed")}
      aria-label={label}
      title={label}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      disabled={disabled ?? false}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

/** Copies; says for a moment that it has. */
export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }): ReactNode {
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    if (!isDone) return undefined;
    const timer = setTimeout(() => setDone(false), 1_500);
    return () => clearTimeout(timer);
  }, [isDone]);
  const copy = () => {
    copyText(text).then(
      () => setDone(true),
      () => undefined,
    );
  };
  return (
    <>
      <button type="button" className="button small" aria-label={label} onClick={copy}>
        <Icon name={isDone ? "check" : "copy"} size={14} />
        {isDone ? "Copied" : label}
      </button>
      <span className="visually-hidden" role="status">
        {isDone ? "Copied" : ""}
      </span>
    </>
  );
}

/** Where the page is served in clear beyond loopback, browsers give it no clipboard: the old way works there. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A button that opens a small panel; Escape and a click elsewhere close it. */
export function Popover({
  button,
  label,
  className,
  children,
  align = "start",
}: {
  button: ReactNode;
  label: string;
  className?: string;
  children: (close: () => void) => ReactNode;
  align?: "start" | "end";
}): ReactNode {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    trigger.current?.focus();
  };
  useOutside(root, isOpen, () => setOpen(false));
  return (
    <div
      className="popover-root"
      ref={root}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !isOpen) return;
        event.stopPropagation();
        close();
      }}
    >
      <button
        type="button"
        ref={trigger}
        className={classes("button", className)}
        aria-expanded={isOpen}
        aria-haspopup="dialog"
        aria-label={label}
        title={label}
        onClick={() => setOpen(!isOpen)}
      >
        {button}
      </button>
      {isOpen && (
        <div className={classes("popover", `align-${align}`)} role="dialog" aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

export function useOutside(
  root: RefObject<HTMLElement | null>,
  isActive: boolean,
  onOutside: () => void,
): void {
  useEffect(() => {
    if (!isActive) return undefined;
    const onPointer = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) onOutside();
    };
    document.addEventListener("pointerdown", onPointer, true);
    return () => document.removeEventListener("pointerdown", onPointer, true);
  });
}

/** Runs `onKey` for keys pressed outside of fields that take text. */
export function useKeys(onKey: (event: KeyboardEvent) => void): void {
  const latest = useRef(onKey);
  useEffect(() => {
    latest.current = onKey;
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => {
      const at = event.target as HTMLElement;
      if (at.closest("input, textarea, select, [contenteditable]")) return;
      if (!event.ctrlKey && !event.metaKey && !event.altKey) latest.current(event);
    };
    document.addEventListener("keydown", listener);
    return () => document.removeEventListener("keydown", listener);
  }, []);
}

export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const onChange = () => setMatches(list.matches);
    onChange();
    list.addEventListener("change", onChange);
    return () => list.removeEventListener("change", onChange);
  }, [query]);
  return matches;
}
