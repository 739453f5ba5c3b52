// A book with a kernel behind it, for tests that tell it one thing after the other.
import type { ServiceChanges } from "@tsilium/datapath/model.ts";
import { ServiceBook, type ServiceBookOptions } from "../book/book.ts";
import type { DecidedService } from "../model.ts";
import { KernelTables } from "./kernel.ts";

export type Served = {
  readonly book: ServiceBook;
  readonly kernel: KernelTables;
  /** Tells the book, and the kernel what follows. */
  set(...services: readonly (DecidedService | undefined)[]): ServiceChanges;
  remove(...keys: readonly string[]): ServiceChanges;
};

export function serve(options: Partial<ServiceBookOptions> = {}): Served {
  const book = new ServiceBook({ maglevTableSize: 251, maglevSeed: 7, maxSets: 1000, ...options });
  const kernel = new KernelTables();
  const settle = () => {
    const changes = book.changes();
    kernel.apply(changes);
    book.applied();
    return changes;
  };
  return {
    book,
    kernel,
    set: (...services) => {
      for (const service of services) if (service) book.set(service);
      return settle();
    },
    remove: (...keys) => {
      for (const key of keys) book.remove(key);
      return settle();
    },
  };
}
