// `kubectl get events`: what happened last comes with how often it has.
import type { Column } from "../kinds/kind.ts";
import { isRecord } from "../objects/json.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import { age, nameColumn, textColumn } from "./columns.ts";

const recordAt = (object: Fields, name: string): Fields =>
  isRecord(object[name]) ? object[name] : {};
const timeOf = (value: unknown) => (typeof value === "string" ? value : undefined);

function firstSeen(event: ApiObject): string {
  return age(timeOf(event["firstTimestamp"]) ?? timeOf(event["eventTime"]));
}

/** "37m", "37m (x3 over 67m)" */
function lastSeen(event: ApiObject): string {
  const { series } = event;
  if (isRecord(series))
    return `${age(timeOf(series["lastObservedTime"]))} (x${Number(series["count"])} over ${firstSeen(event)})`;
  const last = timeOf(event["lastTimestamp"]);
  if (last === undefined) return firstSeen(event);
  const count = Number(event["count"] ?? 0);
  return count > 1 ? `${age(last)} (x${count} over ${firstSeen(event)})` : age(last);
}

function source(event: ApiObject): string {
  const { component, host } = recordAt(event, "source");
  const who = component ?? event["reportingComponent"] ?? "";
  const where = host ?? event["reportingInstance"];
  return [who, where].filter((part) => typeof part === "string" && part !== "").join(", ");
}

function object(event: ApiObject): string {
  const { kind, name } = recordAt(event, "involvedObject");
  const lower = String(kind ?? "").toLowerCase();
  return typeof name === "string" && name !== "" ? `${lower}/${name}` : lower;
}

function wide(column: Column): Column {
  return { ...column, priority: 1 };
}

export const eventColumns: readonly Column[] = [
  textColumn("Last Seen", lastSeen),
  textColumn("Type", (event) => event["type"] ?? ""),
  textColumn("Reason", (event) => event["reason"] ?? ""),
  textColumn("Object", object),
  wide(textColumn("Subobject", (event) => recordAt(event, "involvedObject")["fieldPath"] ?? "")),
  wide(textColumn("Source", source)),
  textColumn("Message", (event) => String(event["message"] ?? "").trim()),
  wide(textColumn("First Seen", firstSeen)),
  wide({ name: "Count", type: "integer", value: (event) => countOf(event) }),
  wide(nameColumn),
];

function countOf(event: ApiObject): number {
  if (isRecord(event["series"])) return Number(event["series"]["count"]);
  return Math.max(1, Number(event["count"] ?? 0));
}
