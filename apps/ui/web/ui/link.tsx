// A link inside the page: a real one, that can be opened in a new tab, but without loading the page again.
import type { MouseEvent, ReactNode } from "react";
import { go, href } from "../router.ts";

export function Link({
  to,
  query = {},
  label,
  className,
  children,
  current,
}: {
  to: string;
  query?: Readonly<Record<string, string>>;
  label?: string;
  className?: string;
  children: ReactNode;
  /** It leads to where the user is. */
  current?: boolean;
}): ReactNode {
  const parameters = new URLSearchParams(query);
  const onClick = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to, parameters);
  };
  return (
    <a
      href={href(to, parameters)}
      className={className}
      onClick={onClick}
      {...(label === undefined ? {} : { "aria-label": label, title: label })}
      {...(current ? { "aria-current": "page" as const } : {})}
    >
      {children}
    </a>
  );
}
