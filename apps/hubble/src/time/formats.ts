// How moments are printed: the formats of --time-format, which are Go's. All in UTC, as Cilium's `hubble` prints them.

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

type Pieces = { readonly date: Date; readonly iso: string; readonly fraction: string };

/** Each makes text of a second (its Date, and its ISO text to the second) and of its nine digits after the point. */
const formats = {
  StampMilli: ({ date, iso, fraction }) =>
    `${months[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${iso.slice(11)}.${fraction.slice(0, 3)}`,
  YearMonthDay: ({ iso }) => iso.slice(0, 10),
  YearMonthDayHour: ({ iso }) => `${iso.slice(0, 13)}Z`,
  YearMonthDayHourMinute: ({ iso }) => `${iso.slice(0, 16)}Z`,
  RFC3339: ({ iso }) => `${iso}Z`,
  RFC3339Milli: (pieces) => rfc3339(pieces, 3),
  RFC3339Micro: (pieces) => rfc3339(pieces, 6),
  RFC3339Nano: (pieces) => rfc3339(pieces, 9),
  RFC1123Z: ({ date, iso }) =>
    `${days[date.getUTCDay()]}, ${String(date.getUTCDate()).padStart(2, "0")} ${months[date.getUTCMonth()]} ${iso.slice(0, 4)} ${iso.slice(11)} +0000`,
} satisfies Record<string, (pieces: Pieces) => string>;

export type TimeFormat = keyof typeof formats;
export const timeFormats = Object.keys(formats) as TimeFormat[];

/** The format of this name, in whatever case it is written; undefined if there is none. */
export function timeFormatNamed(name: string): TimeFormat | undefined {
  return timeFormats.find((format) => format.toLowerCase() === name.toLowerCase());
}

/**
 * A printer of moments (UNIX time in nanoseconds). Moments come in nearly ascending order, many in one second, so what
 * a second has in common is made once.
 */
export function timePrinter(name: TimeFormat): (timeNs: bigint) => string {
  const format = formats[name];
  let second = -1n;
  let date = new Date(0);
  let iso = "";
  return (timeNs) => {
    const wanted = timeNs / 1_000_000_000n;
    if (timeNs < 0n || wanted > latestSecond) return "N/A";
    if (wanted !== second) {
      second = wanted;
      date = new Date(Number(wanted) * 1_000);
      iso = date.toISOString().slice(0, 19);
    }
    const fraction = String(Number(timeNs - second * 1_000_000_000n)).padStart(9, "0");
    return format({ date, iso, fraction });
  };
}

/** Of the year 9999, with which protobuf's timestamps end. */
const latestSecond = 253_402_300_799n;

function rfc3339({ iso, fraction }: Pieces, digits: number): string {
  const shown = fraction.slice(0, digits).replace(/0+$/, "");
  return `${iso}${shown === "" ? "" : `.${shown}`}Z`;
}
