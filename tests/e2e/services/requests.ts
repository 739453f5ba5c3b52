// Requests to echo servers (tests/native/ask.c) from a pod, a node or the world, and what came of each: who answered and
// whom it saw, or which error. A client stays where it is and takes batch after batch.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Lab, root } from "../harness.ts";

export type Request = {
  /** udp: sendto() and recvfrom(); udp-connected: connect(), send() and recv(). */
  readonly protocol: "tcp" | "udp" | "udp-connected" | "bind-tcp" | "bind-udp";
  readonly address: string;
  readonly port: number;
  /** 3000 if left out. */
  readonly timeoutMs?: number;
  /** Of the client's own; any if left out. */
  readonly from?: string;
  /** Of the client's own; the next of `clientPorts` if left out. */
  readonly fromPort?: number;
};

/**
 * Ports of requests that do not say theirs. Kernels use one for several destinations at a time; behind these may be one
 * backend, and then two flows are one to it.
 */
const clientPorts = [10_000, 29_999] as const;

/** What the echo server says. */
type EchoAnswer = {
  readonly pod: string;
  readonly namespace: string;
  readonly node: string;
  readonly client: string;
  readonly clientPort: number;
  /** TCP alone. */
  readonly server?: string;
  readonly serverPort?: number;
};

export type Outcome =
  | {
      readonly kind: "ok";
      readonly micros: number;
      /** The client's end, "10.244.0.3:40000". */
      readonly local: string;
      /** Who answered as the client's kernel tells: getpeername(), or recvfrom()'s address. */
      readonly peer: string;
      /** Of bind, nobody's. */
      readonly answer: EchoAnswer;
    }
  | {
      /** denied: EPERM; unreachable: no route, or an ICMP error that says so; closed: without an answer. */
      readonly kind:
        | "refused"
        | "timeout"
        | "unreachable"
        | "reset"
        | "denied"
        | "in-use"
        | "closed"
        | "other";
      readonly micros: number;
      readonly detail: string;
    };

const defaultTimeoutMs = 3000;

/** `await using client = Client.inPod(...)`. */
export class Client implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #complaint = "";
  #nextPort: number = clientPorts[0];

  static inPod(lab: Lab, namespace: string, pod: string): Client {
    return new Client(lab, `${namespace}/${pod}`, ["exec", "-n", namespace, pod]);
  }

  static onNode(lab: Lab, node: string): Client {
    return new Client(lab, node, ["node", "exec", node]);
  }

  static inWorld(lab: Lab): Client {
    return new Client(lab, "world", ["world", "exec"]);
  }

  /** @param words what follows `tsilium lab` to run a command there */
  private constructor(lab: Lab, name: string, words: readonly string[]) {
    this.name = name;
    const command = ["lab", ...words, "--", join(root, "dist/bin/ask")];
    this.#child = spawn(join(root, "tsilium"), command, {
      cwd: root,
      env: { ...process.env, TSILIUM_LAB: lab.name },
    });
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#complaint += text));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Side by side; outcomes in the order of the requests. One batch at a time. */
  async ask(requests: readonly Request[]): Promise<Outcome[]> {
    this.#child.stdin.write(`${requests.map((each) => this.#line(each)).join("")}\n`);
    const outcomes: Outcome[] = [];
    for (let answered = 0; ; answered++) {
      const { done, value: line } = await this.#lines.next();
      assert.ok(!done, `the client ${this.name} has ended: ${this.#complaint}`);
      if (line === "") {
        assert.equal(answered, requests.length, `answers to ${this.name}`);
        return outcomes;
      }
      const [number = "", ...words] = line.split(" ");
      outcomes[Number(number)] = outcomeOf(words);
    }
  }

  /** One request. */
  async one(request: Request): Promise<Outcome> {
    const [outcome] = await this.ask([request]);
    return outcome as Outcome;
  }

  /** The same request `count` times, each by a socket of its own. */
  repeat(request: Request, count: number): Promise<Outcome[]> {
    return this.ask(Array.from({ length: count }, () => request));
  }

  #line(request: Request): string {
    const { protocol, address, port, timeoutMs = defaultTimeoutMs, from = "-" } = request;
    const fromPort = request.fromPort ?? (protocol.startsWith("bind-") ? 0 : this.#port());
    return `${protocol} ${address} ${port} ${timeoutMs} ${from} ${fromPort}\n`;
  }

  #port(): number {
    const port = this.#nextPort;
    this.#nextPort = port === clientPorts[1] ? clientPorts[0] : port + 1;
    return port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin.end();
    this.#child.kill("SIGTERM");
    await closed;
  }
}

function outcomeOf([kind = "", micros, ...rest]: readonly string[]): Outcome {
  if (kind !== "ok")
    return {
      kind: kind as Exclude<Outcome["kind"], "ok">,
      micros: Number(micros),
      detail: rest.join(" "),
    };
  const [local = "", peer = "", ...json] = rest;
  return {
    kind,
    micros: Number(micros),
    local,
    peer,
    answer: { ...nobody, ...(JSON.parse(json.join(" ")) as Partial<EchoAnswer>) },
  };
}

const nobody: EchoAnswer = { pod: "", namespace: "", node: "", client: "", clientPort: 0 };

/** One word for tables and assertions: the pod that answered ("ok" of a bind), or the kind of error. */
export function wordOf(outcome: Outcome): string {
  return outcome.kind === "ok" ? outcome.answer.pod || "ok" : outcome.kind;
}

/** How often each word came: {"web-1": 12, "web-2": 8}, in the order of words. */
export function spread(outcomes: readonly Outcome[]): Record<string, number> {
  const counts = Map.groupBy(outcomes.map(wordOf), (word) => word);
  return Object.fromEntries(
    [...counts].map(([word, all]) => [word, all.length] as const).toSorted(byFirst),
  );
}

function byFirst([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The answer; an error fails the test with its words. */
export function answerOf(outcome: Outcome, what = "the request"): EchoAnswer {
  assert.ok(outcome.kind === "ok", `${what}: ${JSON.stringify(outcome)}`);
  return outcome.answer;
}
