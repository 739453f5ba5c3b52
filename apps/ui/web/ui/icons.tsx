// Icons, drawn on a grid of 16.
import type { ReactNode } from "react";

const paths = {
  map: (
    <>
      <circle cx="4" cy="4" r="2" />
      <circle cx="12" cy="5" r="2" />
      <circle cx="7" cy="12" r="2" />
      <path d="M6 4.3 10 4.8M5 5.8l1.4 4.3M10.9 6.7 8.2 10.4" />
    </>
  ),
  flows: <path d="M2 4h9M2 8h12M2 12h7M12 2.5 13.5 4 12 5.5" />,
  policies: <path d="M8 1.8 13 4v4c0 3-2 5.2-5 6.2C5 13.2 3 11 3 8V4zM5.8 8l1.6 1.6L10.4 6.6" />,
  endpoints: (
    <>
      <rect x="2.5" y="2.5" width="4.5" height="4.5" rx="1" />
      <rect x="9" y="2.5" width="4.5" height="4.5" rx="1" />
      <rect x="2.5" y="9" width="4.5" height="4.5" rx="1" />
      <rect x="9" y="9" width="4.5" height="4.5" rx="1" />
    </>
  ),
  identities: (
    <>
      <circle cx="8" cy="5.5" r="2.7" />
      <path d="M2.8 13.8c.6-3 2.6-4.5 5.2-4.5s4.6 1.5 5.2 4.5" />
    </>
  ),
  services: (
    <>
      <circle cx="3.5" cy="8" r="1.8" />
      <circle cx="12.5" cy="3.5" r="1.8" />
      <circle cx="12.5" cy="12.5" r="1.8" />
      <path d="M5.2 7.2 10.8 4.3M5.2 8.8l5.6 2.9" />
    </>
  ),
  close: <path d="m4 4 8 8M12 4l-8 8" />,
  plus: <path d="M8 3v10M3 8h10" />,
  minus: <path d="M3 8h10" />,
  fit: <path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10" />,
  tidy: <path d="M3 3h3v3H3zM10 3h3v3h-3zM3 10h3v3H3zM10 10h3v3h-3zM6 4.5h4M4.5 6v4" />,
  collapse: <path d="M3 6.5 8 2l5 4.5M3 9.5 8 14l5-4.5" />,
  table: <path d="M2.5 3h11v10h-11zM2.5 6.3h11M6.5 6.3V13" />,
  play: <path d="M5 3v10l7.5-5z" fill="currentColor" />,
  pause: <path d="M5 3v10M11 3v10" />,
  live: <circle cx="8" cy="8" r="3.5" fill="currentColor" stroke="none" />,
  star: <path d="m8 2 1.8 3.9 4.2.5-3.1 2.9.8 4.2L8 11.4l-3.7 2.1.8-4.2L2 6.4l4.2-.5z" />,
  columns: <path d="M2.5 3h11v10h-11zM6.2 3v10M9.9 3v10" />,
  copy: <path d="M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3" />,
  check: <path d="m3 8.5 3.2 3.2L13 4.8" />,
  sun: (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1" />
    </>
  ),
  moon: <path d="M13 9.7A5.6 5.6 0 0 1 6.3 3 5.6 5.6 0 1 0 13 9.7z" />,
  auto: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor" stroke="none" />
    </>
  ),
  help: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M6.2 6.2a1.9 1.9 0 1 1 2.6 1.8c-.6.3-.8.6-.8 1.2M8 11.3v.2" />
    </>
  ),
  search: (
    <>
      <circle cx="7" cy="7" r="4.2" />
      <path d="m10.2 10.2 3.3 3.3" />
    </>
  ),
  clock: (
    <>
      <circle cx="8" cy="8" r="5.7" />
      <path d="M8 4.7V8l2.3 1.5" />
    </>
  ),
  down: <path d="m4 6 4 4 4-4" />,
  up: <path d="m4 10 4-4 4 4" />,
  right: <path d="m6 4 4 4-4 4" />,
  arrow: <path d="M2.5 8h11M9.5 4l4 4-4 4" />,
  warning: <path d="M8 2.2 14.3 13H1.7zM8 6.5v3M8 11.2v.2" />,
  globe: (
    <>
      <circle cx="8" cy="8" r="5.8" />
      <path d="M2.2 8h11.6M8 2.2c3.6 3.4 3.6 8.2 0 11.6C4.4 10.4 4.4 5.6 8 2.2z" />
    </>
  ),
  host: <path d="M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5v.1M5 11v.1" />,
  api: <path d="M8 1.8 13.5 5v6L8 14.2 2.5 11V5zM8 5.2v5.6M5.6 6.6l4.8 2.8M10.4 6.6 5.6 9.4" />,
  cube: <path d="M8 1.8 13.5 5v6L8 14.2 2.5 11V5zM2.5 5 8 8.2 13.5 5M8 8.2v6" />,
  filter: <path d="M2 3.5h12L9.5 8.5v4.5l-3-1.5v-3z" />,
} as const;

export type IconName = keyof typeof paths;

/** Decoration: what it stands beside says what it means. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }): ReactNode {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {paths[name]}
    </svg>
  );
}
