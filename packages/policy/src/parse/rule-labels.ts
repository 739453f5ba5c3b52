// `labels` of a Cilium spec: texts or objects, for people and tools to find rules by.
import { formatLabel } from "@tsilium/net";
import type { Field } from "./field.ts";

export function parseRuleLabels(field: Field): readonly string[] | undefined {
  return field.items()?.flatMap((item) => {
    const text = typeof item.value === "string" ? item.name() : parseObject(item);
    return text === undefined ? [] : [text];
  });
}

function parseObject(item: Field): string | undefined {
  if (!item.isObject()) return undefined;
  item.only(["key", "value", "source"]);
  const key = item.at("key").name();
  const value = item.at("value").text() ?? "";
  const source = item.at("source").text() || "any";
  return key === undefined ? undefined : formatLabel({ source, key, value });
}
