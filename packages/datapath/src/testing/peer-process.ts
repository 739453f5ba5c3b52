// A process inside a pod's or the world's namespace that keeps TCP connections open across whatever a test does to the
// datapath: an echo server on request, and clients that exchange one line at a time.
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";

type Client = { readonly socket: Socket; readonly lines: AsyncIterator<string> };

export type PeerCommands = {
  listen(port: number): void;
  /** Answers the client's number. */
  connect(host: string, port: number): number;
  /** Sends a line and answers what came back: "<client address as the server sees it> <line>". */
  exchange(client: number, line: string): string;
  close(client: number): void;
};

const clients: Client[] = [];
const connectTimeoutMs = 3000;

const commands = {
  async listen(port: number) {
    const server = createServer((socket) => {
      const lines = createInterface({ input: socket });
      lines.on("line", (line) => socket.write(`${socket.remoteAddress} ${line}\n`));
      socket.on("error", () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(port, "::", resolve));
  },
  async connect(host: string, port: number) {
    const socket = connect({ host, port });
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(connectTimeoutMs, () =>
        reject(new Error(`no connection to ${host} within 3 s`)),
      );
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    socket.setTimeout(0);
    socket.on("error", () => socket.destroy());
    const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    return clients.push({ socket, lines }) - 1;
  },
  async exchange(client: number, line: string) {
    const { socket, lines } = clients[client] as Client;
    socket.write(`${line}\n`);
    // A connection that was reset is closed too.
    const answer = await lines.next().catch(() => ({ done: true }) as const);
    return answer.done ? "closed" : answer.value;
  },
  async close(client: number) {
    clients[client]?.socket.destroy();
  },
};

process.on("message", (message: { id: number; command: keyof PeerCommands; args: unknown[] }) => {
  const run = commands[message.command] as (...args: unknown[]) => Promise<unknown>;
  run(...message.args).then(
    (result) => process.send?.({ id: message.id, result }),
    (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
  );
});
