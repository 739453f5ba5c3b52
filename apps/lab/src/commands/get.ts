// `tsilium lab get`: tables as the API server prints them (the ones kubectl shows), or the objects themselves.
import { type KubeList, type KubeObject, apiVersionOf, resourcePath } from "@tsilium/kube";
import { table } from "../../../cli/src/output.ts";
import { type DiscoveredKind, kindByWord } from "../objects/discovery.ts";
import { displayName, type LabClient, labClient } from "./client.ts";

export type GetOptions = {
  readonly kind: string;
  readonly name: string | undefined;
  readonly namespace?: string;
  readonly allNamespaces?: true;
  readonly selector?: string;
  readonly showManagedFields?: true;
  readonly output: "table" | "wide" | "json" | "yaml" | "name";
};

/** meta.k8s.io/v1 Table. Columns of priority 0 are for every table, the others for wide ones. */
type Table = {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[];
  readonly rows: readonly {
    readonly cells: readonly unknown[];
    readonly object: { readonly metadata?: { readonly namespace?: string } };
  }[];
};

const tableType = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/** @throws LabError "unknown_kind", KubeError "NotFound" */
export async function get(labName: string, options: GetOptions): Promise<void> {
  using lab = await labClient(labName);
  const words = options.kind.split(",");
  for (const [at, word] of words.entries()) {
    if (at > 0) console.log("");
    await getKind(lab, word, options);
  }
}

async function getKind(lab: LabClient, kindWord: string, options: GetOptions): Promise<void> {
  const [word = "", inWord] = kindWord.split("/");
  const kind = kindByWord(lab.kinds, word);
  const name = options.name ?? inWord;
  const path = pathOf(kind, name, options);
  if (options.output === "table" || options.output === "wide") {
    const text = await lab.client.raw(path, { signal: lab.signal, accept: tableType });
    return printTable(JSON.parse(text) as Table, kind, options);
  }
  const answer = await fetchObjects(lab, path, kind);
  if (!options.showManagedFields)
    // Longer than the object itself, as kubectl finds, too.
    for (const { metadata } of "items" in answer ? answer.items : [answer])
      delete (metadata as { managedFields?: unknown }).managedFields;
  await printObjects(answer, kind, options);
}

function pathOf(kind: DiscoveredKind, name: string | undefined, options: GetOptions): string {
  const everywhere = !kind.namespaced || (options.allNamespaces === true && name === undefined);
  const namespace = everywhere ? undefined : (options.namespace ?? "default");
  const path = resourcePath(kind, { namespace, ...(name === undefined ? {} : { name }) });
  return options.selector === undefined || name !== undefined
    ? path
    : `${path}?labelSelector=${encodeURIComponent(options.selector)}`;
}

async function fetchObjects(
  lab: LabClient,
  path: string,
  kind: DiscoveredKind,
): Promise<KubeObject | KubeList<KubeObject>> {
  const text = await lab.client.raw(path, { signal: lab.signal });
  const answer = JSON.parse(text) as KubeObject | KubeList<KubeObject>;
  if (!("items" in answer)) return answer;
  const { metadata, items } = answer;
  const typed = { apiVersion: apiVersionOf(kind), kind: kind.kind };
  return {
    apiVersion: "v1",
    kind: "List",
    metadata,
    items: items.map((item) => ({ ...typed, ...item })),
  };
}

async function printObjects(
  answer: KubeObject | KubeList<KubeObject>,
  kind: DiscoveredKind,
  { output }: GetOptions,
): Promise<void> {
  if (output === "json") return void process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
  if (output === "yaml")
    return void process.stdout.write((await import("js-yaml")).dump(answer, { noRefs: true }));
  const items = "items" in answer ? answer.items : [answer];
  for (const { metadata } of items) console.log(displayName(kind, metadata.name ?? ""));
}

function printTable(answer: Table, kind: DiscoveredKind, options: GetOptions): void {
  if (answer.rows.length === 0) {
    const where =
      kind.namespaced && !options.allNamespaces
        ? ` in ${options.namespace ?? "default"} namespace`
        : "";
    console.error(`No resources found${where}.`);
    return;
  }
  const shown = answer.columnDefinitions
    .map(({ name, priority }, at) => ({ name, priority, at }))
    .filter(({ priority }) => priority === 0 || options.output === "wide");
  const withNamespace = kind.namespaced && options.allNamespaces;
  process.stdout.write(
    table(answer.rows, [
      ...(withNamespace
        ? [
            [
              "NAMESPACE",
              (row: Table["rows"][number]) => row.object.metadata?.namespace ?? "",
            ] as const,
          ]
        : []),
      ...shown.map(
        ({ name, at }) =>
          [name.toUpperCase(), (row: Table["rows"][number]) => cellText(row.cells[at])] as const,
      ),
    ]),
  );
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined || cell === "") return "<none>";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}
