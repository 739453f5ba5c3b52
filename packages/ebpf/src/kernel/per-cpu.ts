// Per-CPU maps store one value per possible CPU, each padded to 8 bytes.
import { possibleCpus } from "@tsilium/syscall";

const padded = (valueSize: number) => (valueSize + 7) & ~7;

/** Bytes of one entry of a per-CPU map as the kernel reads and writes it. */
export function perCpuSize(valueSize: number): number {
  return padded(valueSize) * possibleCpus();
}

/** The values of an entry, one per possible CPU. */
export function splitPerCpu(stored: Uint8Array, valueSize: number): Uint8Array[] {
  const step = padded(valueSize);
  return Array.from({ length: stored.length / step }, (_, cpu) =>
    stored.subarray(cpu * step, cpu * step + valueSize),
  );
}

/** An entry of one value per possible CPU. @throws RangeError for another number of values. */
export function joinPerCpu(values: readonly Uint8Array[], valueSize: number): Uint8Array {
  if (values.length !== possibleCpus())
    throw new RangeError(`${values.length} values for ${possibleCpus()} possible CPUs`);
  const stored = new Uint8Array(perCpuSize(valueSize));
  values.forEach((value, cpu) => {
    if (value.length !== valueSize)
      throw new RangeError(`a value of ${value.length} bytes, not ${valueSize}`);
    stored.set(value, cpu * padded(valueSize));
  });
  return stored;
}
