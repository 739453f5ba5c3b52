// The eBPF library: object files read without the kernel, and what is loaded from them.
export * as codecs from "./codec.ts";
export { decode, encode, offsetOf, type Codec } from "./codec.ts";
export * from "./errors.ts";
export * from "./map-types.ts";
export { Btf, type BtfMember, type BtfType } from "./object/btf.ts";
export { CollectionSpec, parseObject } from "./object/collection-spec.ts";
export type {
  MapContent,
  MapReference,
  MapSpec,
  ProgramSpec,
  VariableSpec,
} from "./object/model.ts";
export { programKind, type ProgramKind } from "./object/sections.ts";
export { Collection, loadCollection, type LoadOptions } from "./kernel/collection.ts";
export * from "./kernel/link.ts";
export type { MapInfo } from "./kernel/map-info.ts";
export type { PackedEntries } from "./kernel/batch.ts";
export { BpfMap, type MapOptions, type UpdateMode } from "./kernel/map.ts";
export { readBtf } from "./kernel/read-btf.ts";
export { isBpfError, KernelObject, objectIds, type ObjectKind } from "./kernel/object.ts";
export { joinPerCpu, perCpuSize, splitPerCpu } from "./kernel/per-cpu.ts";
export * from "./kernel/program.ts";
export { generateCodecs } from "./codegen/abi.ts";
export { attachTc, ClsactFilter, type TcAttachment } from "./kernel/clsact.ts";
export { type MapCodecs, TypedMap, TypedPerCpuMap } from "./kernel/typed-map.ts";
export { activePollMs, idlePollMs, nextPollMs } from "./ringbuf/pace.ts";
export {
  type RecordHandler,
  RingBuffer,
  type RingBufferStatistics,
} from "./ringbuf/ring-buffer.ts";
export { type RingMemory, RingReading } from "./ringbuf/ring-reading.ts";
export {
  type Feature,
  type FeatureName,
  features,
  hasFeature,
  requireFeature,
} from "./probes/features.ts";
export { kernelVersion, type KernelVersion, parseKernelVersion } from "./probes/kernel-version.ts";
