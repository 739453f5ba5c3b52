// Kinds of maps by name, with the kernel's numbers (enum bpf_map_type), and the flags that go with them.

export const mapTypes = {
  hash: 1,
  array: 2,
  prog_array: 3,
  perf_event_array: 4,
  percpu_hash: 5,
  percpu_array: 6,
  stack_trace: 7,
  cgroup_array: 8,
  lru_hash: 9,
  lru_percpu_hash: 10,
  lpm_trie: 11,
  array_of_maps: 12,
  hash_of_maps: 13,
  devmap: 14,
  sockmap: 15,
  cpumap: 16,
  xskmap: 17,
  sockhash: 18,
  reuseport_sockarray: 20,
  queue: 22,
  stack: 23,
  sk_storage: 24,
  devmap_hash: 25,
  ringbuf: 27,
  task_storage: 29,
  bloom_filter: 30,
  user_ringbuf: 31,
  cgrp_storage: 32,
} as const;

export type MapType = keyof typeof mapTypes;

const names = new Map<number, MapType>(
  Object.entries(mapTypes).map(([name, number]) => [number, name as MapType]),
);

/** The name of a map type number, undefined for kinds this package does not know. */
export function mapTypeName(number: number): MapType | undefined {
  return names.get(number);
}

export const isPerCpu = (type: MapType): boolean => type.includes("percpu");
export const isMapOfMaps = (type: MapType): boolean => type.endsWith("_of_maps");

/** Map creation flags (include/uapi/linux/bpf.h). */
export const BPF_F_NO_PREALLOC = 1 << 0;
export const BPF_F_NO_COMMON_LRU = 1 << 1;
export const BPF_F_RDONLY = 1 << 3;
export const BPF_F_WRONLY = 1 << 4;
export const BPF_F_RDONLY_PROG = 1 << 7;
export const BPF_F_MMAPABLE = 1 << 10;
export const BPF_F_INNER_MAP = 1 << 12;

/** Update flags. */
export const BPF_ANY = 0n;
export const BPF_NOEXIST = 1n;
export const BPF_EXIST = 2n;
