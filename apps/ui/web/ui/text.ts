// Text for people: numbers, times, and what came from the network.

/**
 * Text from the network as it may be shown: characters that would not be seen or would turn the line round are
 * written out.
 */
export function visible(text: string): string {
  return text.replace(hidden, (character) => {
    const code = character.codePointAt(0) as number;
    return `\\u{${code.toString(16)}}`;
  });
}

// Controls, direction marks and overrides, zero-width characters, line and paragraph separators, tags.
const hidden =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

const whole = new Intl.NumberFormat("en");

/** 1,234,567 */
export function count(value: number): string {
  return whole.format(value);
}

/** 999, 1.2k, 34k, 5.6M: three places at most. */
export function short(value: number): string {
  if (value < 1000) return String(Math.round(value));
  const [unit, size] = value < 1e6 ? (["k", 1e3] as const) : (["M", 1e6] as const);
  const scaled = value / size;
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)}${unit}`;
}

/** Per second: 0.3, 4.2, 56, 1.2k. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return "0";
  if (perSecond < 0.05) return "<0.1";
  return perSecond < 9.95 ? perSecond.toFixed(1) : short(perSecond);
}

const two = (value: number) => String(value).padStart(2, "0");

/** 09:41:07.123, in the user's zone. */
export function clock(timeMs: number): string {
  return `${clockSeconds(timeMs)}.${String(Math.floor(timeMs % 1000)).padStart(3, "0")}`;
}

export function clockSeconds(timeMs: number): string {
  const date = new Date(timeMs);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** 26 Nov 09:41:07 */
export function dateClock(timeMs: number): string {
  const date = new Date(timeMs);
  const month = months[date.getMonth()] as string;
  return `${date.getDate()} ${month} ${clockSeconds(timeMs)}`;
}

const months = [
  "Jan",
  "Feb",
  "Mar",
  "Apr",
  "May",
  "Jun",
  "Jul",
  "Aug",
  "Sep",
  "Oct",
  "Nov",
  "Dec",
] as const;

/** 45 s, 12 min, 3 h, 5 d */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** "1 pod", "3 pods" */
export function plural(amount: number, one: string, many = `${one}s`): string {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}

export function classes(...names: (string | false | undefined)[]): string {
  return names.filter(Boolean).join(" ");
}
