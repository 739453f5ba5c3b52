// From selectors (--last, --since, ...) and filters to the request, in protobuf's JSON mapping. Pure.
import { CommandError } from "../../../cli/src/failure.ts";
import type { FilterLists, RawFilter } from "../filters/raw-filter.ts";
import { timePrinter } from "../time/formats.ts";
import { momentForms, parseMoment } from "../time/moments.ts";

/** Which part of what there is. Absent is what the command line does not say. */
export type Selectors = {
  readonly all?: boolean;
  readonly first?: bigint;
  readonly last?: bigint;
  readonly follow?: boolean;
  readonly since?: string;
  readonly until?: string;
};

/** observer.GetFlowsRequest, and without filters and mask the requests for agent and debug events. */
export type RequestJson = {
  /** A number of 64 bits, as JSON carries them. */
  readonly number?: string;
  readonly first?: true;
  readonly follow?: true;
  readonly since?: string;
  readonly until?: string;
  readonly whitelist?: readonly RawFilter[];
  readonly blacklist?: readonly RawFilter[];
};

/** How many are printed if nothing says how many. */
const usualCount = "20";
const everything = String(2n ** 64n - 1n);

/**
 * @param options.fromFile the flows come from a file, of which all are wanted unless --last or --first says otherwise.
 * @throws CommandError for selectors that contradict each other, and for what is no moment.
 */
export function flowsRequest(
  selectors: Selectors,
  lists: FilterLists,
  options: { readonly nowNs: bigint; readonly fromFile?: boolean },
): RequestJson {
  const { allowlist, denylist } = lists;
  return {
    ...selected(selectors, options.nowNs, options.fromFile === true),
    ...(allowlist.length > 0 ? { whitelist: allowlist } : {}),
    ...(denylist.length > 0 ? { blacklist: denylist } : {}),
  };
}

/** Of agent and debug events. @throws CommandError as flowsRequest() */
export function eventsRequest(selectors: Selectors, nowNs: bigint): RequestJson {
  return selected(selectors, nowNs, false);
}

function selected(selectors: Selectors, nowNs: bigint, fromFile: boolean): RequestJson {
  refuseContradictions(selectors);
  const { all, first = 0n, last = 0n, follow } = selectors;
  const since = momentOf("since", selectors.since, nowNs);
  // What is followed has no end.
  const until = follow ? undefined : momentOf("until", selectors.until, nowNs);
  if (since !== undefined && until !== undefined && since > until)
    throw new CommandError(
      `--since ${selectors.since} is after --until ${selectors.until}`,
      "Durations count back from now: --since 10m --until 5m",
    );
  const time = timePrinter("RFC3339Nano");
  return {
    ...numberOf(),
    ...(first > 0n ? { first: true as const } : {}),
    ...(follow ? { follow: true as const } : {}),
    ...(since === undefined ? {} : { since: time(since) }),
    ...(until === undefined ? {} : { until: time(until) }),
  };

  function numberOf(): { number?: string } {
    if (first > 0n) return { number: String(first) };
    if (last > 0n) return { number: String(last) };
    if (since !== undefined || until !== undefined) return {};
    if (all) return { number: everything };
    return follow || fromFile ? {} : { number: usualCount };
  }
}

function refuseContradictions({ all, first = 0n, last = 0n, follow }: Selectors): void {
  const pairs = [
    [first > 0n && last > 0n, "--first", "--last"],
    [first > 0n && all, "--first", "--all"],
    [first > 0n && follow, "--first", "--follow"],
    [last > 0n && all, "--last", "--all"],
  ] as const;
  for (const [both, one, other] of pairs)
    if (both) throw new CommandError(`${one} and ${other} cannot be combined`);
}

function momentOf(name: string, text: string | undefined, nowNs: bigint): bigint | undefined {
  if (text === undefined || text === "") return undefined;
  const moment = parseMoment(text, nowNs);
  if (moment !== undefined && moment >= 0n) return moment;
  throw new CommandError(`--${name}: "${text}" is no moment`, `Write ${momentForms}.`);
}
