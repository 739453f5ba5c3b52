// `tsilium bpf lb maglev list|get`: the lookup tables of sets that are balanced by Maglev, read from the kernel.
import type { Command } from "commander";
import { CommandError } from "../failure.ts";
import { type Column, printRows, withOutput } from "../output.ts";
import { type MaglevShare, maglevShares } from "../services/maglev-shares.ts";
import { openServices, type Services, textsOf } from "../services/pinned.ts";

export function registerMaglev(lb: Command): void {
  const maglev = lb.command("maglev").description("lookup tables of sets balanced by Maglev");
  withOutput(maglev.command("list").description("each table's backends and their shares")).action(
    async (_options, command: Command) => {
      const services = await openServices(command);
      const rows = services
        .sets()
        .filter((set) => set.maglev !== undefined)
        .flatMap(({ id }) => sharesOf(services, id));
      await printRows(command, rows, shareColumns);
    },
  );
  withOutput(maglev.command("get <set>").description("a set's whole table: backends by entry"))
    .addHelpText(
      "after",
      `
Examples:
  tsilium bpf lb list --frontends         # which set is whose
  tsilium bpf lb maglev get 7
  tsilium bpf lb maglev get 7 -o json | sha256sum    # the same on all nodes? compare addresses, not numbers`,
    )
    .action(async (text: string, _options, command: Command) => {
      const services = await openServices(command);
      const { id, entries } = tableOf(services, text);
      await printRows(command, sharesOf(services, id), shareColumns, { set: id, table: entries });
    });
}

const shareColumns: readonly Column<MaglevShare>[] = [
  ["SET", (row) => row.set],
  ["BACKEND", (row) => row.backend],
  ["ADDRESS", (row) => row.address ?? "missing"],
  ["ENTRIES", (row) => row.entries],
  ["SHARE", (row) => `${(row.share * 100).toFixed(2)} %`],
];

function sharesOf(services: Services, set: number): MaglevShare[] {
  return maglevShares(set, services.maglev(set) ?? [], services.backends());
}

/** A set's table with the backends' addresses, which are the same on all nodes. @throws CommandError */
function tableOf(services: Services, text: string) {
  const id = /^\d+$/.test(text) ? Number(text) : 0;
  const table = services.maglev(id);
  if (table === undefined)
    throw new CommandError(
      `set ${text} has no Maglev table`,
      "`tsilium bpf lb maglev list` shows those that have.",
    );
  const { backends } = textsOf(services);
  return { id, entries: Array.from(table, (backend) => backends.get(backend) ?? `${backend}`) };
}
