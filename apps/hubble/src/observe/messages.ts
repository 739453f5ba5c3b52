// Requests in their JSON form -> messages. Here protobuf's code comes in.
import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { create } from "@bufbuild/protobuf";
import { compileFieldMask } from "@tsilium/hubble/codec/index.ts";
import { DropReasonSchema, FlowFilterSchema } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import {
  type GetFlowsRequest,
  GetFlowsRequestSchema,
} from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { CommandError } from "../../../cli/src/failure.ts";
import type { FilterLists, RawFilter } from "../filters/raw-filter.ts";
import type { RequestJson } from "./request.ts";

/** @throws CommandError for a filter or a path that does not exist. */
export function flowsRequestMessage(
  request: RequestJson,
  fieldMask: readonly string[],
): GetFlowsRequest {
  checkFilters({ allowlist: request.whitelist ?? [], denylist: request.blacklist ?? [] });
  const message = fromJson(GetFlowsRequestSchema, request as unknown as JsonValue);
  if (fieldMask.length > 0) {
    checkMask(fieldMask);
    message.fieldMask = create(FieldMaskSchema, { paths: [...fieldMask] });
  }
  return message;
}

/** @throws CommandError for what is no FlowFilter. */
export function checkFilters({ allowlist, denylist }: FilterLists): void {
  for (const [flag, filters] of [
    ["allowlist", allowlist],
    ["denylist", denylist],
  ] as const)
    for (const filter of filters) checkFilter(flag, filter);
}

function checkFilter(flag: string, filter: RawFilter): void {
  for (const reason of filter.drop_reason_desc ?? []) checkDropReason(reason);
  try {
    toJson(FlowFilterSchema, fromJson(FlowFilterSchema, filter as unknown as JsonValue));
  } catch (cause) {
    throw new CommandError(
      `--${flag}: ${JSON.stringify(filter)} is no FlowFilter: ${(cause as Error).message}`,
      "Its fields are those of message FlowFilter in Cilium's flow.proto; --print-raw-filters shows those of other flags.",
      { cause },
    );
  }
}

function checkDropReason(reason: unknown): void {
  if (typeof reason !== "string" || DropReasonSchema.values.some(({ name }) => name === reason))
    return;
  const [near] = dropReasons()
    .map((name) => [name, likeness(name, reason)] as const)
    .toSorted(([, one], [, other]) => other - one);
  throw new CommandError(
    `there is no drop reason "${reason}"`,
    near && near[1] > 0
      ? `Did you mean ${near[0]}?`
      : "Such as POLICY_DENIED, POLICY_DENY or INVALID_SOURCE_IP.",
  );
}

/** Names of all drop reasons. */
export function dropReasons(): string[] {
  return DropReasonSchema.values.map(({ name }) => name);
}

/** How many words two names have in common. */
function likeness(name: string, other: string): number {
  const words = new Set(name.split("_"));
  return other.split("_").filter((word) => words.has(word)).length;
}

function checkMask(paths: readonly string[]): void {
  try {
    compileFieldMask(paths);
  } catch (cause) {
    throw new CommandError(
      `--field-mask: ${(cause as Error).message}`,
      "Fields are those of message Flow in Cilium's flow.proto: time,source.pod_name,verdict",
      { cause },
    );
  }
}
