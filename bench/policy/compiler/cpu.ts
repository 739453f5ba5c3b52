// CPU time of this process: what was taken from others, whatever else ran meanwhile.

/** CPU milliseconds of some work, garbage collection and compilation of JavaScript included. */
export function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
