// Takes secrets out of objects: Kubernetes', and what agents and Hubble tell. By their place, and by form. Pure.
import { isSensitiveName, redacted, redactText } from "./redact-text.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Whose annotations are ours to read; others' may hold anything. */
const knownAnnotations = /^(?:[\w.-]+\.)?(?:cilium\.io|tsilium\.io|kubernetes\.io|k8s\.io)\//;
/** Holds the object once more, whatever was taken out of it here. */
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** A value fit for JSON, without secrets. Big numbers are texts; what has a text of its own (an address) is that. */
export function redactObject(value: unknown): unknown {
  return redactAt(value, "");
}

function redactAt(value: unknown, name: string): unknown {
  switch (typeof value) {
    case "string":
      return isSensitiveName(name) ? redacted : redactText(value);
    case "bigint":
      return value.toString();
    case "object":
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (value instanceof Map) return redactAt(Object.fromEntries(value), name);
  if (value instanceof Set) return redactAt([...value], name);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return redactList(value, name);
  if (hasOwnText(value)) return redactText(String(value));
  return redactFields(value as Fields, name);
}

/** "labels" and the like are what selectors ask for: told as they are, but for what looks like a secret. */
function redactFields(fields: Fields, name: string): Fields {
  if (name === "annotations") return redactAnnotations(fields);
  const kind = fields["kind"];
  const entries = Object.entries(fields).flatMap(([key, value]): [string, unknown][] => {
    if (key === "managedFields") return [];
    if (["data", "stringData", "binaryData"].includes(key) && isBag(kind, fields))
      return [[key, keysAlone(value)]];
    if (/header/i.test(name) && (key === "value" || key === "values")) return [[key, redacted]];
    return [[key, redactAt(value, key)]];
  });
  return Object.fromEntries(entries);
}

function redactList(list: readonly unknown[], name: string): unknown[] {
  // The program is telling, what it was told to do may be anything.
  if (name === "command") return list.map((each, at) => (at === 0 ? redactAt(each, "") : redacted));
  if (name === "args") return list.map(() => redacted);
  if (name === "env") return list.map(withoutValue);
  if (/header/i.test(name)) return list.map(withoutHeaderValue);
  return list.map((each) => redactAt(each, isSensitiveName(name) ? name : ""));
}

function redactAnnotations(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([key]) => key !== lastApplied)
      .map(([key, value]) => [key, knownAnnotations.test(key) ? redactAt(value, key) : redacted]),
  );
}

/** An environment variable: { name, value } or, from elsewhere, { name, valueFrom }. */
function withoutValue(entry: unknown): unknown {
  const fields = Object(entry) as Fields;
  if (typeof entry !== "object") return redacted;
  return redactFields("value" in fields ? { ...fields, value: redacted } : fields, "env");
}

/** "X-Name: value", "X-Name value", or an object with its value in it. */
function withoutHeaderValue(entry: unknown): unknown {
  if (typeof entry === "string") {
    const [, name = ""] = /^([^\s:=]*)/.exec(entry) ?? [];
    return name === entry ? entry : `${name}: ${redacted}`;
  }
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return redacted;
  return redactFields(entry as Fields, "header");
}

/** ConfigMaps and Secrets, whole or by their shape. */
function isBag(kind: unknown, fields: Fields): boolean {
  return (
    kind === "ConfigMap" || kind === "Secret" || "metadata" in fields || "stringData" in fields
  );
}

function keysAlone(data: unknown): unknown {
  return Object.fromEntries(Object.keys(Object(data)).map((key) => [key, redacted]));
}

/** Addresses, prefixes, labels: classes with a text of their own. */
function hasOwnText(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    prototype !== Object.prototype &&
    prototype !== null &&
    value.toString !== Object.prototype.toString
  );
}
