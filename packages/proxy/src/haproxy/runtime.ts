// HAProxy's runtime API: a line in, text out, over a unix socket. A connection for each command: what it answers ends with
// the connection, so nothing in an answer can be taken for its end.
import { connect } from "node:net";
import { HaproxyError } from "./error.ts";

/** Of commands with payloads: less than HAProxy's buffer (tune.bufsize) leaves. */
export const longestPayload = 24_000;
const longestAnswer = 16 << 20;
const patienceMs = 5_000;

export class Runtime {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Runs a command and gives its answer. @throws HaproxyError "failed" (nobody there), "timeout" */
  async ask(command: string, payload?: string): Promise<string> {
    const text = payload === undefined ? `${command}\n` : `${command} <<\n${payload}\n\n`;
    // Commands with payloads may hold secrets: neither they nor their answers are quoted.
    const what = command.split(" ", 2).join(" ");
    return new Promise((resolve, reject) => {
      const socket = connect(this.#path);
      const chunks: Buffer[] = [];
      let length = 0;
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        socket.destroy();
        settle();
      };
      const fail = (code: "failed" | "timeout", reason: string) =>
        finish(() => reject(new HaproxyError(code, `HAProxy, asked to "${what}", ${reason}`)));
      // Of the whole answer: whoever took HAProxy over could go on for ever.
      const timer = setTimeout(() => fail("timeout", "does not answer"), patienceMs);
      socket.on("error", (error) => fail("failed", `is not there: ${error.message}`));
      socket.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > longestAnswer) fail("failed", "does not stop answering");
      });
      socket.on("end", () => finish(() => resolve(Buffer.concat(chunks).toString("utf8").trim())));
      socket.write(text);
    });
  }

  /** Runs a command that says nothing when it is done. @throws HaproxyError "refused" as well */
  async tell(command: string, payload?: string): Promise<void> {
    const answer = await this.ask(command, payload);
    // It repeats what it did not take, where Secrets' values may be.
    if (answer !== "")
      throw refused(command, payload === undefined ? answer : answer.replace(/'.*'/gs, "(...)"));
  }

  /** Runs a command that says so when it is done. @throws HaproxyError "refused" as well */
  async expect(command: string, wanted: RegExp, payload?: string): Promise<RegExpExecArray> {
    const answer = await this.ask(command, payload);
    const found = wanted.exec(answer);
    if (!found) throw refused(command, answer);
    return found;
  }
}

function refused(command: string, answer: string): HaproxyError {
  const what = command.split(" ", 2).join(" ");
  const why = answer.replace(/[^\x20-\x7e]+/g, " ").slice(0, 300);
  return new HaproxyError("refused", `HAProxy does not "${what}": ${why || "no answer"}`);
}
