// Clients of the bench's process inside of pods' network namespaces, which ask the same thing again and again.
import { once } from "node:events";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Address } from "@tsilium/net";
import {
  AF_INET,
  close,
  connect,
  recvfrom,
  sendto,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddrIn,
  socket,
  withNetns,
} from "@tsilium/syscall";
import type { Pair } from "./pods.ts";

export type Probe = Disposable & {
  /** Whether the request is let through. @throws Error when nothing answers */
  ask(): Promise<boolean>;
};

/** GET / over one connection that stays open. */
export function httpProbe({ client, server }: Pair, port: number): Probe {
  const fd = withNetns(client.netns, () => socket(AF_INET, SOCK_STREAM));
  connect(fd, sockaddrIn(Address.parse(server.address).bytes, port));
  const connection = new Socket({ fd, readable: true, writable: true }).setNoDelay(true);
  connection.on("error", () => undefined);
  const request = `GET / HTTP/1.1\r\nHost: ${server.address}\r\n\r\n`;
  return {
    async ask() {
      const answered = once(connection, "data", { signal: AbortSignal.timeout(5_000) });
      connection.write(request);
      const [chunk] = (await answered) as [Buffer];
      const status = /^HTTP\/1\.1 (\d+)/.exec(chunk.toString("latin1"))?.[1];
      if (status !== "200" && status !== "403") throw new Error(`an answer of status ${status}`);
      return status === "200";
    },
    [Symbol.dispose]: () => void connection.destroy(),
  };
}

/** A question about n0.bench.test from one socket. */
export function dnsProbe({ client, server }: Pair): Probe {
  const fd = withNetns(client.netns, () => socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK));
  connect(fd, sockaddrIn(Address.parse(server.address).bytes, 53));
  const answer = new Uint8Array(512);
  let id = 0;
  return {
    async ask() {
      id = (id + 1) & 0xffff;
      sendto(fd, question(id));
      for (const until = performance.now() + 5_000; performance.now() < until;) {
        const received = recvfrom(fd, answer);
        const isOurs = received && ((answer[0] as number) << 8) + (answer[1] as number) === id;
        if (isOurs) return ((answer[3] as number) & 0xf) === 0;
        // A timer takes a millisecond, which is a lot here.
        await new Promise(setImmediate);
      }
      throw new Error("no answer to a DNS question");
    },
    [Symbol.dispose]: () => close(fd),
  };
}

/** Until it is answered so. @throws Error when it is not within `patienceMs` */
export async function untilAnswered(
  probe: Probe,
  isAllowed: boolean,
  patienceMs: number,
): Promise<void> {
  const until = performance.now() + patienceMs;
  while ((await probe.ask()) !== isAllowed) {
    if (performance.now() > until) throw new Error(`not enforced within ${patienceMs} ms`);
    await sleep(0);
  }
}

function question(id: number): Uint8Array {
  const header = [id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  return Buffer.concat([
    Buffer.from(header),
    Buffer.from("\u0002n0\u0005bench\u0004test\u0000", "latin1"),
    Buffer.from([0, 1, 0, 1]),
  ]);
}
