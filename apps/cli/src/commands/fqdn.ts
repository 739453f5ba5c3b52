// `tsilium fqdn cache list|clean`, `tsilium fqdn names`: what names resolved to, and what policy makes of them.
import type { Command } from "commander";
import { Option } from "commander";
import { deleteJson, getJson } from "../agent-client.ts";
import type { DnsLookupView, NameManagerView } from "../api.ts";
import { agentContext } from "../context.ts";
import { CommandError } from "../failure.ts";
import { type Column, printRows, printStructured, table, withOutput } from "../output.ts";
import { confirm } from "./fqdn-confirm.ts";

const lookupColumns: readonly Column<DnsLookupView>[] = [
  ["Endpoint", (row) => row["endpoint-id"]],
  ["Source", (row) => row.source],
  ["FQDN", (row) => (row.alias ? `${row.fqdn} (alias)` : row.fqdn)],
  ["TTL", (row) => row.ttl],
  ["ExpirationTime", (row) => row["expiration-time"]],
  ["IPs", (row) => row.ips.join(",")],
];

type Selector = NameManagerView["FQDNPolicySelectors"][number];
const selectorColumns: readonly Column<Selector>[] = [
  ["SELECTOR", (row) => row.selectorString],
  ["REGEX", (row) => row.regexString],
  ["IPS", (row) => row.ips],
];
const refusedColumns: readonly Column<NameManagerView["refused"][number]>[] = [
  ["REFUSED", (row) => row.address],
  ["NAME", (row) => row.name],
  ["WHY", (row) => row.reason],
];
const sharedColumns: readonly Column<NameManagerView["shared"][number]>[] = [
  ["SHARED", (row) => row.address],
  ["ALLOWED NAME", (row) => row.allowed],
  ["REACHED AS WELL", (row) => row.other],
];

type ListOptions = {
  readonly endpoint?: string;
  readonly matchpattern?: string;
  readonly source?: string;
};

export function registerFqdnCommands(program: Command): void {
  const fqdn = program.command("fqdn").description("DNS names in policies, and their addresses");
  registerCacheCommands(fqdn.command("cache").description("what pods of a node looked up"));
  withOutput(fqdn.command("names").description("names and patterns that policies allow by toFQDNs"))
    .addHelpText(
      "after",
      `
Below them, where there are any: addresses that no name can make allowed, with the reason, and addresses that an
allowed name shares with one that is not.

Examples:
  tsilium fqdn names
  tsilium fqdn names -o json | jq '.refused'`,
    )
    .action(async (_options, command: Command) => {
      const names = await getJson<NameManagerView>(agentContext(command).socket, "/v1/fqdn/names");
      if (await printStructured(command, names)) return;
      process.stdout.write(namesText(names));
    });
}

/** Tables of what there is. */
export function namesText({ FQDNPolicySelectors, refused, shared }: NameManagerView): string {
  return [
    table(FQDNPolicySelectors, selectorColumns),
    ...(refused.length > 0 ? [table(refused, refusedColumns)] : []),
    ...(shared.length > 0 ? [table(shared, sharedColumns)] : []),
  ].join("\n");
}

/** The table of `fqdn cache list`. */
export function lookupsText(rows: readonly DnsLookupView[]): string {
  return table(rows, lookupColumns);
}

function registerCacheCommands(cache: Command): void {
  withOutput(cache.command("list").description("names, who looked them up, and their addresses"))
    .option("-e, --endpoint <id>", "only what this endpoint looked up")
    .option("-p, --matchpattern <pattern>", "only names that match")
    .addOption(
      new Option("-s, --source <source>", "only entries of one source").choices([
        "lookup",
        "connection",
      ]),
    )
    .addHelpText(
      "after",
      `
Endpoint 0 is a pod that is gone. Source "connection": the name's time is over, a connection keeps the address.

Examples:
  tsilium fqdn cache list
  tsilium --node node-2 fqdn cache list -e 12 -p '*.shop.example'
  tsilium fqdn cache list -o json | jq -r '.[].ips[]'`,
    )
    .action(async (options: ListOptions, command: Command) => {
      const rows = await getJson<DnsLookupView[]>(agentContext(command).socket, cachePath(options));
      await printRows(command, rows, lookupColumns);
    });
  cache
    .command("clean")
    .description("forget names: what only they allow ends, connections too")
    .option("-p, --matchpattern <pattern>", "only names that match")
    .option("-f, --force", "do not ask")
    .addHelpText(
      "after",
      `
Examples:
  tsilium fqdn cache clean -p '*.shop.example'
  tsilium --node node-2 fqdn cache clean -f`,
    )
    .action(async (options: { matchpattern?: string; force?: true }, command: Command) => {
      const { socket } = agentContext(command);
      const { matchpattern } = options;
      const what = matchpattern === undefined ? "all names" : `names that match ${matchpattern}`;
      if (!options.force && !(await confirm(`Forget ${what}? Connections by them end.`)))
        throw new CommandError("nothing was forgotten", "Answer y, or give -f.");
      const { cleaned } = await deleteJson<{ cleaned: number }>(socket, cachePath({ ...options }));
      process.stdout.write(`${cleaned} ${cleaned === 1 ? "entry" : "entries"} forgotten\n`);
    });
}

/** Path and query for what the options ask. */
export function cachePath({ endpoint, matchpattern, source }: ListOptions): string {
  const query = new URLSearchParams();
  if (matchpattern !== undefined) query.set("matchpattern", matchpattern);
  if (source !== undefined) query.set("source", source);
  const path =
    endpoint === undefined ? "/v1/fqdn/cache" : `/v1/fqdn/cache/${encodeURIComponent(endpoint)}`;
  return query.size > 0 ? `${path}?${query}` : path;
}
