// `tsilium bpf lb list` and `bpf lb maglev`: services as the kernel holds them. Reads the pins, so it works while the
// agent is away.
import type {
  BackendEntry,
  FrontendEntry,
  ServiceAffinity,
  ServiceFlow,
  SourceRange,
} from "@tsilium/datapath/model.ts";
import { type Command, Option } from "commander";
import { type Column, printRows, withOutput } from "../output.ts";
import {
  backendAddress,
  frontendAddress,
  type FrontendView,
  type SetView,
  slotLines,
} from "../services/kernel-frontends.ts";
import { openServices, type Services, type Texts, textsOf, viewsOf } from "../services/pinned.ts";
import { secondsSince, secondsUntil } from "../clock.ts";
import { registerMaglev } from "./bpf-lb-maglev.ts";
import { protocolName } from "./policy-entries.ts";
import { socketAddress } from "../socket-address.ts";

export function registerLoadBalancerMaps(bpf: Command): void {
  const lb = bpf.command("lb").description("services as the kernel holds them");
  const list = withOutput(lb.command("list").description("frontends and backends, or one table"));
  for (const [name, { description }] of Object.entries(views))
    list.addOption(
      new Option(`--${name}`, description).conflicts(
        Object.keys(views)
          .filter((other) => other !== name)
          .map(camelCase),
      ),
    );
  list
    .addHelpText(
      "after",
      `
Examples:
  tsilium bpf lb list
  tsilium --node node-2 bpf lb list --backends
  tsilium bpf lb list --affinity -o json`,
    )
    .action(async (options: Record<string, unknown>, command: Command) => {
      const wanted = Object.keys(views).find((name) => options[camelCase(name)]);
      const { print } = wanted === undefined ? everything : (views[wanted] as View);
      await print(command, await openServices(command));
    });
  registerMaglev(lb);
}

type View = {
  readonly description: string;
  readonly print: (command: Command, services: Services) => Promise<void>;
};

/** A view whose rows are both JSON and table. */
function view<Row>(
  description: string,
  read: (services: Services) => Row[],
  columns: readonly Column<Row>[],
): View {
  return {
    description,
    print: (command, services) => printRows(command, read(services), columns),
  };
}

const everything: View = {
  description: "",
  print: async (command, services) => {
    const frontends = viewsOf(services);
    await printRows(
      command,
      slotLines(frontends),
      [
        ["SERVICE ADDRESS", ([service]) => service],
        ["BACKEND ADDRESS (REVNAT_ID) (SLOT)", ([, backend]) => backend],
      ],
      frontends,
    );
  },
};

const views: Readonly<Record<string, View>> = {
  frontends: view("frontends: whom clients from outside and those of the cluster get", viewsOf, [
    ["ID", (row) => row.id],
    ["FRONTEND", (row) => row.address],
    ["KIND", (row) => row.kind],
    ["EXTERNAL SET", (row) => setText(row.external)],
    ["INTERNAL SET", (row) => setText(row.internal)],
    ["FLAGS", frontendFlags],
  ]),
  backends: view("backends", (services) => services.backends().map(backendRow).toSorted(byId), [
    ["ID", (row) => row.id],
    ["BACKEND ADDRESS", (row) => row.address],
    ["STATE", (row) => row.state],
  ]),
  revnat: view(
    "the address that answers of a frontend's flows carry",
    (services) => services.frontends().flatMap(reverseRow).toSorted(byId),
    [
      ["ID", (row) => row.id],
      ["ADDRESS", (row) => row.address],
    ],
  ),
  affinity: view(
    "clients that stay with their backend",
    (services) => services.affinities().map((row) => affinityRow(row, textsOf(services))),
    [
      ["CLIENT", (row) => row.client],
      ["SET", (row) => row.set],
      ["BACKEND", (row) => row.backend],
      ["ADDRESS", (row) => row.backendAddress ?? "-"],
      ["LAST USED", (row) => `${row.usedSecondsAgo} s ago`],
    ],
  ),
  "source-ranges": view(
    "prefixes that clients of a frontend may come from",
    (services) => {
      const { frontends } = textsOf(services);
      return services.sourceRanges().map((row) => rangeRow(row, frontends));
    },
    [
      ["FRONTEND", (row) => row.frontendAddress ?? `frontend ${row.frontend}`],
      ["PREFIX", (row) => row.prefix],
    ],
  ),
  flows: view(
    "flows that are balanced per packet, and the backend that each has",
    (services) => {
      const { backends } = textsOf(services);
      return services.flows().map((row) => flowRow(row, backends));
    },
    [
      ["PROTOCOL", (row) => row.protocol],
      ["CLIENT", (row) => row.client],
      ["FRONTEND", (row) => row.frontend],
      ["BACKEND", (row) => row.backend],
      ["ADDRESS", (row) => row.backendAddress ?? "gone"],
      ["EXPIRES IN", (row) => `${row.expiresInSeconds} s`],
    ],
  ),
};

function backendRow(backend: BackendEntry) {
  return { id: backend.id, address: backendAddress(backend), state: backend.state };
}

/** Address-only frontends have no flows. */
function reverseRow(frontend: FrontendEntry) {
  const { id, kind } = frontend;
  return kind === "address-only" ? [] : [{ id, address: frontendAddress(frontend) }];
}

function affinityRow({ client, netnsCookie, set, backend, usedNs }: ServiceAffinity, texts: Texts) {
  return {
    client: client?.toString() ?? `netns ${netnsCookie}`,
    set,
    backend,
    backendAddress: texts.backends.get(backend),
    usedSecondsAgo: secondsSince(usedNs),
  };
}

function rangeRow({ frontend, prefix }: SourceRange, frontends: Texts["frontends"]) {
  return { frontend, frontendAddress: frontends.get(frontend), prefix: prefix.toString() };
}

function flowRow(flow: ServiceFlow, backends: Texts["backends"]) {
  return {
    protocol: protocolName(flow.protocol),
    client: socketAddress(flow.client, flow.clientPort),
    frontend: socketAddress(flow.frontend, flow.frontendPort),
    backend: flow.backend,
    backendAddress: backends.get(flow.backend),
    expiresInSeconds: secondsUntil(flow.expiresNs),
  };
}

function setText(set: SetView | undefined): string {
  return set === undefined ? "-" : `${set.id} (${set.backends.length} backends)`;
}

function frontendFlags({ localRedirect, dsr, sourceRanges, exceptions }: FrontendView): string {
  const words = { "local-redirect": localRedirect, dsr, "source-ranges": sourceRanges, exceptions };
  return (
    Object.entries(words)
      .filter(([, on]) => on)
      .map(([word]) => word)
      .join(" ") || "-"
  );
}

function byId(a: { readonly id: number }, b: { readonly id: number }): number {
  return a.id - b.id;
}

/** Commander's name of an option: "source-ranges" -> "sourceRanges". */
function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
