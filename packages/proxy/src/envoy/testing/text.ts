// Resources as text, for people and for comparing.
import { createRegistry, type DescFile, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { globSync } from "node:fs";
import { join } from "node:path";
import { dump } from "js-yaml";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";

const gen = join(import.meta.dirname, "../gen");
const files: DescFile[] = [];
for (const path of globSync("**/*_pb.ts", { cwd: gen })) {
  const module = (await import(join(gen, path))) as Record<string, unknown>;
  files.push(Object.entries(module).find(([name]) => name.startsWith("file_"))?.[1] as DescFile);
}
const registry = createRegistry(...files, StringValueSchema);

/** YAML, in Envoy's own field names. */
export function textOf(message: Any): string {
  const json = toJson(AnySchema, message, { registry, useProtoFieldName: true });
  return dump(shortened(json), { lineWidth: -1, noRefs: true });
}

/** Types by their last words. */
function shortened(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(shortened);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) =>
      key === "@type"
        ? [key, String(part).split(".").at(-1) as string]
        : [key, shortened(part as JsonValue)],
    ),
  );
}
