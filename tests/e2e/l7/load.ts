// Runs in a client pod: flows of requests that go on until they are told to stop, and what became of every one.
//
//   {"kind": "start", "flows": [...]}  -> {"started": N}     once each has had its first answer, or has ended
//   {"kind": "look"}                   -> {"outcomes": {...}} what there is so far, which is then forgotten
//   {"kind": "stop"}                   -> the same, and they end
import dgram from "node:dgram";
import http2 from "node:http2";
import { connect, isIPv6 } from "node:net";
import { createInterface } from "node:readline";

export type Flow = {
  readonly id: string;
  /** keep: one connection of HTTP/1.1; h2: one of HTTP/2; fresh: a connection for each request; dns: UDP. */
  readonly kind: "keep" | "h2" | "fresh" | "dns";
  readonly address: string;
  readonly port: number;
  /** Asked for in turn; names, of dns. */
  readonly paths: readonly string[];
  /** From an answer to the next question. */
  readonly pauseMs: number;
  /** Of an answer; 3000 if left out. */
  readonly patienceMs?: number;
};

/**
 * One request: what was asked, when it was sent and answered (microseconds of CLOCK_MONOTONIC), the status (of dns the
 * rcode) or why there is none, and from which port the server was asked.
 */
export type Outcome = readonly [
  path: string,
  sentUs: number,
  doneUs: number,
  status: number | "silent" | "reset" | "closed" | "refused",
  port: number,
];
export type Outcomes = Readonly<
  Record<
    string,
    {
      readonly requests: readonly Outcome[];
      /** How the one connection ended, if it did. */
      readonly ended?: { readonly how: string; readonly atUs: number };
    }
  >
>;
export type Order =
  | { readonly kind: "start"; readonly flows: readonly Flow[] }
  | { readonly kind: "look" }
  | { readonly kind: "stop" };

type Answer = { readonly status: Outcome[3]; readonly port: number };
/** A way to ask. Answers in turn; once it has ended it asks nothing more. */
type Client = {
  ask(path: string): Promise<Answer>;
  readonly ended?: string | undefined;
  end(): void;
};

class Run {
  readonly #flow: Flow;
  readonly #begun = Promise.withResolvers<void>();
  #requests: Outcome[] = [];
  #ended: { how: string; atUs: number } | undefined;
  #stopped = false;

  constructor(flow: Flow) {
    this.#flow = flow;
    void this.#go();
  }

  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  look(): Outcomes[string] {
    const requests = this.#requests;
    this.#requests = [];
    return { requests, ...(this.#ended ? { ended: this.#ended } : {}) };
  }

  stop(): void {
    this.#stopped = true;
  }

  async #go(): Promise<void> {
    const { paths, pauseMs } = this.#flow;
    const client = clientOf(this.#flow);
    for (let at = 0; !this.#stopped; at++) {
      const path = paths[at % paths.length] as string;
      const sentUs = nowUs();
      const { status, port } = await client.ask(path);
      if (this.#stopped) break;
      this.#requests.push([path, sentUs, nowUs(), status, port]);
      this.#begun.resolve();
      if (client.ended === undefined) await pause(pauseMs);
      if (client.ended === undefined) continue;
      this.#ended = { how: client.ended, atUs: nowUs() };
      break;
    }
    client.end();
  }
}

let runs = new Map<string, Run>();
for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(await obey(JSON.parse(line) as Order)));
process.exit();

async function obey(order: Order): Promise<object> {
  if (order.kind === "start") {
    const started = order.flows.map((flow) => [flow.id, new Run(flow)] as const);
    runs = new Map([...runs, ...started]);
    await Promise.all(started.map(([, run]) => run.begun));
    return { started: started.length };
  }
  const outcomes = Object.fromEntries([...runs].map(([id, run]) => [id, run.look()]));
  if (order.kind === "stop") {
    for (const run of runs.values()) run.stop();
    runs.clear();
  }
  return { outcomes };
}

function clientOf(flow: Flow): Client {
  switch (flow.kind) {
    case "keep":
      return keptAlive(flow);
    case "h2":
      return overHttp2(flow);
    case "fresh":
      return fresh(flow);
    case "dns":
      return overDns(flow);
  }
}

function keptAlive(flow: Flow): Client {
  const socket = connect(flow.port, flow.address);
  socket.setNoDelay(true);
  let ended: string | undefined;
  let text = "";
  let answered: ((answer: Answer) => void) | undefined;
  const end = (how: string) => {
    ended ??= how;
    answered?.({ status: how as Outcome[3], port: 0 });
    socket.destroy();
  };
  socket.setEncoding("latin1").on("data", (data: string) => {
    text += data;
    const answer = answerOf(text);
    if (!answer) return;
    text = text.slice(answer.length);
    answered?.(answer);
  });
  socket.on("error", (error: NodeJS.ErrnoException) => end(wordOf(error)));
  socket.on("end", () => end("closed"));
  return {
    ask: (path) =>
      new Promise((resolve) => {
        if (ended !== undefined) return resolve({ status: ended as Outcome[3], port: 0 });
        const timer = setTimeout(() => end("silent"), flow.patienceMs ?? 10_000);
        answered = (answer) => {
          clearTimeout(timer);
          answered = undefined;
          resolve(answer);
        };
        socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostOf(flow)}\r\n\r\n`);
      }),
    get ended() {
      return ended;
    },
    end: () => socket.destroy(),
  };
}

/** Of a whole response at the beginning of the text. */
function answerOf(text: string): (Answer & { length: number }) | undefined {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return undefined;
  const isChunked = /^transfer-encoding: chunked/im.test(text.slice(0, head));
  const size = Number(/^content-length: (\d+)/im.exec(text.slice(0, head))?.[1] ?? 0);
  const last = isChunked ? text.indexOf("\r\n0\r\n\r\n", head) : head + 4 + size - 7;
  const length = last + 7;
  if (last < 0 || text.length < length) return undefined;
  return { status: Number(text.slice(9, 12)), port: portIn(text.slice(head, length)), length };
}

function overHttp2(flow: Flow): Client {
  const session = http2.connect(`http://${hostOf(flow)}`);
  let ended: string | undefined;
  session.on("error", (error: NodeJS.ErrnoException) => (ended ??= wordOf(error)));
  session.on("close", () => (ended ??= "closed"));
  return {
    ask: (path) =>
      new Promise((resolve) => {
        const lost = (status: Outcome[3]) => resolve({ status, port: 0 });
        if (ended !== undefined) return lost(ended as Outcome[3]);
        const stream = session.request({ ":path": path, ":authority": hostOf(flow) });
        const timer = setTimeout(() => {
          ended ??= "silent";
          lost("silent");
        }, flow.patienceMs ?? 10_000);
        let status = 0;
        let body = "";
        stream.on("response", (headers) => (status = Number(headers[":status"])));
        stream.setEncoding("utf8").on("data", (data: string) => (body += data));
        stream.on("error", () => {});
        stream.on("close", () => {
          clearTimeout(timer);
          if (status === 0) ended ??= "closed";
          resolve({ status: status || (ended as Outcome[3]), port: portIn(body) });
        });
      }),
    get ended() {
      return ended;
    },
    end: () => session.destroy(),
  };
}

function fresh(flow: Flow): Client {
  return {
    ask: async (path) => {
      const once = keptAlive(flow);
      const answer = await once.ask(path);
      once.end();
      return answer;
    },
    end: () => {},
  };
}

/** RFC 1035: one question of type A. */
function overDns(flow: Flow): Client {
  const socket = dgram.createSocket(isIPv6(flow.address) ? "udp6" : "udp4");
  const waiting = new Map<number, (answer: Answer) => void>();
  let id = 0;
  socket.on("error", () => {});
  socket.on("message", (message) =>
    waiting.get(message.readUInt16BE(0))?.({ status: (message[3] as number) & 15, port: 0 }),
  );
  return {
    ask: (name) =>
      new Promise((resolve) => {
        id = (id + 1) & 0xffff;
        const asked = id;
        const done = (answer: Answer) => {
          clearTimeout(timer);
          waiting.delete(asked);
          resolve(answer);
        };
        const timer = setTimeout(
          () => done({ status: "silent", port: 0 }),
          flow.patienceMs ?? 10_000,
        );
        waiting.set(asked, done);
        socket.send(question(asked, name.replaceAll("#", String(asked))), flow.port, flow.address);
      }),
    end: () => socket.close(),
  };
}

function question(id: number, name: string): Buffer {
  const labels = name.split(".").map((label) => `${String.fromCharCode(label.length)}${label}`);
  return Buffer.concat([
    Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    Buffer.from(`${labels.join("")}\0\0\x01\0\x01`, "latin1"),
  ]);
}

function portIn(body: string): number {
  return Number(/"clientPort":(\d+)/.exec(body)?.[1] ?? 0);
}

function hostOf({ address, port }: Flow): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

function wordOf({ code }: NodeJS.ErrnoException): string {
  if (code === "ECONNRESET" || code === "EPIPE") return "reset";
  return code === "ECONNREFUSED" ? "refused" : (code ?? "closed");
}

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
