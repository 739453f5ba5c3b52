// A flow.FlowFilter as its JSON mapping has it: what --print-raw-filters prints, --allowlist reads and requests are made
// of. In this form filters need no protobuf code, so that the command line is read and checked before any of it loads.

/** Every field of flow.FlowFilter, in the order in which Cilium's `hubble` prints them. */
export const filterFields = [
  "uuid",
  "source_ip",
  "source_ip_xlated",
  "source_pod",
  "source_fqdn",
  "source_label",
  "source_service",
  "source_workload",
  "source_cluster_name",
  "destination_ip",
  "destination_pod",
  "destination_fqdn",
  "destination_label",
  "destination_service",
  "destination_workload",
  "destination_cluster_name",
  "traffic_direction",
  "verdict",
  "drop_reason_desc",
  "interface",
  "event_type",
  "http_status_code",
  "protocol",
  "source_port",
  "destination_port",
  "reply",
  "dns_query",
  "source_identity",
  "destination_identity",
  "http_method",
  "http_path",
  "http_url",
  "http_header",
  "tcp_flags",
  "node_name",
  "node_labels",
  "ip_version",
  "trace_id",
  "ip_trace_id",
  "encrypted",
] as const;

export type FilterField = (typeof filterFields)[number];

/** One value of a field: a text, a number, or a message such as an EventTypeFilter. */
export type FilterValue = string | number | boolean | { readonly [key: string]: FilterValue };

/** Fields that are absent do not matter; a flow must match all others, and of each one of the values. */
export type RawFilter = { readonly [field in FilterField]?: readonly FilterValue[] } & {
  readonly experimental?: { readonly cel_expression: readonly string[] };
};

/** Which flows: those that some filter of the allowlist matches (all, if it is empty) and none of the denylist. */
export type FilterLists = {
  readonly allowlist: readonly RawFilter[];
  readonly denylist: readonly RawFilter[];
};

/** The YAML of --print-raw-filters, which `hubble observe --config FILE` reads. Text of the lists, byte for byte as Cilium's. */
export function filterListsText({ allowlist, denylist }: FilterLists): string {
  const text = listText("allowlist", allowlist) + listText("denylist", denylist);
  return text === "" ? "{}\n" : text;
}

function listText(name: string, filters: readonly RawFilter[]): string {
  if (filters.length === 0) return "";
  const lines = filters.map((filter) => `    - '${asciiJson(filter).replaceAll("'", "''")}'\n`);
  return `${name}:\n${lines.join("")}`;
}

/** JSON without anything that YAML would have to write in another way, or that a terminal would obey. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
