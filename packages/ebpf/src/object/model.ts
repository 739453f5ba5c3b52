// What an object file says, before any kernel has seen it.
import type { MapType } from "../map-types.ts";
import type { ProgramKind } from "./sections.ts";

/** An entry that a map starts with: another map's or a program's descriptor. */
export type MapContent = {
  readonly index: number;
  readonly kind: "map" | "program";
  readonly name: string;
};

/** A map to create. Sizes may be changed until it is loaded. */
export type MapSpec = {
  readonly name: string;
  type: MapType;
  /** Bytes. */
  keySize: number;
  valueSize: number;
  maxEntries: number;
  /** BPF_F_*. */
  flags: number;
  mapExtra: bigint;
  /** LIBBPF_PIN_BY_NAME was asked for. */
  pinByName: boolean;
  /** BTF types of key and value in the object's own numbering; 0: none. */
  keyTypeId: number;
  valueTypeId: number;
  /** Shape of the maps that a map of maps holds. */
  inner: MapSpec | undefined;
  contents: readonly MapContent[];
  /** Contents of a data section (.rodata, .data, .bss): the array's single value. */
  data: Uint8Array | undefined;
  /** Read-only for programs, and frozen once filled: the verifier then knows the values. */
  constant: boolean;
};

/** An instruction that refers to a map by name, to be given a descriptor when loading. */
export type MapReference = {
  /** Number of the 16-byte load instruction within the program. */
  readonly instruction: number;
  readonly map: string;
  /** Undefined: the map itself; a number: address of this byte of its first value (data sections). */
  readonly valueOffset: number | undefined;
};

/** A program with the functions it calls already linked behind it. */
export type ProgramSpec = {
  readonly name: string;
  readonly section: string;
  readonly kind: ProgramKind;
  readonly license: string;
  /** Raw instructions, 8 bytes each; map references still open. */
  readonly instructions: Uint8Array;
  readonly references: readonly MapReference[];
  /** struct bpf_func_info and struct bpf_line_info records for the kernel, ready made. */
  readonly functionInfo: Uint8Array;
  readonly lineInfo: Uint8Array;
};

/** A variable in a data section. */
export type VariableSpec = {
  readonly name: string;
  /** Name of the data section's map: ".rodata". */
  readonly section: string;
  /** Bytes. */
  readonly offset: number;
  readonly size: number;
  readonly typeId: number;
};
