// Kinds of configuration values: how each is written as text, and what is refused.
import { Prefix } from "@tsilium/net";

/** A key of the configuration: what it means, its default, and how its text is read. */
export type Key<T> = {
  readonly help: string;
  readonly fallback: T;
  /** Shown in help and OpenAPI. */
  readonly kind: string;
  /** Further environment variable that sets it, for names Kubernetes manifests use already. */
  readonly environment?: string;
  /** Key whose value this one has while nobody sets it; `fallback` then counts for nothing. */
  readonly follows?: string;
  /** @throws Error saying what is wanted. */
  readonly parse: (text: string) => T;
};

type Options = { readonly environment?: string };

/** "true" and "false" and the short forms that cilium-config takes. */
export function flag(fallback: boolean, help: string): Key<boolean> {
  return {
    help,
    fallback,
    kind: "boolean",
    parse(text) {
      if (/^(true|t|1)$/i.test(text)) return true;
      if (/^(false|f|0)$/i.test(text)) return false;
      throw new Error("wanted true or false");
    },
  };
}

/** A switch that is as another one while nobody sets it. */
export function flagAs(follows: string, help: string): Key<boolean> {
  return { ...flag(false, help), follows };
}

export function wholeNumber(
  fallback: number,
  range: readonly [number, number],
  help: string,
): Key<number> {
  const [least, most] = range;
  return {
    help,
    fallback,
    kind: `number ${least}-${most}`,
    parse(text) {
      const value = /^-?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
      if (value >= least && value <= most) return value;
      throw new Error(`wanted a whole number from ${least} to ${most}`);
    },
  };
}

export function text(fallback: string, help: string, options: Options = {}): Key<string> {
  return { help, fallback, kind: "text", parse: (value) => value, ...options };
}

export function choice<const T extends string>(
  fallback: T,
  allowed: readonly T[],
  help: string,
): Key<T> {
  return {
    help,
    fallback,
    kind: allowed.join("|"),
    parse(value) {
      const found = allowed.find((candidate) => candidate === value);
      if (found !== undefined) return found;
      throw new Error(`wanted ${allowed.join(" or ")}`);
    },
  };
}

/** One of some numbers. */
export function numberOf(fallback: number, allowed: readonly number[], help: string): Key<number> {
  const asText = choice(String(fallback), allowed.map(String), help);
  return { ...asText, fallback, parse: (value) => Number(asText.parse(value)) };
}

/** Words separated by commas or spaces: any, or only those allowed. */
export function words(help: string): Key<readonly string[]>;
export function words<const T extends string>(
  help: string,
  allowed: readonly T[],
): Key<readonly T[]>;
export function words(help: string, allowed?: readonly string[]): Key<readonly string[]> {
  return {
    help,
    fallback: [],
    kind: allowed ? `list of ${allowed.join("|")}` : "list",
    parse(value) {
      const found = value.split(/[\s,]+/).filter((word) => word !== "");
      if (!allowed || found.every((word) => allowed.includes(word))) return found;
      throw new Error(`wanted words of ${allowed.join(" and ")}`);
    },
  };
}

/** A CIDR of one family; undefined when empty. */
export function cidr(family: 4 | 6, help: string): Key<Prefix | undefined> {
  return {
    help,
    fallback: undefined,
    kind: `IPv${family} CIDR`,
    parse(value) {
      if (value === "") return undefined;
      const prefix = Prefix.parse(value);
      if (prefix.family === family) return prefix;
      throw new Error(`wanted an IPv${family} CIDR`);
    },
  };
}

/** CIDRs of either family, separated by commas or spaces. */
export function cidrs(help: string): Key<readonly Prefix[]> {
  const listed = words(help);
  return {
    help,
    fallback: [],
    kind: "list of CIDRs",
    parse(value) {
      try {
        return listed.parse(value).map((word) => Prefix.parse(word));
      } catch (cause) {
        throw new Error(`wanted CIDRs (${(cause as Error).message})`, { cause });
      }
    },
  };
}

/** Ports "first,last", as node-port-range is written. */
export function portRange(
  fallback: readonly [number, number],
  help: string,
): Key<readonly [number, number]> {
  return {
    help,
    fallback,
    kind: "first,last",
    parse(value) {
      const [first, last, ...more] = value.split(",").map(Number);
      const valid = (port: number | undefined): port is number =>
        Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65535;
      if (valid(first) && valid(last) && first <= last && more.length === 0) return [first, last];
      throw new Error("wanted two ports, first,last");
    },
  };
}

/** A time as Go writes it: "90s", "5m0s", "1h30m", "100ms". Milliseconds. */
export function duration(fallbackMs: number, help: string): Key<number> {
  return {
    help,
    fallback: fallbackMs,
    kind: "duration",
    parse(value) {
      if (value === "0") return 0;
      const parts = [...value.matchAll(/([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)/g)];
      const written = parts.map(([whole]) => whole).join("");
      if (written !== value || parts.length === 0)
        throw new Error("wanted a time such as 90s or 5m");
      const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
      return parts.reduce(
        (sum, [, amount, unit]) => sum + Number(amount) * unitMs[unit as keyof typeof unitMs],
        0,
      );
    },
  };
}

/** As `duration` reads it, largest units first: 90000 -> "1m30s". */
export function durationText(ms: number): string {
  if (ms === 0) return "0";
  const units = [
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
    ["ms", 1],
  ] as const;
  let rest = ms;
  return units
    .map(([unit, size]) => {
      const amount = Math.floor(rest / size);
      rest -= amount * size;
      return amount === 0 ? "" : `${amount}${unit}`;
    })
    .join("");
}
