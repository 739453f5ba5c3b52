// YAML with line numbers, keys told apart from values, and lines that matter marked.
import { type ReactNode, useEffect, useRef } from "react";
import { classes, visible } from "../ui/text.ts";

/** Lines count from 0; `to` is not one of them. */
export type Marked = { readonly from: number; readonly to: number };

export function Yaml({
  text,
  marked,
  label,
}: {
  text: string;
  marked?: Marked | undefined;
  label: string;
}): ReactNode {
  const box = useRef<HTMLPreElement>(null);
  const from = marked?.from;
  useEffect(() => {
    if (from === undefined) return;
    const line = box.current?.querySelector<HTMLElement>(".is-marked");
    // Within the box alone: the page stays where it is.
    if (line && box.current) box.current.scrollTop = Math.max(0, line.offsetTop - 40);
  }, [from, text]);
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    // A box that scrolls has to be reachable by keyboard.
    <pre className="yaml" ref={box} tabIndex={0} role="region" aria-label={label}>
      {lines.map((line, index) => {
        const isMarked = marked !== undefined && index >= marked.from && index < marked.to;
        return (
          <div key={index} className={classes("yaml-line", isMarked && "is-marked")}>
            {isMarked ? <mark>{highlighted(line)}</mark> : highlighted(line)}
          </div>
        );
      })}
    </pre>
  );
}

function highlighted(line: string): ReactNode {
  const match = /^(\s*(?:- )*)((?:[^\s:'"#][^:]*|'[^']*'|"[^"]*"):)(?=\s|$)(.*)$/.exec(line);
  if (!match) return visible(line) || " ";
  const [, indent, key, rest] = match;
  return (
    <>
      {indent}
      <span className="yaml-key">{visible(key as string)}</span>
      {visible(rest as string)}
    </>
  );
}
