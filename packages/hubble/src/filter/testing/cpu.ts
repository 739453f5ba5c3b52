// How much of the processor something takes: on a machine that others use too, the clock says little.

/** Milliseconds of this process's threads. */
export function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
