// events.k8s.io/v1 Event: core/v1's events by other names. One object is seen in both groups, stored in core's form.
import { field, invalid } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import type { Fields } from "../objects/object.ts";
import { eventColumns } from "../table/event-columns.ts";
import { builtin } from "./builtin.ts";
import type { Alias, Kind } from "./kind.ts";
import { shape } from "./shape.ts";

/** Of events.k8s.io, and of core. */
const names = [
  ["regarding", "involvedObject"],
  ["note", "message"],
  ["reportingController", "reportingComponent"],
  ["deprecatedSource", "source"],
  ["deprecatedFirstTimestamp", "firstTimestamp"],
  ["deprecatedLastTimestamp", "lastTimestamp"],
  ["deprecatedCount", "count"],
] as const;

const toCoreNames = new Map<string, string>(names);
const fromCoreNames = new Map<string, string>(names.map(([mine, core]) => [core, mine]));

function renamed(object: Fields, by: ReadonlyMap<string, string>, apiVersion: string): Fields {
  const entries = Object.entries(object).map(([name, value]) => [by.get(name) ?? name, value]);
  return { ...Object.fromEntries(entries), apiVersion };
}

const version = "events.k8s.io/v1";

const alias: Alias = {
  group: "",
  plural: "events",
  version: "v1",
  toStored(document) {
    if (!isRecord(document)) return document;
    const { apiVersion = version } = document;
    // A wrong version stays wrong, so that it is told.
    const core = renamed(document, toCoreNames, apiVersion === version ? "v1" : String(apiVersion));
    // Core demands to know what an event is about.
    return { ...core, involvedObject: core["involvedObject"] ?? {} };
  },
  toShown: (document) => renamed(document, fromCoreNames, version),
  checkNew(document) {
    const event = isRecord(document) ? document : {};
    const { name = "" } = isRecord(event["metadata"]) ? event["metadata"] : {};
    const missing = ["eventTime", "reportingController", "reportingInstance", "action", "reason"];
    const causes = missing
      .filter((one) => event[one] === undefined || event[one] === null || event[one] === "")
      .map((one) => field.required(one));
    const { type } = event;
    if (type !== "Normal" && type !== "Warning")
      causes.push(
        field.invalid("type", type ?? "", "has invalid value: must be Normal or Warning"),
      );
    if (causes.length > 0)
      throw invalid(
        { group: "events.k8s.io", plural: "events", kind: "Event" },
        String(name),
        causes,
      );
  },
};

export const eventsV1: Kind = {
  ...builtin({
    apiVersion: version,
    kind: "Event",
    plural: "events",
    shortNames: ["ev"],
    schema: shape.object({}),
    nameInColumns: true,
    columns: eventColumns,
  }),
  alias,
};
