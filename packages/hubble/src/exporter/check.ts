// What is wrong with the keys hubble-export-*, before anything is started.
import { isAbsolute } from "node:path";
import { compileFieldMask } from "../codec/index.ts";
import { compileFilters } from "../filter/index.ts";
import type { ExportersOptions } from "./exporters.ts";
import { parseFilters } from "./flow-log.ts";

/** A sentence for each thing that is wrong, with the key's name in front. Files are not looked at: they may come later. */
export function exportProblems(
  options: Pick<
    ExportersOptions,
    "filePath" | "allowlist" | "denylist" | "fieldMask" | "flowLogsConfigPath"
  >,
): string[] {
  const { filePath, allowlist, denylist, fieldMask, flowLogsConfigPath } = options;
  const isFile = filePath !== "" && filePath !== "stdout";
  return [
    ...(isFile && !isAbsolute(filePath)
      ? [`hubble-export-file-path: wanted an absolute path or stdout, got "${filePath}"`]
      : []),
    ...faultOf("hubble-export-allowlist", () =>
      compileFilters({ whitelist: parseFilters(allowlist) }),
    ),
    ...faultOf("hubble-export-denylist", () =>
      compileFilters({ blacklist: parseFilters(denylist) }),
    ),
    ...faultOf("hubble-export-fieldmask", () => compileFieldMask(fieldMask)),
    ...(flowLogsConfigPath !== "" && !isAbsolute(flowLogsConfigPath)
      ? [`hubble-flowlogs-config-path: wanted an absolute path, got "${flowLogsConfigPath}"`]
      : []),
  ];
}

function faultOf(key: string, check: () => unknown): string[] {
  try {
    check();
    return [];
  } catch (error) {
    return [`${key}: ${(error as Error).message}`];
  }
}
