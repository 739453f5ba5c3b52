// Where a server listens, as configurations write it.

/** @throws Error on anything that is no address with a port. */
export function parseListenAddress(text: string): { host: string | undefined; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw new Error(`"${text}" is no listen address: wanted host:port`);
  return { host: match[1] ?? (match[2] || undefined), port };
}
