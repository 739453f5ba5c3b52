import { type Flow, Verdict } from "../../model.ts";
import { family, type MetricKind } from "./kind.ts";

export const dns: MetricKind = {
  options: ["query", "ignoreAAAA"],
  create: (options) => {
    const { context } = options;
    const query = options.options.has("query") ? ["query"] : [];
    const ignoreAaaa = options.options.has("ignoreaaaa");
    const labels = ["rcode", "qtypes", "ips_returned", ...query];
    const queries = family(options, {
      name: "dns_queries_total",
      help: "Number of DNS queries observed",
      labels,
    });
    const responses = family(options, {
      name: "dns_responses_total",
      help: "Number of DNS responses observed",
      labels,
    });
    const types = family(options, {
      name: "dns_response_types_total",
      help: "Number of DNS response types",
      labels: ["type", "qtypes", ...query],
    });
    const { own } = queries;
    return {
      families: [queries.family, responses.family, types.family],
      note: (flow) => {
        const { l7 } = flow;
        if (l7?.kind !== "dns") return;
        if (ignoreAaaa && l7.qtypes.length === 1 && l7.qtypes[0] === "AAAA") return;
        const qtypes = l7.qtypes.join(",");
        const isResponse = flow.verdict !== Verdict.dropped && flow.isReply === true;
        const { family: counted, values } = isResponse ? responses : queries;
        context.fill(values, flow, false);
        values[own] = rcodeOf(flow, l7.rcode);
        values[own + 1] = qtypes;
        values[own + 2] = String(l7.ips.length);
        if (query.length > 0) values[own + 3] = l7.query;
        counted.count(values);
        if (!isResponse) return;
        for (const type of l7.rrtypes) {
          context.fill(types.values, flow, false);
          types.values[own] = type;
          types.values[own + 1] = qtypes;
          if (query.length > 0) types.values[own + 2] = l7.query;
          types.family.count(types.values);
        }
      },
    };
  },
};

function rcodeOf({ verdict, isReply }: Flow, rcode: number): string {
  if (verdict === Verdict.dropped) return "Policy denied";
  return isReply === true ? (rcodeNames[rcode] ?? String(rcode)) : "";
}

/** As in Cilium's metrics; from IANA's register of DNS parameters. */
const rcodeNames: Readonly<Record<number, string>> = {
  0: "No Error",
  1: "Format Error",
  2: "Server Failure",
  3: "Non-Existent Domain",
  4: "Not Implemented",
  5: "Query Refused",
  6: "Name Exists when it should not",
  7: "RR Set Exists when it should not",
  8: "RR Set that should exist does not",
  9: "Not Authorized",
  10: "Name not contained in zone",
  11: "DSO-TYPE Not Implemented",
  16: "Bad OPT Version",
  17: "Key not recognized",
  18: "Signature out of time window",
  19: "Bad TKEY Mode",
  20: "Duplicate key name",
  21: "Algorithm not supported",
  22: "Bad Truncation",
  23: "Bad/missing Server Cookie",
};
