// `hubble observe`: asks a server, or reads a file, and prints what comes. What only some ways need is loaded on them.
import { toBinary } from "@bufbuild/protobuf";
import { GetFlowsRequestSchema } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { interruption } from "../client/interrupt.ts";
import type { Context } from "../commands/context.ts";
import type { ObserveOptions } from "../commands/observe-options.ts";
import { readSettings, type Settings } from "../config/settings.ts";
import { filtersOf } from "../filters/filters-of.ts";
import { type FilterLists, filterListsText } from "../filters/raw-filter.ts";
import { debug, warn } from "../print/notes.ts";
import { checkFilters, flowsRequestMessage } from "./messages.ts";
import { outputTo } from "./output.ts";
import { rawFilters } from "./raw-filters.ts";
import { flowsRequest } from "./request.ts";
import { type ResponsePrinter, responsePrinter } from "./response-printer.ts";
import { outputStyle, wantedFields } from "./style.ts";

/** Until everything that was asked for is printed, or Ctrl-C. @throws CommandError */
export async function observeFlows(options: ObserveOptions, context: Context): Promise<void> {
  const settings = await readSettings(context.flags, process.env);
  const lists = filterLists(settings, context);
  if (options.printRawFilters) {
    checkFilters(lists);
    process.stdout.write(filterListsText(lists));
    return;
  }
  const style = outputStyle(options);
  const { inputFile, silentErrors: silent = false } = options;
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  const fromFile = inputFile !== undefined;
  // A file has an end: there is nothing to follow.
  const selectors = fromFile ? { ...options, follow: false } : options;
  const json = flowsRequest(selectors, lists, { nowNs, fromFile });
  debug(settings, `request ${JSON.stringify(json)}`);
  const request = flowsRequestMessage(json, wantedFields(options, style));
  const print = await responsePrinter(style, { silent, debug: settings.flag("debug") });
  const signal = interruption();
  if (fromFile) {
    const { flowsOfFile } = await import("./input-file.ts");
    const complain = silent ? () => {} : warn;
    const responses = flowsOfFile(inputFile, request, { signal, complain });
    return printAll(inOnes(responses), print, signal);
  }
  const { askServer } = await import("../client/connect.ts");
  const bytes = toBinary(GetFlowsRequestSchema, request);
  await askServer(context, ({ grpc }) =>
    printAll(grpc.streamBatches("/observer.Observer/GetFlows", bytes, signal), print, signal),
  );
}

function filterLists(settings: Settings, { filters }: Context): FilterLists {
  const { allowlist, denylist } = filtersOf(filters);
  return {
    allowlist: [...allowlist, ...rawFilters("allowlist", settings.list("allowlist"))],
    denylist: [...denylist, ...rawFilters("denylist", settings.list("denylist"))],
  };
}

/** Prints until the answers end or the signal comes; waits for a slow reader. */
async function printAll(
  batches: AsyncIterable<readonly Uint8Array[]>,
  print: ResponsePrinter,
  signal: AbortSignal,
): Promise<void> {
  const output = outputTo(process.stdout);
  const aborted = new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
  try {
    for await (const batch of batches) {
      let text = "";
      for (const bytes of batch) text += print.response(bytes);
      const behind = output.write(text);
      if (behind) await Promise.race([behind, aborted]);
      if (signal.aborted) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    // What came before a failure is shown too.
    void output.write(print.end());
    await Promise.race([output.end(), aborted]);
  }
}

async function* inOnes(
  responses: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly Uint8Array[]> {
  for await (const response of responses) yield [response];
}
