// A wire between client and server that can be cut, or made to hang: both sides stay connected and hear nothing.
import { type Server, type Socket, connect, createServer } from "node:net";

export type Wire = AsyncDisposable & {
  hang(): void;
  /** As if the power failed on the other side. */
  cut(): void;
  /** Connections that are open now. */
  readonly connections: number;
};

/** Listens on unix socket `path` and passes everything on to `target`. */
export async function wire(path: string, target: string): Promise<Wire> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const server: Server = createServer((near) => {
    const far = connect({ path: target });
    const pair = [near, far] as const;
    pairs.add(pair);
    near.pipe(far).pipe(near);
    for (const socket of pair) {
      socket.on("error", () => undefined);
      socket.once("close", () => {
        pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const all = () => [...pairs].flat();
  return {
    hang: () => {
      for (const socket of all()) {
        socket.unpipe();
        socket.pause();
      }
    },
    cut: () => {
      for (const socket of all()) socket.destroy();
    },
    get connections() {
      return pairs.size;
    },
    [Symbol.asyncDispose]: () => {
      for (const socket of all()) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
