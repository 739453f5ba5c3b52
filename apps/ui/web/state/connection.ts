// How it stands between page, server and relay.
import { Store } from "./store.ts";

export type Connection = {
  readonly server: "connecting" | "connected" | "lost";
  /** undefined: not told yet. "": connected; else why not. */
  readonly relayError: string | undefined;
  /** The server wants a token. */
  readonly unauthorized: boolean;
};

export const connection = new Store<Connection>({
  server: "connecting",
  relayError: undefined,
  unauthorized: false,
});

export function noteServer(server: Connection["server"]): void {
  const before = connection.get();
  if (before.server !== server || before.unauthorized)
    connection.set({ ...before, server, unauthorized: false });
}

export function noteRelay(relayError: string): void {
  const before = connection.get();
  if (before.relayError !== relayError) connection.set({ ...before, relayError });
}

export function noteUnauthorized(): void {
  connection.set({ ...connection.get(), unauthorized: true });
}
