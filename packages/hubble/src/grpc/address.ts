// Where a server is, as people write it.

export type ServerAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls: boolean };

const defaultPort = 4245;

/** "unix:///run/hubble.sock", "host:4245", "[::1]:4245", "tls://host:4245". @throws Error for anything else */
export function parseServerAddress(text: string): ServerAddress {
  const unix = /^unix:(?:\/\/)?(\/[^/].*)$/.exec(text);
  if (unix) return { kind: "unix", path: unix[1] as string };
  const tcp =
    /^(tls:\/\/|tcp:\/\/|dns:\/{0,3})?(\[[0-9a-fA-F:.%]+\]|[^/:[\]\s]+)(?::(\d{1,5}))?$/.exec(text);
  const port = Number(tcp?.[3] ?? defaultPort);
  if (!tcp || port < 1 || port > 65_535) {
    throw new Error(
      `not a server's address: ${JSON.stringify(text)} (unix:///path, host:port, tls://host:port)`,
    );
  }
  const host = (tcp[2] as string).replace(/^\[|\]$/g, "");
  return { kind: "tcp", host, port, tls: tcp[1] === "tls://" };
}
